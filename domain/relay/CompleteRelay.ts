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
import type { MinedRelay } from "./MinedRelay.ts"
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
        const clock = yield* Clock.Clock

        /** Takes the charge, or says why there is none to take. */
        const reserve = (relay: AdmittedRelay): Effect.Effect<Reservation, RelayRefused> => {
          const { header, supplier } = relay
          return Effect.matchEffect(meter.reserve(relay.facts, supplier), {
            onSuccess: (reservation) =>
              reservation === undefined
                ? refuserFor(header, supplier, true)("over_limit", `${supplier} in ${header.sessionId}`)
                : Effect.succeed(reservation),
            onFailure: (cause) =>
              cause._tag === "ChainUnavailable"
                ? refuserFor(header, supplier, true)("chain_unreadable", cause.message)
                : metering.failBehavior === "closed"
                  ? refuserFor(header, supplier, true)("meter_unavailable", cause.message)
                  : Effect.succeed(uncharged)
          })
        }

        const sign = (relay: AdmittedRelay, answer: BackendAnswer): Effect.Effect<RelayResponse, RelayRefused> => {
          const payload = responsePayload(answer)
          const unsigned = buildResponse({ sessionHeader: relay.header, payload }, sha256)
          // A POKTHTTPResponse has a status, so its encoding is never empty.
          if (Result.isFailure(unsigned)) return Effect.die(unsigned.failure)
          const { success: response } = unsigned
          return Effect.matchEffect(keys.sign(relay.supplier, responseSignableHash(response, sha256)), {
            onSuccess: (signature) => Effect.succeed(withSignature(response, signature)),
            onFailure: () => refuserFor(relay.header, relay.supplier, true)("supplier_not_served", relay.supplier)
          })
        }

        /** Records the relay if it meets the difficulty; whether it did. */
        const mine = (relay: AdmittedRelay, response: RelayResponse): Effect.Effect<boolean, RelayRefused> => {
          const { header, facts, supplier } = relay
          const leaf = dehydrate(relay.request, response)
          const hash = relayHash(leaf, sha256)
          if (!isApplicable(hash, facts.target)) return Effect.succeed(false)
          const mined: MinedRelay = {
            relayHash: hash,
            relayBytes: leaf,
            computeUnitsPerRelay: facts.computeUnitsPerRelay,
            sessionId: header.sessionId,
            sessionEndHeight: header.sessionEndBlockHeight,
            supplierOperatorAddress: supplier,
            serviceId: header.serviceId,
            applicationAddress: header.applicationAddress,
            arrivalBlockHeight: relay.arrivalHeight,
            publishedAtUnixNano: clock.currentTimeNanosUnsafe(),
            sessionStartHeight: header.sessionStartBlockHeight
          }
          return Effect.flatMapEager(traceContext, (trace) =>
            Effect.matchEffect(recorder.record({ trace, relay: mined }), {
              onSuccess: () => Effect.succeed(true),
              onFailure: (cause) => refuserFor(header, supplier, true)("not_recordable", cause.message)
            })
          )
        }

        /** What the gateway gets for the backend's answer. */
        const answered = Effect.fnUntraced(function* (relay: AdmittedRelay, call: BackendCall) {
          const answer = yield* Effect.catch(call, (cause) =>
            refuserFor(relay.header, relay.supplier, true)(...refusalOf(cause))
          )
          const response = yield* step("sign")(sign(relay, answer))
          const isPaid = answer.status < 500
          const mined = isPaid && (yield* step("append", APPEND)(mine(relay, response)))
          if (isPaid) metrics.mined(relay.service.id, mined)
          return { body: encodeRelayResponse(response), status: answer.status, mined }
        })

        /** Whatever happens, what was reserved is kept or released. */
        const settled = Effect.fnUntraced(function* (
          relay: AdmittedRelay,
          call: BackendCall,
          restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
        ) {
          const held = enabled ? undefined : meter.reserveHeld(relay.facts, relay.supplier)
          const reserved =
            held === undefined
              ? yield* Effect.exit(restore(step("reserve")(reserve(relay))))
              : Exit.succeed<Reservation>(held)
          if (Exit.isFailure(reserved)) {
            relay.forget()
            return yield* Effect.failCause(reserved.cause)
          }
          const done = yield* Effect.exit(answered(relay, restore(call)))
          // The charge stays if the relay was answered and its backend did not fail at it.
          if (Exit.isSuccess(done) && done.value.status < 500) reserved.value.keep()
          else {
            reserved.value.release()
            relay.forget()
          }
          return yield* done
        })

        const complete = (relay: AdmittedRelay, call: BackendCall): Effect.Effect<CompletedRelay, RelayRefused> =>
          Effect.uninterruptibleMask((restore) => settled(relay, call, restore))

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
export const meanwhile = Effect.fnUntraced(function* <E, R, E2>(
  call: BackendCall,
  verified: Effect.Effect<AdmittedRelay, E, R>,
  complete: (relay: AdmittedRelay, call: BackendCall) => Effect.Effect<CompletedRelay, E2>
) {
  const running = yield* Effect.forkScoped(call, { startImmediately: true })
  const relay = yield* verified
  return yield* complete(relay, Fiber.join(running))
}, Effect.scoped)

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
