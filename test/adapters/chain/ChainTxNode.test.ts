/** Transactions to several nodes over real sockets: one acceptance is enough, silence proves nothing, no index is needed. */
import { create, toBinary } from "@bufbuild/protobuf"
import { status } from "@grpc/grpc-js"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Option, Result } from "effect"
import * as ChainTxNode from "../../../adapters/chain/ChainTxNode.ts"
import * as QueryEndpoints from "../../../adapters/chain/QueryEndpoints.ts"
import * as RpcEndpoints from "../../../adapters/chain/RpcEndpoints.ts"
import * as TxPb from "../../../domain/chain/proto/cosmos/tx_pb.ts"
import { ChainTx } from "../../../domain/ports/ChainTx.ts"
import { fakeChain, type FakeComet, fakeComet, sha } from "./FakeComet.ts"
import { type GrpcNode, makeGrpcNode } from "./GrpcNode.ts"

const DEADLINE = Duration.millis(800)
const TX = new Uint8Array([1, 2, 3])

const portOf = (nodes: ReadonlyArray<FakeComet>, grpc: ReadonlyArray<GrpcNode> = []) =>
  Effect.gen(function* () {
    const rpc = RpcEndpoints.layer({
      ...RpcEndpoints.defaultRpcSettings(nodes.map(({ url }) => url)),
      deadline: DEADLINE,
      bodyDeadline: DEADLINE
    })
    const queries = QueryEndpoints.layer({
      grpc: grpc.map(({ port }) => ({ host: "127.0.0.1", port, isInsecure: true })),
      deadline: DEADLINE
    })
    const context = yield* Layer.build(
      ChainTxNode.layer({ chainId: "test" }).pipe(Layer.provide(queries), Layer.provide(rpc))
    )
    return Context.get(context, ChainTx)
  })

/** `accepted`, or tag and reason of what came instead. */
const outcomeOf = <A, E extends { readonly _tag: string; readonly reason?: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.result(effect), (result) =>
    Result.isSuccess(result) ? "accepted" : (result.failure.reason ?? result.failure._tag)
  )

const answered = (parts: { readonly code: number; readonly codespace: string; readonly rawLog?: Uint8Array }) =>
  toBinary(
    TxPb.BroadcastTxResponseSchema,
    create(TxPb.BroadcastTxResponseSchema, { txResponse: { rawLog: new Uint8Array(), ...parts } })
  )

/** Fee payer unknown, with the 20 raw bytes of its address in the log. */
const RAW_LOG = Buffer.concat([
  Buffer.from("fee payer address: "),
  Buffer.from([0xff, 0xfe, 0x80, 0xc0]),
  Buffer.from(" does not exist: unknown address")
])

const refusal =
  (code: number, log: string, codespace = "sdk") =>
  () => ({ code, codespace, log, data: "", hash: "" })

describe("ChainTxNode", () => {
  it.live("sends to all nodes; one that accepts is enough, whatever the others say", () =>
    Effect.gen(function* () {
      const nodes = yield* Effect.forEach([0, 1, 2], () => fakeComet(fakeChain(3)))
      const [first, second, third] = nodes as [FakeComet, FakeComet, FakeComet]
      const tx = yield* portOf(nodes)
      yield* tx.broadcast(TX)
      const sentTo = () => nodes.map(({ broadcasts }) => broadcasts.map((bytes) => sha(bytes)).join())
      assert.include(sentTo(), sha(TX))
      first.is.onBroadcast = refusal(42, "block time: x, timeout timestamp: y: tx timeout")
      second.is.silent = true
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "accepted")
      third.is.onBroadcast = () => "tx already exists in cache"
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "known")
      third.is.onBroadcast = refusal(19, "")
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "known")
      // Nobody has it: what was said counts; that one is silent changes nothing.
      third.is.onBroadcast = refusal(42, "block time: x, timeout timestamp: y: tx timeout")
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "expired")
      third.is.onBroadcast = () => "mempool is full: number of txs 5000 (max: 5000)"
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "retry")
    })
  )

  it.live(
    "doubts a refusal while a node that may have the bytes has not answered, not while one cannot be reached",
    () =>
      Effect.gen(function* () {
        const poor = refusal(13, "insufficient fees; got: 5upokt required: 9upokt: insufficient fee")
        const first = yield* fakeComet(fakeChain(3), { onBroadcast: poor })
        const second = yield* fakeComet(fakeChain(3), { onBroadcast: poor })
        const lost = yield* makeGrpcNode()
        lost.answer = () => ({ code: status.UNIMPLEMENTED, details: "" })
        const tx = yield* portOf([first, second], [lost])
        const doubtOf = Effect.map(Effect.flip(tx.broadcast(TX)), (failure): ReadonlyArray<unknown> =>
          failure._tag === "TxRefused" ? [failure.reason, failure.code, failure.isDoubtful] : [failure._tag]
        )
        const certain = ["operator", 13, undefined]
        const doubtful = ["operator", 13, true]
        assert.deepStrictEqual(yield* doubtOf, certain)
        // Of several that ask for a fee the cheapest one is heard.
        second.is.onBroadcast = refusal(13, "insufficient fees; got: 5upokt required: 7upokt: insufficient fee")
        assert.include((yield* Effect.flip(tx.broadcast(TX))).message, "required: 7upokt")
        second.is.onBroadcast = poor
        second.is.silent = true
        assert.deepStrictEqual(yield* doubtOf, doubtful)
        second.is.silent = false
        second.is.raw = { status: 502, body: "<html>" }
        assert.deepStrictEqual(yield* doubtOf, doubtful)
        second.is.raw = undefined
        second.is.onBroadcast = () => "the disk is full"
        assert.deepStrictEqual(yield* doubtOf, doubtful)
        // What may be sent again is no reason for other bytes.
        first.is.onBroadcast = () => "mempool is full: number of txs 5000 (max: 5000)"
        assert.deepStrictEqual(yield* doubtOf, ["retry", 20, undefined])
        first.is.onBroadcast = poor
        lost.answer = () => ({ code: status.INTERNAL, details: "Received RST_STREAM with code 0" })
        second.is.onBroadcast = poor
        assert.deepStrictEqual(yield* doubtOf, doubtful)
        lost.answer = () => ({ code: status.UNIMPLEMENTED, details: "" })
        yield* Effect.promise(() => second.stop())
        assert.deepStrictEqual(yield* doubtOf, certain)
      })
  )

  it.live("does not wait for silent nodes once one has accepted", () =>
    Effect.gen(function* () {
      const quick = yield* fakeComet(fakeChain(3))
      const silent = yield* fakeComet(fakeChain(3), { silent: true })
      const tx = yield* portOf([silent, quick])
      const [taken] = yield* Effect.timed(tx.broadcast(TX))
      assert.isBelow(Duration.toMillis(taken), Duration.toMillis(DEADLINE) / 2)
    })
  )

  it.live("says that nothing is known when no node answers, or none says anything of the transaction", () =>
    Effect.gen(function* () {
      const node = yield* fakeComet(fakeChain(3), { onBroadcast: () => "the disk is full" })
      const tx = yield* portOf([node])
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "ChainUnavailable")
      node.is.raw = { status: 200, body: "<html>" }
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "ChainUnavailable")
      node.is.raw = undefined
      node.is.silent = true
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "ChainUnavailable")
      yield* Effect.promise(() => node.stop())
      for (const call of [tx.broadcast(TX), tx.simulate(TX), tx.find(sha(TX))]) {
        assert.strictEqual(yield* outcomeOf(Effect.asVoid(call)), "ChainUnavailable")
      }
    })
  )

  it.live("sends over gRPC as well, and reads logs that are not UTF-8", () =>
    Effect.gen(function* () {
      const node = yield* fakeComet(fakeChain(3), { onBroadcast: () => "the disk is full" })
      const grpc = yield* makeGrpcNode()
      const seen: Array<unknown> = []
      let told: ReturnType<GrpcNode["answer"]> = { bytes: answered({ code: 9, codespace: "sdk", rawLog: RAW_LOG }) }
      grpc.answer = ({ path, request }) => {
        if (!path.endsWith("/BroadcastTx")) return { code: status.UNIMPLEMENTED, details: "" }
        seen.push([...request])
        return told
      }
      const tx = yield* portOf([node], [grpc])
      const failure = Option.getOrThrow(Result.getFailure(yield* Effect.result(tx.broadcast(TX))))
      assert.strictEqual(failure._tag === "TxRefused" ? failure.reason : failure._tag, "operator")
      assert.match(failure.message, /fee payer address: \uFFFD/)
      // tx_bytes 1, mode 2 = SYNC (2).
      assert.deepStrictEqual(seen, [[0x0a, 3, 1, 2, 3, 0x10, 2]])
      told = { bytes: answered({ code: 0, codespace: "" }) }
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "accepted")
      told = {
        code: status.UNKNOWN,
        details: "mempool is still rechecking after a new committed block, so it is considered as full"
      }
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "retry")
      told = { code: status.UNKNOWN, details: "something else" }
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "ChainUnavailable")
      told = { bytes: new Uint8Array([0xff]) }
      assert.strictEqual(yield* outcomeOf(tx.broadcast(TX)), "ChainUnavailable")
    })
  )

  it.live("simulates over gRPC and as ABCI query: gas, refusals by their text, and failures that are none", () =>
    Effect.gen(function* () {
      const node = yield* fakeComet(fakeChain(3))
      const grpc = yield* makeGrpcNode()
      const gas = toBinary(
        TxPb.SimulateResponseSchema,
        create(TxPb.SimulateResponseSchema, { gasInfo: { gasUsed: 2n ** 63n, gasWanted: 2n ** 64n - 1n } })
      )
      const text =
        "failed to execute message; message index: 2: rpc error: code = FailedPrecondition desc = current block height (8)" +
        " is less than session claim window open height (9): claim attempted outside of the session's claim window" +
        " [cosmos/cosmos-sdk@v0.53.7/baseapp/baseapp.go:1051] with gas used: '30781'"
      let told: ReturnType<GrpcNode["answer"]> = { bytes: gas }
      grpc.answer = ({ path }) => (path.endsWith("/Simulate") ? told : { code: status.UNIMPLEMENTED, details: "" })
      const overGrpc = yield* portOf([node], [grpc])
      assert.strictEqual(yield* overGrpc.simulate(TX), 2n ** 63n)
      told = { code: status.UNKNOWN, details: text }
      const facts = { reason: "message", messageIndex: 2, rejection: "claim_window" }
      const factsOf = (effect: Effect.Effect<bigint, object>) =>
        Effect.map(Effect.result(effect), (result) =>
          Object.fromEntries(Object.entries(Option.getOrThrow(Result.getFailure(result))))
        )
      assert.deepInclude(yield* factsOf(overGrpc.simulate(TX)), facts)
      told = { code: status.UNKNOWN, details: "panic: runtime error" }
      assert.strictEqual(yield* outcomeOf(overGrpc.simulate(TX)), "ChainUnavailable")

      const overAbci = yield* portOf([node])
      node.is.abci = (path, data) =>
        path === "/cosmos.tx.v1beta1.Service/Simulate" && data === "1203010203"
          ? { value: Buffer.from(gas).toString("base64"), height: "3" }
          : { code: 6, codespace: "sdk", log: "unknown query path: unknown request" }
      assert.strictEqual(yield* overAbci.simulate(TX), 2n ** 63n)
      const log = `rpc error: code = Unknown desc = ${text}: unknown request`
      node.is.abci = () => ({ code: 6, codespace: "sdk", log })
      assert.deepInclude(yield* factsOf(overAbci.simulate(TX)), facts)
    })
  )

  it.live("finds transactions by the index: included, failed in the block, absent; on any node", () =>
    Effect.gen(function* () {
      const chain = fakeChain(3)
      const failing = new Uint8Array([9])
      chain.add({
        txs: [TX, failing],
        results: [
          { code: 0, data: "AA==", log: "", codespace: "", gas_used: "1", events: [] },
          {
            code: 11,
            data: null,
            log: "out of gas in location: x; gasWanted: 1, gasUsed: 2: out of gas",
            codespace: "sdk"
          }
        ]
      })
      const behind = yield* fakeComet(chain, { shows: 3 })
      const node = yield* fakeComet(chain)
      const tx = yield* portOf([behind, node])
      assert.deepStrictEqual(yield* tx.find(sha(TX)), Option.some({ height: 4n, refusal: Option.none() }))
      const found = Option.getOrThrow(yield* tx.find(sha(failing)))
      assert.strictEqual(Option.getOrThrow(found.refusal).reason, "gas")
      assert.isTrue(Option.isNone(yield* tx.find("00".repeat(32))))
    })
  )

  it.live("searches the newest blocks where no node has an index, and reads each once", () =>
    Effect.gen(function* () {
      const chain = fakeChain(100)
      const old = new Uint8Array([8])
      const failing = new Uint8Array([9])
      chain.blocks[9] = { ...chain.blocks[9]!, txs: [old], results: [{ code: 0, events: [] }] }
      chain.add({
        txs: [failing, TX],
        results: [
          { code: 5, codespace: "sdk", log: "insufficient funds: insufficient funds", events: [{ type: "tx" }] },
          { code: 0, data: null, log: "", codespace: "", events: null }
        ]
      })
      for (let count = 0; count < 20; count++) chain.add()
      const node = yield* fakeComet(chain, { txIndex: "off" })
      const tx = yield* portOf([node])
      assert.deepStrictEqual(yield* tx.find(sha(TX)), Option.some({ height: 101n, refusal: Option.none() }))
      const found = Option.getOrThrow(yield* tx.find(sha(failing)))
      assert.strictEqual(Option.getOrThrow(found.refusal).code, 5)
      assert.isTrue(Option.isNone(yield* tx.find(sha(old))))
      const reads = node.calls.filter((method) => method === "block").length
      assert.strictEqual(reads, 64)
      assert.isTrue(Option.isNone(yield* tx.find(sha(old))))
      assert.strictEqual(node.calls.filter((method) => method === "block").length, reads)
    })
  )
})
