/** What a miner pays over real sockets when nodes ask for more, and when the answer of one that took the bytes is lost. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schedule } from "effect"
import { type DevnetNode, startDevnet } from "../../../adapters/simchain/devnet/Devnet.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import type { GasPrice } from "../../../domain/tx/TxFee.ts"
import { append, headerAt, relaysOf } from "../../domain/mining/MinerWorld.ts"
import { BLOCK, endOf, layerOwn, layerPorts, listed, makeChain } from "./DevnetMiner.ts"

/** Mines one session over two nodes that `arrange` prepared; what the nodes were handed. */
const mined = (arrange: (nodes: ReadonlyArray<DevnetNode>) => Effect.Effect<void>, gasPrice?: GasPrice) =>
  Effect.gen(function* () {
    const chain = yield* makeChain
    const { controlUrl, nodes } = yield* startDevnet({ chain, nodes: 2 })
    yield* arrange(nodes)
    const ports = yield* Layer.build(layerPorts(nodes))
    const own = yield* Layer.build(layerOwn(gasPrice))
    const end = yield* Effect.gen(function* () {
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* startMiner
      yield* Effect.forkScoped(Effect.repeat(chain.produceBlock, Schedule.spaced(BLOCK)))
      return yield* endOf(header)
    }).pipe(Effect.provide(Context.merge(ports, own)))
    return { end, claims: yield* listed(controlUrl, "claim"), proofs: yield* listed(controlUrl, "proof") }
  })

describe("a miner's fees over devnet nodes", () => {
  it.live(
    "are raised to what the nodes ask, after one transaction that none of them took",
    () =>
      Effect.gen(function* () {
        const { claims, end, proofs } = yield* mined(() => Effect.void, { scaled: 0n, denom: "upokt" })
        assert.strictEqual(end, "Settled")
        const [refused, paid, ...others] = claims
        assert.deepStrictEqual([refused?.fee, refused?.taken, others.length], ["0", 0, 0])
        assert.isAbove(refused?.refused["sdk 13"] ?? 0, 0)
        assert.isAtLeast(Number(paid?.fee), 1)
        assert.isAbove(paid?.taken ?? 0, 0)
        // The proof begins with the price that the claim has taught.
        assert.lengthOf(proofs, 1)
        assert.isAtLeast(Number(proofs[0]?.fee), 1)
      }),
    60_000
  )

  it.live(
    "are paid once where one node refused the claim and the answers of another, which took it, were lost",
    () =>
      Effect.gen(function* () {
        const { claims, end } = yield* mined(([refuses, loses]) =>
          Effect.gen(function* () {
            const poor = {
              codespace: "sdk",
              code: 13,
              log: "insufficient fees; got: 1upokt required: 2upokt: insufficient fee"
            }
            // Over gRPC and over RPC.
            yield* refuses!.node.setFaults({ refusals: [poor, poor] })
            yield* loses!.node.setFaults({ loseReplies: 2 })
          })
        )
        assert.strictEqual(end, "Settled")
        assert.lengthOf(claims, 1)
        assert.isAtLeast(claims[0]?.refused["sdk 13"] ?? 0, 1)
      }),
    60_000
  )
})
