/** Events and limits of blocks as nodes give them. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Option, Result } from "effect"
import * as BlockReads from "../../../adapters/chain/BlockReads.ts"
import { BlockReads as Reads } from "../../../adapters/chain/ChainQueryNode.ts"
import * as RpcEndpoints from "../../../adapters/chain/RpcEndpoints.ts"
import { fakeChain, type FakeComet, fakeComet } from "./FakeComet.ts"

const readsOf = (nodes: ReadonlyArray<FakeComet>, maxResultsBytes = 1 << 28) =>
  Effect.gen(function* () {
    const rpc = RpcEndpoints.layer({
      ...RpcEndpoints.defaultRpcSettings(nodes.map(({ url }) => url)),
      deadline: Duration.millis(800),
      maxResultsBytes
    })
    return Context.get(yield* Layer.build(BlockReads.layer.pipe(Layer.provide(rpc))), Reads)
  })

/** As the chain writes it: values are JSON, keys sorted, 64-bit integers quoted. */
const discarded = (session: string, mode: { readonly key: string; readonly value: string }) => ({
  type: "pocket.tokenomics.EventClaimDiscarded",
  attributes: [
    { key: "application_address", value: '"app"', index: true },
    { key: "claim_proof_status_int", value: "0", index: true },
    { key: "error", value: '"why"', index: true },
    { key: "service_id", value: '"svc"', index: true },
    { key: "session_end_block_height", value: `"${session}"`, index: true },
    { key: "supplier_operator_address", value: '"supplier"', index: true },
    { ...mode, index: true }
  ]
})
const atEnd = { key: "mode", value: "EndBlock" }
const other = { type: "transfer", attributes: [{ key: "amount", value: "5upokt", index: true }] }

describe("BlockReads", () => {
  it.live("reads typed events in order, those of transactions first, and leaves out others", () =>
    Effect.gen(function* () {
      const chain = fakeChain(3)
      chain.add({
        results: [
          { code: 0, data: null, log: "", events: [other, discarded("12", { key: "msg_index", value: "0" })] },
          { code: 5, data: null, log: "no", events: null }
        ],
        events: [discarded("18", atEnd), other, discarded("24", atEnd)]
      })
      const node = yield* fakeComet(chain)
      const reads = yield* readsOf([node])
      const events = Option.getOrThrow(yield* reads.blockEvents(4n))
      assert.deepStrictEqual(
        events.map((event) => [event._tag, "sessionEndBlockHeight" in event ? event.sessionEndBlockHeight : undefined]),
        [
          ["ClaimDiscarded", 12n],
          ["ClaimDiscarded", 18n],
          ["ClaimDiscarded", 24n]
        ]
      )
      assert.deepStrictEqual(yield* reads.blockEvents(3n), Option.some([]))
      assert.deepStrictEqual(yield* reads.blockLimits, { maxBytes: 22_020_096n, maxGas: undefined })
    })
  )

  it.live("has none of blocks to come or pruned, unless another node has them", () =>
    Effect.gen(function* () {
      const chain = fakeChain(6)
      const pruned = yield* fakeComet(chain, { base: 4 })
      const archive = yield* fakeComet(chain)
      const alone = yield* readsOf([pruned])
      for (const height of [0n, 3n, 7n]) assert.isTrue(Option.isNone(yield* alone.blockEvents(height)))
      const both = yield* readsOf([pruned, archive])
      assert.isTrue(Option.isSome(yield* both.blockEvents(3n)))
      assert.isTrue(Option.isNone(yield* both.blockEvents(7n)))
    })
  )

  it.live("leaves out an event of a form it does not know, and reads those around it", () =>
    Effect.gen(function* () {
      const chain = fakeChain(3)
      const newer = { type: "pocket.tokenomics.EventClaimDiscarded", attributes: [{ key: "error", value: '"x"' }] }
      chain.add({ events: [discarded("18", atEnd), newer, discarded("24", atEnd)] })
      const node = yield* fakeComet(chain)
      const events = Option.getOrThrow(yield* (yield* readsOf([node])).blockEvents(4n))
      assert.strictEqual(events.length, 2)
    })
  )

  it.live("fails, and names the bound, for results that are larger than allowed", () =>
    Effect.gen(function* () {
      const chain = fakeChain(3)
      chain.add({ events: Array.from({ length: 1_000 }, () => other) })
      const node = yield* fakeComet(chain)
      const failure = Option.getOrThrow(
        Result.getFailure(yield* Effect.result((yield* readsOf([node], 20_000)).blockEvents(4n)))
      )
      assert.match(String(failure.cause), /longer than 20000 bytes/)
    })
  )

  it.live("reads a settlement of tens of megabytes", () =>
    Effect.gen(function* () {
      const chain = fakeChain(3)
      const filler = { type: "transfer", attributes: [{ key: "amount", value: "5".repeat(2_000), index: true }] }
      chain.add({
        events: Array.from({ length: 20_000 }, (_, index) =>
          index % 100 === 0 ? discarded(`${index}`, atEnd) : filler
        )
      })
      const node = yield* fakeComet(chain)
      const events = Option.getOrThrow(yield* (yield* readsOf([node])).blockEvents(4n))
      assert.strictEqual(events.length, 200)
    })
  )
})
