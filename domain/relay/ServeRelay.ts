/**
 * THE program: one relay from the bytes of a signed request to the bytes of a signed answer, the same for every
 * transport. Whatever happens, there is an answer; refusals are signed wherever they can be.
 */
import { Cause, Clock, Context, Effect, Layer, Metric, Option, Result, Stream } from "effect"
import { sha256 as pureSha256, type Sha256 } from "../crypto/Sha256.ts"
import { Blocks } from "../ports/Blocks.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import { SupplierAddress } from "../protocol/Identifiers.ts"
import { sessionAttributes } from "../tracing/SessionAttributes.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { fromUtf8, textToBytes } from "../wire/ByteText.ts"
import { AdmitRelay, refuserFor, type RelayInput } from "./AdmitRelay.ts"
import { CompleteRelay, meanwhile } from "./CompleteRelay.ts"
import { encodeHttpError } from "./PoktHttp.ts"
import { RecordRelay } from "./RecordRelay.ts"
import { RefusalBudget } from "./RefusalBudget.ts"
import { RelayMeter } from "./RelayMeter.ts"
import { RelayPolicyRef } from "./RelayPolicy.ts"
import type { RelayRefused } from "./RelayRefusal.ts"
import { type RefusalCause, refusalError, refusals, refusalText, type Refusal } from "./RelayRefusal.ts"
import { buildResponse, encodeRelayResponse, responseSignableHash, withSignature } from "./RelayResponse.ts"

/** A relay as a transport hands it over. */
export interface RelayCall extends RelayInput {
  /** Headers of the outer request, lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Address of the peer; bounds how many refusals are signed for unverified callers. */
  readonly peer: string
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

const PROTOBUF = "application/x-protobuf"
const JSON_TYPE = "application/json"

const served = Metric.counter("ha_relayer_relays_served_total", {
  description: "Relays answered by a backend",
  incremental: true
})
const mined = Metric.counter("ha_relayer_relays_mined_total", {
  description: "Relays that met the difficulty",
  incremental: true
})
const rejected = Metric.counter("ha_relayer_relays_rejected_total", {
  description: "Relays refused",
  incremental: true
})

export class ServeRelay extends Context.Service<
  ServeRelay,
  {
    /** Serves one relay. Never fails; interruption means that nobody listens any more. */
    readonly serve: (call: RelayCall) => Effect.Effect<RelayAnswer>
    /** House-keeping that runs as long as the relayer: spool replay, give-backs, forgetting. */
    readonly keepHouse: Effect.Effect<never>
    /** After the last relay is finished: empties the spool and gives meter allowances back. Whether the spool is empty. */
    readonly drain: Effect.Effect<boolean>
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
        const blocks = yield* Blocks
        const policy = yield* RelayPolicyRef
        const { enabled, step, note } = yield* StepTracer
        let inFlight = 0
        const budget = new RefusalBudget(policy.refusalBurst, policy.refusalsPerSecond)
        const rejections = new Map(
          (Object.keys(refusals) as Array<RefusalCause>).map((reason) => [
            // keys of a literal table
            reason,
            Metric.withAttributes(rejected, { reason })
          ])
        )

        const answer = Effect.fnUntraced(function* (call: RelayCall) {
          const relay = yield* admit.read(call)
          if (enabled) yield* note(() => ({ attributes: sessionAttributes(relay.header, relay.supplier) }))
          if (inFlight > policy.maxInFlight) {
            return yield* refuserFor(relay.header, relay.supplier, false)("at_limit", `${inFlight} relays in flight`)
          }
          const backend = completion.call(relay, call.headers)
          const done = yield* relay.service.validation === "optimistic"
            ? meanwhile(backend, admit.verify(relay), completion.complete)
            : Effect.flatMap(admit.verify(relay), (admitted) => completion.complete(admitted, backend))
          yield* Metric.update(served, 1)
          if (done.mined) yield* Metric.update(mined, 1)
          return { status: 200, contentType: PROTOBUF, body: done.body, refusal: undefined }
        })

        const refuse = Effect.fnUntraced(function* (refused: RelayRefused, peer: string) {
          const counter = rejections.get(refused.reason)
          if (counter !== undefined) yield* Metric.update(counter, 1)
          yield* Effect.logDebug("relay refused").pipe(
            Effect.annotateLogs({ reason: refused.reason, detail: refused.detail })
          )
          const { signer } = refused
          const row: Refusal = refusals[refused.reason]
          if (signer === undefined || row.plainOnly === true) return plainRefusal(refused.reason, refused.limit)
          if (!refused.verified && !budget.spend(peer, yield* Clock.currentTimeMillis)) {
            return plainRefusal(refused.reason, refused.limit)
          }
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
            keys.sign(SupplierAddress.make(signer.supplier), responseSignableHash(response.success, sha256))
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

        return ServeRelay.of({
          serve: (call) =>
            Effect.suspend(() => {
              inFlight++
              return Effect.ensuring(
                traced(answer(call)).pipe(
                  Effect.catch((refused) => refuse(refused, call.peer)),
                  Effect.catchCauseIf(
                    (cause) => Cause.hasDies(cause) && !Cause.hasInterrupts(cause),
                    (cause) =>
                      Effect.as(Effect.logError("relay failed by a defect", cause), plainRefusal("defect", undefined))
                  )
                ),
                Effect.sync(() => void inFlight--)
              )
            }),
          keepHouse: Effect.all(
            [
              recorder.keepReplaying,
              Stream.runForEach(blocks.changes, ({ height }) =>
                Effect.andThen(meter.settle(height), admit.forgetBelow(height - FORGET_AFTER_BLOCKS))
              )
            ],
            { concurrency: "unbounded" }
          ).pipe(Effect.andThen(Effect.never)),
          drain: Effect.andThen(meter.drain, recorder.replay)
        })
      })
    )
}

/** Replays are remembered this many blocks past a session's end: no grace period is as long. */
const FORGET_AFTER_BLOCKS = 1_000n

/** The unsigned form: JSON with the inner status as outer status. */
export const plainRefusal = (cause: RefusalCause, limit: number | undefined): RelayAnswer => ({
  status: refusals[cause].status,
  contentType: JSON_TYPE,
  body: textToBytes(fromUtf8(JSON.stringify({ error: refusalText(cause, limit) }))),
  refusal: cause
})
