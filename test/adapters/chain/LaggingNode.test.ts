/**
 * A miner over two devnet nodes, the first choice of which is a healthy one that is now and then a few blocks behind: what
 * it does not show yet is never taken for what is not there, and nothing is decided below a height already acted upon.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schedule, Stream } from "effect"
import * as BlocksNode from "../../../adapters/chain/BlocksNode.ts"
import { startDevnet } from "../../../adapters/simchain/devnet/Devnet.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { append, eventsOf, headerAt, relaysOf } from "../../domain/mining/MinerWorld.ts"
import { BLOCK, endOf, layerOwn, layerPorts, listed, makeChain } from "./DevnetMiner.ts"
import { eventually } from "./FakeComet.ts"

describe("a node that is a few blocks behind", () => {
  for (const txIndexOff of [false, true]) {
    it.live(
      `costs no fee and no session, and takes no height back: index ${txIndexOff ? "off" : "on"}`,
      () =>
        Effect.gen(function* () {
          const chain = yield* makeChain
          const { controlUrl, nodes } = yield* startDevnet({ chain, nodes: 2 })
          const [behind] = nodes
          for (const node of nodes) yield* node.setWireFaults({ txIndexOff })
          const ports = yield* Layer.build(layerPorts(nodes))
          const blocks = Context.get(ports, Blocks)
          const endpoints = Context.get(ports, BlocksNode.BlockEndpoints)
          const seen: Array<bigint> = []
          yield* Effect.forkScoped(
            Stream.runForEach(blocks.changes, ({ height }) => Effect.sync(() => seen.push(height)))
          )
          const own = yield* Layer.build(layerOwn())
          const program = Effect.gen(function* () {
            const header = yield* headerAt(1n)
            yield* append(header, relaysOf(header, 5))
            yield* startMiner
            let lag = 0n
            // 0, 1, 2, 3, 0, … blocks behind: as many as nodes of one network may be apart.
            yield* Effect.forkScoped(
              Effect.gen(function* () {
                lag = (lag + 1n) % 4n
                yield* behind!.node.setFaults({ lagBlocks: lag })
                yield* chain.produceBlock
              }).pipe(Effect.repeat(Schedule.spaced(BLOCK)))
            )
            assert.strictEqual(yield* endOf(header), "Settled")
            // Every event is of a height at or above those before it.
            const heights = (yield* eventsOf(header)).flatMap((event) => ("height" in event ? [event.height] : []))
            assert.isAbove(heights.length, 3)
            assert.deepStrictEqual(
              heights,
              heights.toSorted((a, b) => Number(a - b))
            )
          })
          yield* program.pipe(Effect.provide(Context.merge(ports, own)))
          assert.deepStrictEqual(
            seen,
            [...new Set(seen)].toSorted((a, b) => Number(a - b))
          )
          assert.lengthOf(yield* listed(controlUrl, "claim"), 1)
          assert.lengthOf(yield* listed(controlUrl, "proof"), 1)
          yield* eventually("nothing is blocking", () =>
            Effect.runSync(endpoints.reasons).every(({ isBlocking }) => !isBlocking)
          )
        }),
      60_000
    )
  }
})
