/** The nodes' gRPC and RPC as one pool: which is asked first, which last, and what `/ready` hears. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import * as ChainQueryNode from "../../../adapters/chain/ChainQueryNode.ts"
import * as QueryEndpoints from "../../../adapters/chain/QueryEndpoints.ts"
import * as RpcEndpoints from "../../../adapters/chain/RpcEndpoints.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { hex, loadVectors } from "../../vectors/load.ts"
import { makeAbciNode } from "./AbciNode.ts"
import { type GrpcNode, makeGrpcNode } from "./GrpcNode.ts"

const bytes = hex(
  loadVectors<ReadonlyArray<{ readonly type: string; readonly bytes_hex: string }>>("queries").find(
    ({ type }) => type === "pocket.session.QueryParamsResponse"
  )!.bytes_hex
)

const addressAt = (rpcUrl: string) => (node: GrpcNode) => ({
  host: "127.0.0.1",
  port: node.port,
  isInsecure: true,
  rpcUrl: Redacted.make(rpcUrl)
})

const build = (grpc: ReadonlyArray<GrpcNode>, rpcUrl: string, deadline = Duration.seconds(2), shown?: bigint) =>
  Layer.build(
    ChainQueryNode.layer.pipe(
      Layer.provideMerge(QueryEndpoints.layer({ grpc: grpc.map(addressAt(rpcUrl)), deadline })),
      Layer.provideMerge(
        Layer.effect(
          RpcEndpoints.RpcEndpoints,
          Effect.map(RpcEndpoints.RpcEndpoints, (endpoints) => ({ ...endpoints, shown: { newest: shown } }))
        ).pipe(Layer.provide(RpcEndpoints.layer(RpcEndpoints.defaultRpcSettings([Redacted.make(rpcUrl)]))))
      ),
      Layer.provide(
        Layer.succeed(ChainQueryNode.BlockReads, {
          blockEvents: () => Effect.succeedNone,
          blockLimits: Effect.succeed({ maxBytes: undefined, maxGas: undefined })
        })
      )
    )
  )

const until = <E>(condition: Effect.Effect<boolean, E>) =>
  Effect.gen(function* () {
    const end = performance.now() + 20_000
    while (!(yield* condition)) {
      assert.isBelow(performance.now(), end)
      yield* Effect.promise(() => new Promise(setImmediate))
    }
  })

describe("QueryEndpoints", () => {
  it.live("asks a server that is behind after one that is not, and the first one again once it has caught up", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* makeGrpcNode(), yield* makeGrpcNode()]
      const abci = yield* makeAbciNode
      abci.answer = () => ({ value: bytes, height: 98n })
      first.answer = () => ({ bytes, height: 90n })
      second.answer = () => ({ bytes, height: 100n })
      const context = yield* build([first, second], abci.url)
      const { reasons, calls, pool } = Context.get(context, QueryEndpoints.QueryEndpoints)
      const query = Context.get(context, ChainQuery)
      yield* until(Effect.map(reasons, (all) => all.length === 1))
      assert.deepStrictEqual(yield* reasons, [
        { text: `query endpoint 127.0.0.1:${first.port}: is 10 blocks behind, at height 90`, isBlocking: false }
      ])
      assert.isDefined(calls)
      first.calls.length = 0
      yield* query.sessionParams
      assert.strictEqual(first.calls.length, 0)
      first.answer = () => ({ bytes, height: 99n })
      yield* pool.report(`127.0.0.1:${first.port}`, "lagging", undefined)
      yield* query.sessionParams
      assert.strictEqual(first.calls.length, 1)
      assert.deepStrictEqual(yield* reasons, [])
    }).pipe(Effect.scoped)
  )

  it.live("does not say of a server that does not answer that it is behind", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* makeGrpcNode(), yield* makeGrpcNode()]
      const abci = yield* makeAbciNode
      abci.answer = () => ({ value: bytes, height: 60n })
      // Silent to the look at all endpoints; what it answered to a query meanwhile is old by the end of that look.
      first.answer = () => (first.calls.length === 1 ? "silence" : { bytes, height: 50n })
      second.answer = () => ({ bytes, height: 100n })
      const context = yield* build([first, second], abci.url, Duration.seconds(1))
      const { reasons } = Context.get(context, QueryEndpoints.QueryEndpoints)
      const query = Context.get(context, ChainQuery)
      yield* until(Effect.sync(() => first.calls.length === 1 && second.calls.length === 1))
      yield* query.sessionParams
      assert.strictEqual(first.calls.length, 2)
      // The end of the look: what answered is compared.
      yield* until(Effect.map(reasons, (all) => all.length > 0))
      const name = abci.url.replace("http://", "")
      assert.deepStrictEqual(yield* reasons, [
        { text: `query endpoint ${name} (ABCI): is 40 blocks behind, at height 60`, isBlocking: false }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("holds heights against the blocks that nodes have shown, not against what one of them names", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* makeGrpcNode(), yield* makeGrpcNode()]
      const abci = yield* makeAbciNode
      abci.answer = () => ({ value: bytes, height: 9n })
      first.answer = () => ({ bytes, height: 1_009n })
      second.answer = () => ({ bytes, height: 2n })
      const context = yield* build([first, second], abci.url, Duration.seconds(2), 9n)
      const { reasons } = Context.get(context, QueryEndpoints.QueryEndpoints)
      yield* until(Effect.map(reasons, (all) => all.length > 0))
      assert.deepStrictEqual(yield* reasons, [
        { text: `query endpoint 127.0.0.1:${second.port}: is 7 blocks behind, at height 2`, isBlocking: false }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("reads over RPC where no gRPC is given, or none answers", () =>
    Effect.gen(function* () {
      const abci = yield* makeAbciNode
      abci.answer = () => ({ value: bytes, height: 98n })
      const alone = Context.get(yield* build([], abci.url), ChainQuery)
      assert.strictEqual((yield* alone.sessionParams).numSuppliersPerSession, 52n)
      const gone = yield* Effect.scoped(makeGrpcNode())
      const query = Context.get(yield* build([gone], abci.url), ChainQuery)
      assert.strictEqual((yield* query.sessionParams).numSuppliersPerSession, 52n)
    }).pipe(Effect.scoped)
  )

  it.live("reads neither over gRPC nor over RPC of a node whose blocks are not believed", () =>
    Effect.gen(function* () {
      const abci = yield* makeAbciNode
      abci.answer = () => ({ value: bytes, height: 98n })
      const grpc = yield* makeGrpcNode()
      grpc.answer = () => ({ bytes, height: 98n })
      const context = yield* build([grpc], abci.url)
      yield* until(Effect.sync(() => grpc.calls.length > 0 && abci.queries.length > 0))
      const rpc = Context.get(context, RpcEndpoints.RpcEndpoints)
      const query = Context.get(context, ChainQuery)
      yield* rpc.pool.report(rpc.pool.names[0]!, "wrong_chain", "is of chain other")
      abci.queries.length = 0
      grpc.calls.length = 0
      assert.strictEqual((yield* Effect.flip(query.sessionParams))._tag, "ChainUnavailable")
      assert.deepStrictEqual([abci.queries, grpc.calls], [[], []])
      yield* rpc.pool.report(rpc.pool.names[0]!, "wrong_chain", undefined)
      yield* query.sessionParams
    }).pipe(Effect.scoped)
  )
})
