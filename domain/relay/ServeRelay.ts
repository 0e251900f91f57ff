/**
 * THE program: one relay from the bytes of a signed request to the bytes of a signed answer, the same for every
 * transport. Whatever happens, there is an answer; refusals are signed wherever they can be.
 */
import { Cause, Clock, Context, Effect, Layer, Option, Result, Stream } from "effect"
import { sha256 as pureSha256, type Sha256 } from "../crypto/Sha256.ts"
import { METER_CLEANUP } from "../meter/MeterCleanup.ts"
import { fillGauge } from "../observability/FillGauge.ts"
import { Backends } from "../ports/Backends.ts"
import { Blocks } from "../ports/Blocks.ts"
import { Broadcast } from "../ports/Broadcast.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import { sessionAttributes } from "../tracing/SessionAttributes.ts"
import { ServiceId } from "../protocol/Identifiers.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { fromUtf8, textToBytes } from "../wire/ByteText.ts"
import { AdmitRelay, type PlausibleRelay, refuserFor, type RelayInput } from "./AdmitRelay.ts"
import { CompleteRelay, meanwhile } from "./CompleteRelay.ts"
import { encodeHttpError } from "./PoktHttp.ts"
import { RecordRelay, type RecordingReason } from "./RecordRelay.ts"
import { PeerBudget } from "./PeerBudget.ts"
import { RelayMeter } from "./RelayMeter.ts"
import { type RelayLabels, relayMetrics, UNREAD } from "./RelayMetrics.ts"
import { type RelayPolicy, RelayPolicyRef } from "./RelayPolicy.ts"
import type { RelayRefused } from "./RelayRefusal.ts"
import { makeRefusalNotices } from "./RefusalNotices.ts"
import { type RefusalCause, refusalError, refusals, refusalText, type Refusal } from "./RelayRefusal.ts"
import { buildResponse, encodeRelayResponse, responseSignableHash, withSignature } from "./RelayResponse.ts"

/** A relay as a transport hands it over. */
export interface RelayCall extends RelayInput {
  /** Headers of the outer request, lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

/** What a transport sends back. */
export interface RelayAnswer {
  /** Outer status: 200 for everything that is signed. */
  readonly status: number
  /** `application/x-protobuf` for a `RelayResponse`, `application/json` for a plain refusal. */
  readonly contentType: string
  readonly body: Uint8Array
  /** Why it was refused, if it was. */
  readonly refusal: RefusalCause | undefined
}

/** Something that keeps this relayer from serving, or that is about to. */
export interface ReadyReason {
  readonly name: "no_block" | "no_supplier_key" | RecordingReason["name"]
  /** For the operator. */
  readonly text: string
  /** Whether nothing is served because of it. */
  readonly isBlocking: boolean
}

const NO_BLOCK = { name: "no_block", text: "no block seen yet", isBlocking: true } as const
const NO_KEY = { name: "no_supplier_key", text: "no supplier key loaded", isBlocking: true } as const

const PROTOBUF = "application/x-protobuf"
const JSON_TYPE = "application/json"

/** Serving as transports and processes use it: relays one by one, readiness, house-keeping and the drain. */
export class ServeRelay extends Context.Service<
  ServeRelay,
  {
    /** Serves one relay. Never fails; interruption means that nobody listens any more. */
    readonly serve: (call: RelayCall) => Effect.Effect<RelayAnswer>
    /** What a probe should know: it is ready unless one of them is blocking. No I/O. */
    readonly readyReasons: Effect.Effect<ReadonlyArray<ReadyReason>>
    /** Why relays were refused lately, in sentences: nothing that a probe decides by. No I/O. */
    readonly refusals: Effect.Effect<ReadonlyArray<string>>
    /** Whether the service has a healthy backend; none for a service that is not offered. No I/O. */
    readonly isServiceReady: (service: string) => Effect.Effect<Option.Option<boolean>>
    /** House-keeping that runs as long as the relayer: spool replay, give-backs, forgetting. */
    readonly keepHouse: Effect.Effect<never>
    /**
     * After the last relay is finished: gives meter allowances back and empties the spool, however long the log is away;
     * the caller bounds it in time.
     */
    readonly drain: Effect.Effect<void>
  }
>()("relaymill/domain/relay/ServeRelay") {
  /** The program over its steps. */
  static readonly layerSteps = (sha256: Sha256 = pureSha256) =>
    Layer.effect(
      ServeRelay,
      Effect.gen(function* () {
        const admit = yield* AdmitRelay
        const completion = yield* CompleteRelay
        const meter = yield* RelayMeter
        const recorder = yield* RecordRelay
        const keys = yield* SupplierKeys
        const backends = yield* Backends
        const blocks = yield* Blocks
        const broadcast = yield* Broadcast
        const policy = yield* RelayPolicyRef
        const { enabled, step, note } = yield* StepTracer
        const clock = yield* Clock.Clock
        const metrics = yield* relayMetrics
        const notices = yield* makeRefusalNotices
        let inFlight = 0
        const budget = new PeerBudget(policy.refusalBurst, policy.refusalsPerSecond)
        yield* fillGauge("ha_relayer_relays_in_flight", "Relays being served now", () => inFlight)
        yield* fillGauge("ha_relayer_refusal_peers", "Peers whose signed refusals are counted", () => budget.size)

        /** Metrics of each offered service and transport. */
        const kinds = new Map(
          Array.from(policy.services.values(), ({ id, rpcTypes }) => [
            id,
            new Map(Array.from(rpcTypes, (rpcType) => [rpcType, metrics.kind({ service: id, rpcType })]))
          ])
        )
        const kindOf = ({ rpcType, service }: PlausibleRelay) =>
          kinds.get(service.id)?.get(rpcType) ?? metrics.kind({ service: service.id, rpcType })

        const verifyAndComplete = (relay: PlausibleRelay, headers: RelayCall["headers"]) => {
          const backend = completion.call(relay, headers)
          return relay.service.validation === "optimistic"
            ? meanwhile(backend, admit.verify(relay), completion.complete)
            : Effect.flatMap(admit.verify(relay), (admitted) => completion.complete(admitted, backend))
        }

        const answer = Effect.fnUntraced(function* (call: RelayCall, started: bigint) {
          const relay = yield* admit.read(call)
          if (enabled) yield* note(() => ({ attributes: sessionAttributes(relay.header, relay.supplier) }))
          const kind = kindOf(relay)
          kind.received(call.body.length)
          const refuse = refuserFor(relay.header, relay.supplier, false)
          if (inFlight > policy.maxInFlight) return yield* refuse("at_limit", `${inFlight} relays in flight`)
          const done = yield* Effect.catchCauseIf(verifyAndComplete(relay, call.headers), isDefect, (cause) =>
            // Logged here and nowhere else.
            Effect.andThen(Effect.logError("relay failed by a defect", cause), refuse("defect", "see the log"))
          )
          const seconds = Number(clock.monotonicTimeNanosUnsafe() - started) / 1e9
          kind.served(done.status, seconds, done.body.length)
          return { status: 200, contentType: PROTOBUF, body: done.body, refusal: undefined }
        })

        /** The refusal as an answer: signed where that is possible and the peer's budget allows, else plain. */
        const refuse = Effect.fnUntraced(function* (refused: RelayRefused, peer: string) {
          metrics.rejected(labelsOf(refused, policy), refused.reason)
          yield* notices.note(refused)
          yield* Effect.logDebug("relay refused").pipe(
            Effect.annotateLogs({ reason: refused.reason, detail: refused.detail })
          )
          const plain = plainRefusal(refused.reason, refused.limit)
          const { signer } = refused
          const row: Refusal = refusals[refused.reason]
          if (signer === undefined || row.plainOnly === true) return plain
          if (!refused.verified && !budget.spend(peer, clock.currentTimeMillisUnsafe())) return plain
          const response = buildResponse(
            {
              sessionHeader: signer.header,
              payload: encodeHttpError(row.status, refusalText(refused.reason, refused.limit)),
              relayMinerError: refusalError(refused.reason, refused.limit)
            },
            sha256
          )
          if (Result.isFailure(response)) return yield* Effect.die(response.failure)
          const signature = yield* Effect.option(
            keys.sign(signer.supplier, responseSignableHash(response.success, sha256))
          )
          if (Option.isNone(signature)) return plainRefusal("supplier_not_served", undefined)
          return {
            status: 200,
            contentType: PROTOBUF,
            body: encodeRelayResponse(withSignature(response.success, signature.value)),
            refusal: refused.reason
          }
        })

        const traced = (answered: Effect.Effect<RelayAnswer, RelayRefused>) =>
          enabled
            ? answered.pipe(
                Effect.tapError(({ reason }) => note(() => ({ attributes: { "error.type": reason } }))),
                step("ServeRelay")
              )
            : answered

        /** The answer for a relay that failed, whatever at; only interruption leaves none. */
        const answerFailure = (cause: Cause.Cause<RelayRefused>, peer: string): Effect.Effect<RelayAnswer> =>
          Effect.failCause(cause).pipe(
            Effect.catch((refused) => refuse(refused, peer)),
            // What cannot even be refused: a defect before the request was read, or in the signing of its refusal.
            Effect.catchCauseIf(isDefect, (defect) =>
              Effect.as(Effect.logError("relay failed by a defect", defect), plainRefusal("defect", undefined))
            )
          )

        const serve = (call: RelayCall): Effect.Effect<RelayAnswer> =>
          Effect.uninterruptibleMask((restore) => {
            inFlight++
            return Effect.matchCauseEffect(restore(traced(answer(call, clock.monotonicTimeNanosUnsafe()))), {
              onSuccess: (served) => {
                inFlight--
                return Effect.succeed(served)
              },
              onFailure: (cause) =>
                Effect.ensuring(
                  restore(answerFailure(cause, call.peer)),
                  Effect.sync(() => void inFlight--)
                )
            })
          })

        return ServeRelay.of({
          serve,
          readyReasons: Effect.gen(function* () {
            const reasons: Array<ReadyReason> = [...(yield* recorder.reasons)]
            if (Option.isNone(yield* Effect.option(blocks.latest))) reasons.unshift(NO_BLOCK)
            if ((yield* keys.held).length === 0) reasons.unshift(NO_KEY)
            return reasons
          }),
          refusals: notices.recent,
          isServiceReady: Effect.fnUntraced(function* (service) {
            const offered = policy.services.get(service)
            if (offered === undefined) return Option.none()
            for (const rpcType of offered.rpcTypes) {
              if (yield* backends.isHealthy(ServiceId.make(offered.id), rpcType)) return Option.some(true)
            }
            return Option.some(false)
          }),
          keepHouse: Effect.all(
            [
              recorder.keepReplaying,
              Stream.runForEach(blocks.changes, ({ height }) =>
                Effect.andThen(admit.forgetBelow(height), survived(meter.settle(height)))
              ),
              Stream.runForEach(broadcast.subscribe(METER_CLEANUP), (name) => survived(meter.release(name)))
            ],
            { concurrency: "unbounded" }
          ).pipe(Effect.andThen(Effect.never)),
          // Beside each other: a meter store that hangs must not cost spooled relays.
          drain: Effect.all([survived(meter.drain), recorder.flush], { concurrency: "unbounded", discard: true })
        })
      })
    )
}

const isDefect = <E>(cause: Cause.Cause<E>): boolean => Cause.hasDies(cause) && !Cause.hasInterrupts(cause)

/** A defect of one piece of house-keeping does not end the rest of it. */
const survived = (work: Effect.Effect<void>) =>
  Effect.catchCauseIf(work, isDefect, (cause) => Effect.logError("house-keeping failed by a defect", cause))

/** A refused relay is counted under its service if that is offered: what callers make up is no label. */
const labelsOf = (refused: RelayRefused, policy: RelayPolicy): RelayLabels => {
  const service = refused.signer?.header.serviceId
  return service !== undefined && policy.services.has(service) ? { service, rpcType: "unknown" } : UNREAD
}

/** The unsigned form: JSON with the inner status as outer status. */
export const plainRefusal = (cause: RefusalCause, limit: number | undefined): RelayAnswer => ({
  status: refusals[cause].status,
  contentType: JSON_TYPE,
  body: textToBytes(fromUtf8(JSON.stringify({ error: refusalText(cause, limit) }))),
  refusal: cause
})
