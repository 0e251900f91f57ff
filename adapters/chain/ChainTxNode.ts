/**
 * The `ChainTx` port over real nodes: simulation by the best endpoint, broadcast to all of them, look-ups by the node's
 * index or, where none has one, by a search of the newest blocks.
 */
import { create } from "@bufbuild/protobuf"
import { Effect, Layer, Option, Result } from "effect"
import { SimulateRequestSchema, SimulateResponseSchema, Service } from "../../domain/chain/proto/cosmos/tx_pb.ts"
import { decodeQuery, encodeQuery } from "../../domain/chain/QueryMessages.ts"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { ChainTx, type IncludedTx, type TxRefused } from "../../domain/ports/ChainTx.ts"
import { classifyAnswer, classifySimulation } from "../../domain/tx/TxRefusal.ts"
import { asEndpointFailed } from "./BlockWatch.ts"
import { decide, sendOverGrpc, sendOverRpc, sendToAll, type Verdict } from "./Broadcasts.ts"
import type { CometRpc, RpcFailure } from "./CometRpc.ts"
import { EndpointFailed, lacksMethod } from "./EndpointFailed.ts"
import type { EndpointPool } from "./EndpointPool.ts"
import { pathOf, type QueryFailure } from "./QueryCalls.ts"
import { abciName, QueryEndpoints } from "./QueryEndpoints.ts"
import type { QueryTransport } from "./QueryTransport.ts"
import { RpcEndpoints } from "./RpcEndpoints.ts"
import { type ScannedTx, TxScan } from "./TxScan.ts"

/**
 * Over all endpoints: transactions go to each gRPC server and each RPC at once. `chainId` goes into the sign document.
 * Every call ends within the deadline of its pool; a search of blocks within that of `RpcEndpoints.bodies`.
 */
export const layer = (settings: {
  readonly chainId: string
}): Layer.Layer<ChainTx, never, RpcEndpoints | QueryEndpoints> =>
  Layer.effect(
    ChainTx,
    Effect.gen(function* () {
      const { bodies, endpoints, pool } = yield* RpcEndpoints
      const { pool: queries } = yield* QueryEndpoints
      const scope = yield* Effect.scope
      const scan = new TxScan()
      yield* fillGauge(
        "relaymill_chain_scanned_transactions",
        "Hashes kept of transactions in blocks that were searched",
        () => scan.size
      )
      const rpcOf = new Map(endpoints.map((endpoint) => [abciName(endpoint.name), endpoint]))

      const sendTo =
        (txBytes: Uint8Array) =>
        (transport: QueryTransport, name: string): Effect.Effect<Verdict, EndpointFailed> => {
          const rpc = rpcOf.get(name)
          if (rpc === undefined) return sendOverGrpc(transport, name, txBytes)
          if (pool.isBelieved(rpc.name)) return sendOverRpc(rpc.client, txBytes)
          const detail = "its blocks are not believed"
          return Effect.fail(
            new EndpointFailed({ endpoint: name, operation: "broadcast", kind: "transport", detail, isUndone: true })
          )
        }

      const broadcast = (txBytes: Uint8Array) =>
        Effect.gen(function* () {
          const answers = yield* sendToAll(queries, scope, sendTo(txBytes))
          const verdict = decide(answers)
          if (verdict === undefined) {
            const failures = answers.flatMap((answer) => (Result.isFailure(answer) ? [answer.failure.message] : []))
            const cause = new Error(failures.length === 0 ? "no endpoint is believed" : failures.join("; "))
            return yield* Effect.fail(new ChainUnavailable({ operation: "broadcast", cause }))
          }
          if (Option.isSome(verdict)) return yield* Effect.fail(verdict.value)
        })

      const byIndex = (txHash: string) => (client: CometRpc, name: string) =>
        client.tx(txHash).pipe(
          Effect.flatMap((found) =>
            Buffer.from(found.hash).toString("hex").toUpperCase() === txHash
              ? Effect.succeedSome<ScannedTx>(found)
              : Effect.fail(failedFind(name, "undecodable", "another transaction came"))
          ),
          Effect.catch((error): Effect.Effect<Option.Option<ScannedTx>, EndpointFailed> => {
            if (error instanceof EndpointFailed) return Effect.fail(error)
            if (error.data.includes(NO_INDEX)) return Effect.fail(failedFind(name, "unimplemented", error.data))
            return NOT_FOUND.test(error.data) ? Effect.succeedNone : Effect.fail(asEndpointFailed(name, error))
          })
        )

      const byScan = (txHash: string) => (client: CometRpc, name: string) =>
        Effect.mapError(scan.find(client, txHash), (error: RpcFailure) => asEndpointFailed(name, error))

      const find = (txHash: string) => {
        const hash = txHash.toUpperCase()
        return pool.find("tx", byIndex(hash)).pipe(
          Effect.catchIf(lacksMethod, () => bodies.find("tx_scan", byScan(hash))),
          Effect.map(Option.map(toIncluded))
        )
      }

      return ChainTx.of({
        chainId: settings.chainId,
        simulate: (txBytes) => simulateOver(queries, txBytes),
        broadcast,
        find
      })
    })
  )

// cometbft rpc/core/tx.go.
const NO_INDEX = "transaction indexing is disabled"
const NOT_FOUND = /^tx \([0-9A-Fa-f]*\) not found/

const failedFind = (endpoint: string, kind: EndpointFailed["kind"], detail: string) =>
  new EndpointFailed({ endpoint, operation: "tx", kind, detail })

const toIncluded = ({ height, tx_result: { code, codespace = "", log = "" } }: ScannedTx): IncludedTx => ({
  height,
  refusal: Option.fromUndefinedOr(classifyAnswer({ code, codespace, log }))
})

const simulateOver = (
  queries: EndpointPool<QueryTransport>,
  txBytes: Uint8Array
): Effect.Effect<bigint, TxRefused | ChainUnavailable> =>
  queries.run<bigint, TxRefused>("simulate", (transport, endpoint) =>
    transport.unary(pathOf(Service.method.simulate), encodeSimulate(txBytes)).pipe(
      Effect.mapError((failure) => simulationRefusal(failure) ?? noRefusal(endpoint, failure)),
      Effect.flatMap(({ bytes }) => {
        const decoded = decodeQuery(SimulateResponseSchema, bytes)
        const gas = Result.isSuccess(decoded) ? decoded.success.gasInfo?.gasUsed : undefined
        if (gas !== undefined) return Effect.succeed(gas)
        const detail = Result.isFailure(decoded) ? decoded.failure.message : "gas_info is missing"
        return Effect.fail(new EndpointFailed({ endpoint, operation: "simulate", kind: "undecodable", detail }))
      })
    )
  )

/** A simulation that ran tells its gas; other failures say nothing about the transaction. */
const simulationRefusal = (failure: QueryFailure): TxRefused | undefined => {
  if (failure._tag !== "EndpointFailed") {
    return failure._tag === "ArgumentRefused" ? (ranText(failure.detail) ?? invalidRequest(failure.detail)) : undefined
  }
  return failure.kind === "internal" ? ranText(failure.detail) : undefined
}

/** What the node does not even run, such as no bytes at all. */
const invalidRequest = (text: string): TxRefused | undefined =>
  classifyAnswer({ codespace: "sdk", code: INVALID_REQUEST, log: `${text}: invalid request` })

const INVALID_REQUEST = 18

/** gRPC gives `UNKNOWN: <text>`, ABCI `sdk code 6: rpc error: code = Unknown desc = <text>: unknown request`. */
const ranText = (detail: string): TxRefused | undefined => {
  const text = /^(?:[A-Z_]+: |sdk code [0-9]+: )?(?:rpc error: code = \w+ desc = )?([^]* with gas used: '[0-9]+')/.exec(
    detail
  )?.[1]
  return text === undefined ? undefined : classifySimulation(text)
}

const noRefusal = (endpoint: string, failure: QueryFailure): EndpointFailed =>
  failure._tag === "EndpointFailed"
    ? failure
    : new EndpointFailed({ endpoint, operation: "simulate", kind: "internal", detail: failure.message })

const encodeSimulate = (txBytes: Uint8Array): Uint8Array =>
  encodeQuery(SimulateRequestSchema, create(SimulateRequestSchema, { txBytes }))
