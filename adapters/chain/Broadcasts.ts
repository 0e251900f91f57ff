/**
 * One transaction to every endpoint at once. The same bytes may arrive as often as they like: only once do they take
 * effect, so what matters is whether any node has them.
 */
import { create } from "@bufbuild/protobuf"
import { Deferred, Effect, Fiber, Option, Result, type Scope } from "effect"
import {
  BroadcastMode,
  BroadcastTxRequestSchema,
  BroadcastTxResponseSchema,
  Service
} from "../../domain/chain/proto/cosmos/tx_pb.ts"
import { UPOKT } from "../../domain/chain/Coin.ts"
import { decodeQuery, encodeQuery } from "../../domain/chain/QueryMessages.ts"
import type { TxRefused } from "../../domain/ports/ChainTx.ts"
import { classifyAnswer, classifyBroadcastError, doubtful, logText, requiredFee } from "../../domain/tx/TxRefusal.ts"
import type { CometRpc } from "./CometRpc.ts"
import { EndpointFailed } from "./EndpointFailed.ts"
import type { EndpointPool } from "./EndpointPool.ts"
import { pathOf } from "./QueryCalls.ts"
import type { QueryTransport } from "./QueryTransport.ts"

/** What one endpoint says of the bytes: none, they are in its mempool. */
export type Verdict = Option.Option<TxRefused>

/** Over RPC, up to 749 kB: the body of a call has at most 1 MB. */
export const sendOverRpc = (client: CometRpc, txBytes: Uint8Array): Effect.Effect<Verdict, EndpointFailed> =>
  Effect.matchEffect(client.broadcastTxSync(txBytes), {
    onSuccess: (answer) => Effect.succeed(verdictOf(classifyAnswer(answer))),
    onFailure: (error) => {
      if (error instanceof EndpointFailed) return Effect.fail(error)
      const { code, data, endpoint, text } = error
      return refusedInWords(data === "" ? text : data, endpoint, "internal", code === REQUEST_REFUSED)
    }
  })

/** JSON-RPC code of a call that was not looked at, such as one whose body is too large. */
const REQUEST_REFUSED = -32600

/** Over gRPC, up to 10 MiB. The log may hold bytes that are not UTF-8. */
export const sendOverGrpc = (
  transport: QueryTransport,
  endpoint: string,
  txBytes: Uint8Array
): Effect.Effect<Verdict, EndpointFailed> =>
  transport.unary(pathOf(Service.method.broadcastTx), encodeBroadcast(txBytes)).pipe(
    Effect.matchEffect({
      onSuccess: ({ bytes }) => {
        const decoded = decodeQuery(BroadcastTxResponseSchema, bytes)
        const response = Result.isSuccess(decoded) ? decoded.success.txResponse : undefined
        if (response === undefined) {
          const detail = Result.isFailure(decoded) ? decoded.failure.message : "tx_response is missing"
          return Effect.fail(new EndpointFailed({ endpoint, operation: "broadcast", kind: "undecodable", detail }))
        }
        const { code, codespace, rawLog } = response
        return Effect.succeed(verdictOf(classifyAnswer({ code, codespace, log: logText(rawLog) })))
      },
      onFailure: (failure) => {
        switch (failure._tag) {
          case "EndpointFailed":
            return refusedInWords(failure.detail, endpoint, failure.kind, failure.isUndone)
          // No answer of a mempool: it takes any bytes and says what it thinks of them in its response.
          case "ArgumentRefused":
          case "RecordNotFound":
            return Effect.fail(
              new EndpointFailed({ endpoint, operation: "broadcast", kind: "unimplemented", detail: failure.detail })
            )
        }
      }
    })
  )

/**
 * Sends to all endpoints that do not rest; returns once one accepts, else with what all of them say. The others are sent
 * to in the background, within the pool's deadline and `scope`.
 */
export const sendToAll = <C>(
  pool: EndpointPool<C>,
  scope: Scope.Scope,
  send: (client: C, endpoint: string) => Effect.Effect<Verdict, EndpointFailed>
): Effect.Effect<ReadonlyArray<Result.Result<Verdict, EndpointFailed>>> =>
  Effect.gen(function* () {
    const accepted = yield* Deferred.make<Verdict>()
    const all = pool.each<Verdict>("broadcast", (client, endpoint) =>
      Effect.tap(send(client, endpoint), (verdict) =>
        Option.isNone(verdict) ? Deferred.succeed(accepted, verdict) : Effect.void
      )
    )
    const fiber = yield* Effect.forkIn(all, scope)
    return yield* Effect.raceFirst(
      Effect.map(Deferred.await(accepted), (verdict) => [Result.succeed<Verdict>(verdict)]),
      Effect.map(Fiber.join(fiber), (answers) => answers.map(({ result }) => result))
    )
  })

/**
 * What follows from the answers. Accepted by one, or known to one: that. Otherwise a refusal, first one that asks to send
 * the same bytes again: an endpoint that is behind must not decide. Any other one is doubtful while an endpoint that may
 * have taken the bytes has not answered. Undefined when none has answered.
 */
export const decide = (answers: ReadonlyArray<Result.Result<Verdict, EndpointFailed>>): Verdict | undefined => {
  const verdicts = answers.flatMap((answer) => (Result.isSuccess(answer) ? [answer.success] : []))
  const refusals = verdicts.flatMap((verdict) => Option.toArray(verdict))
  if (verdicts.length > refusals.length) return Option.none()
  const first = cheapest(refusals)
  if (first === undefined) return undefined
  const withReason = (reason: TxRefused["reason"]) => refusals.find((refusal) => refusal.reason === reason)
  const isOpen = answers.some((answer) => Result.isFailure(answer) && !leftUndone(answer.failure))
  return Option.some(withReason("known") ?? withReason("retry") ?? (isOpen ? doubtful(first) : first))
}

/** The first refusal, or of those that ask for a fee the one that asks least: one node that takes the bytes is enough. */
const cheapest = (refusals: ReadonlyArray<TxRefused>): TxRefused | undefined => {
  const [first] = refusals
  let least: { readonly refused: TxRefused; readonly fee: bigint } | undefined
  for (const refused of refusals) {
    const fee = requiredFee(refused, UPOKT)
    if (fee !== undefined && (least === undefined || fee < least.fee)) least = { refused, fee }
  }
  return least?.refused ?? first
}

/** Did the endpoint certainly not take the bytes? */
const leftUndone = ({ isUndone, kind }: EndpointFailed): boolean => isUndone === true || kind === "unimplemented"

const verdictOf = (refusal: TxRefused | undefined): Verdict => Option.fromUndefinedOr(refusal)

/** The mempool's refusals have no code; words that are none of them say nothing about the bytes. */
const refusedInWords = (
  text: string,
  endpoint: string,
  kind: EndpointFailed["kind"],
  isUndone = false
): Effect.Effect<Verdict, EndpointFailed> => {
  const refusal = kind === "internal" ? classifyBroadcastError(text) : undefined
  return refusal === undefined
    ? Effect.fail(
        new EndpointFailed({
          endpoint,
          operation: "broadcast",
          kind,
          detail: text,
          ...(isUndone ? { isUndone } : {})
        })
      )
    : Effect.succeedSome(refusal)
}

const encodeBroadcast = (txBytes: Uint8Array): Uint8Array =>
  encodeQuery(BroadcastTxRequestSchema, create(BroadcastTxRequestSchema, { txBytes, mode: BroadcastMode.SYNC }))
