/**
 * The second half of serving, once for each response: reserve, ask the backend, build and sign one response, mine it,
 * record it. The response served is the response mined; it leaves when its relay is in the log or in the spool.
 */
import { Clock, Context, Effect, Exit, Fiber, Layer, Result } from "effect"
import { sha256 as pureSha256, type Sha256 } from "../crypto/Sha256.ts"
import { type BackendFailed, Backends } from "../ports/Backends.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import { ServiceId } from "../protocol/Identifiers.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { type AdmittedRelay, type PlausibleRelay, refuserFor } from "./AdmitRelay.ts"
import { type BackendAnswer, responsePayload } from "./BackendAnswer.ts"
import { RecordRelay } from "./RecordRelay.ts"
import { dehydrate, relayHash } from "./Relay.ts"
import { isApplicable } from "./RelayDifficulty.ts"
import { RelayMeter, type Reservation, uncharged } from "./RelayMeter.ts"
import { relayMetrics } from "./RelayMetrics.ts"
import { RelayPolicyRef } from "./RelayPolicy.ts"
import { type RefusalCause, type RelayRefused } from "./RelayRefusal.ts"
import {
  buildResponse,
  encodeRelayResponse,
  type RelayResponse,
  responseSignableHash,
  withSignature
} from "./RelayResponse.ts"

/** A backend call that may already be under way when the request is verified. */
export type BackendCall = Effect.Effect<BackendAnswer, BackendFailed>

/** What the gateway gets. */
export interface CompletedRelay {
  /** Encoded, signed `RelayResponse`. */
  readonly body: Uint8Array
  /** The backend's status. */
  readonly status: number
  /** Whether the relay met the difficulty and is recorded. */
  readonly mined: boolean
}

/**
 * What follows admission: charge, answer of the backend, signature, record if the relay meets the difficulty, in this
 * order.
 */
export class CompleteRelay extends Context.Service<
  CompleteRelay,
  {
    /** Asks the backend for a relay that is not verified yet or just was; its answer must not leave unverified. */
    readonly call: (relay: PlausibleRelay, outerHeaders: Readonly<Record<string, string>>) => BackendCall
    /**
     * Completes an admitted relay. Interruption before the backend has answered cancels and is not charged; afterwards
     * the relay is charged, mined and recorded whoever still listens.
     */
    readonly complete: (relay: AdmittedRelay, call: BackendCall) => Effect.Effect<CompletedRelay, RelayRefused>
  }
>()("relaymill/domain/relay/CompleteRelay") {
  /** `sha256` hashes responses and relays; the pure one unless a faster one is at hand. */
  static readonly layer = (sha256: Sha256 = pureSha256) =>
    Layer.effect(
      CompleteRelay,
      Effect.gen(function* () {
        const backends = yield* Backends
        const keys = yield* SupplierKeys
        const meter = yield* RelayMeter
        const recorder = yield* RecordRelay
        const metrics = yield* relayMetrics
        const { meter: metering } = yield* RelayPolicyRef
        const { enabled, step, note, context: traceContext } = yield* StepTracer

        const reserve = Effect.fnUntraced(
          function* (relay: AdmittedRelay) {
            const reservation = yield* meter.reserve(relay.facts, relay.supplier)
            return reservation === undefined
              ? yield* refuserFor(
                  relay.header,
                  relay.supplier,
                  true
                )("over_limit", `${relay.supplier} in ${relay.header.sessionId}`)
              : reservation
          },
          (reserved, relay): Effect.Effect<Reservation, RelayRefused> => {
            const refuse = refuserFor(relay.header, relay.supplier, true)
            return Effect.catchTags(reserved, {
              ChainUnavailable: (cause) => refuse("chain_unreadable", cause.message),
              MeterUnavailable: (cause) =>
                metering.failBehavior === "closed"
                  ? refuse("meter_unavailable", cause.message)
                  : Effect.succeed(uncharged)
            })
          }
        )

        const sign = Effect.fnUntraced(function* (relay: AdmittedRelay, answer: BackendAnswer) {
          const refuse = refuserFor(relay.header, relay.supplier, true)
          const payload = responsePayload(answer)
          const unsigned = buildResponse({ sessionHeader: relay.header, payload }, sha256)
          // A POKTHTTPResponse has a status, so its encoding is never empty.
          if (Result.isFailure(unsigned)) return yield* Effect.die(unsigned.failure)
          const signature = yield* keys
            .sign(relay.supplier, responseSignableHash(unsigned.success, sha256))
            .pipe(Effect.catch(() => refuse("supplier_not_served", relay.supplier)))
          return withSignature(unsigned.success, signature)
        })

        /** Records the relay if it meets the difficulty; whether it did. */
        const mine = Effect.fnUntraced(function* (relay: AdmittedRelay, response: RelayResponse) {
          const { header, facts, supplier } = relay
          const leaf = dehydrate(relay.request, response)
          const hash = relayHash(leaf, sha256)
          if (!isApplicable(hash, facts.target)) return false
          yield* recorder
            .record({
              trace: yield* traceContext,
              relay: {
                relayHash: hash,
                relayBytes: leaf,
                computeUnitsPerRelay: facts.computeUnitsPerRelay,
                sessionId: header.sessionId,
                sessionEndHeight: header.sessionEndBlockHeight,
                supplierOperatorAddress: supplier,
                serviceId: header.serviceId,
                applicationAddress: header.applicationAddress,
                arrivalBlockHeight: relay.arrivalHeight,
                publishedAtUnixNano: yield* Clock.currentTimeNanos,
                sessionStartHeight: header.sessionStartBlockHeight
              }
            })
            .pipe(Effect.catch((cause) => refuserFor(header, supplier, true)("not_recordable", cause.message)))
          return true
        })

        const finish = Effect.fnUntraced(function* (relay: AdmittedRelay, answer: BackendAnswer) {
          const response = yield* step("sign")(sign(relay, answer))
          const isPaid = answer.status < 500
          const mined = isPaid && (yield* step("append", APPEND)(mine(relay, response)))
          if (isPaid) metrics.mined(relay.service.id, mined)
          return { body: encodeRelayResponse(response), status: answer.status, mined }
        })

        /** The reservation is kept if the relay was answered and its backend did not fail at it, else released. */
        const charged = (relay: AdmittedRelay, reservation: Reservation, done: Exit.Exit<CompletedRelay, unknown>) =>
          Effect.sync(() => {
            if (Exit.isSuccess(done) && done.value.status < 500) return reservation.keep()
            reservation.release()
            relay.forget()
          })

        const complete = (relay: AdmittedRelay, call: BackendCall): Effect.Effect<CompletedRelay, RelayRefused> =>
          Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(
              Effect.onError(restore(step("reserve")(reserve(relay))), () => Effect.sync(relay.forget)),
              (reservation) =>
                restore(call).pipe(
                  Effect.catch((cause) => refuserFor(relay.header, relay.supplier, true)(...refusalOf(cause))),
                  Effect.flatMap((answer) => finish(relay, answer)),
                  Effect.onExit((done) => charged(relay, reservation, done))
                )
            )
          )

        const traced = (call: BackendCall): BackendCall =>
          enabled
            ? call.pipe(
                Effect.tap(({ status }) => note(() => ({ attributes: { "http.response.status_code": status } }))),
                Effect.tapError(({ reason }) => note(() => ({ attributes: { "error.type": reason } }))),
                step("backend", { kind: "client" })
              )
            : call

        return CompleteRelay.of({
          call: (relay, outerHeaders) =>
            traced(
              backends.forward({
                service: ServiceId.make(relay.service.id),
                rpcType: relay.rpcType,
                payload: relay.call,
                outerHeaders,
                supplier: relay.supplier,
                application: relay.header.applicationAddress
              })
            ),
          complete
        })
      })
    )
}

/**
 * Runs the backend call while the request is verified, and completes with its answer. A refused request interrupts the
 * call; nothing of its answer leaves.
 */
export const meanwhile = <E, R, E2>(
  call: BackendCall,
  verified: Effect.Effect<AdmittedRelay, E, R>,
  complete: (relay: AdmittedRelay, call: BackendCall) => Effect.Effect<CompletedRelay, E2>
): Effect.Effect<CompletedRelay, E | E2, R> =>
  Effect.scoped(
    Effect.gen(function* () {
      const running = yield* Effect.forkScoped(call, { startImmediately: true })
      const relay = yield* verified
      return yield* complete(relay, Fiber.join(running))
    })
  )

/** One value for all relays: options are read for each of them. */
const APPEND = { kind: "producer", attributes: { "messaging.operation.type": "send" } } as const

const refusalOf = (failed: BackendFailed): readonly [cause: RefusalCause, detail: string, limit?: number] =>
  failed.limit === undefined
    ? [BACKEND_CAUSES[failed.reason], failed.message]
    : [BACKEND_CAUSES[failed.reason], failed.message, failed.limit]

const BACKEND_CAUSES = {
  unhealthy: "no_backend",
  unreachable: "backend_unreachable",
  timeout: "backend_timeout",
  too_large: "backend_answer_too_large",
  unsendable: "payload_unreadable"
} as const satisfies Record<BackendFailed["reason"], RefusalCause>
