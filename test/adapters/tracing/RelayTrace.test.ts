/** One relay, from its HTTP request to its settlement, as a collector sees it. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { SimChain } from "../../../adapters/simchain/SimChain.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { sessionHeights } from "../../../domain/settlement/SessionTerms.ts"
import * as World from "../../support/RelayingWorld.ts"
import type { OtlpSpan } from "./OtlpDecoding.ts"
import { startReceiver } from "./OtlpReceiver.ts"
import { backendHeaders, layerProcess, sendRelay, withOtelEnvironment } from "./TracedProcess.ts"

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
const CALLER = "00f067aa0ba902b7"
const callerSays = (flags: "00" | "01") => ({ traceparent: `00-${TRACE_ID}-${CALLER}-${flags}` })

/** Spans arrive soon, and the test ends long before anybody wonders. */
const fast = { OTEL_BSP_SCHEDULE_DELAY: "20" }
const patience = Duration.seconds(20)

const named = (name: string) => (spans: ReadonlyArray<OtlpSpan>) => spans.find((span) => span.name === name)

const linksTo = (span: OtlpSpan) => span.links.map(({ spanId }) => spanId)

describe("the trace of a relay", () => {
  it.live("leads from the gateway's span to the settlement", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver
      yield* withOtelEnvironment({ ...fast, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint })
      const header = yield* Effect.gen(function* () {
        const chain = yield* SimChain
        const header = yield* World.currentSession
        const heights = yield* sessionHeights(header.sessionEndBlockHeight)
        yield* startMiner
        assert.strictEqual(yield* sendRelay("1", callerSays("01")), 200)
        yield* receiver.until(named("mine"))
        // The chain stands still until the miner has done what was due.
        yield* chain.produceUntil(heights.claim.closes - 1n)
        yield* receiver.until(named("SubmitClaims.batch"))
        yield* chain.produceUntil(heights.proof.closes - 1n)
        yield* receiver.until(named("SubmitProofs.batch"))
        yield* chain.produceUntil(heights.settlement)
        yield* receiver.until(named("Settlement"))
        return header
      }).pipe(Effect.provide(layerProcess))
      const { spans } = receiver

      const of = (name: string): OtlpSpan => {
        const found = spans.filter((span) => span.name === name)
        assert.strictEqual(found.length, 1, `spans called ${name}`)
        return found[0]!
      }
      const relay = spans.filter(({ traceId }) => traceId === TRACE_ID)
      assert.deepStrictEqual(relay.map(({ name, kind, status }) => `${name} ${kind} ${status}`).toSorted(), [
        "POST server ok",
        "ServeRelay internal ok",
        "append producer ok",
        "backend client ok",
        "lookup internal ok",
        "mine consumer ok",
        "reserve internal ok",
        "sign internal ok",
        "verify internal ok"
      ])
      assert.strictEqual(of("POST").parentSpanId, CALLER)
      assert.strictEqual(of("ServeRelay").parentSpanId, of("POST").spanId)
      for (const step of ["lookup", "verify", "reserve", "backend", "sign", "append"]) {
        assert.strictEqual(of(step).parentSpanId, of("ServeRelay").spanId, step)
      }
      assert.strictEqual(of("mine").parentSpanId, of("append").spanId)

      const produced = of("append").spanId
      const session = of("Session")
      assert.deepStrictEqual(linksTo(session), [produced])
      assert.sameMembers(linksTo(of("IngestRelays.batch")), [produced, session.spanId])
      for (const name of ["SubmitClaims.batch", "SubmitProofs.batch", "Settlement"]) {
        assert.sameMembers(linksTo(of(name)), [produced, session.spanId], name)
        assert.deepStrictEqual(
          of(name).links.map(({ traceId }) => traceId === TRACE_ID || traceId === session.traceId),
          [true, true]
        )
      }
      assert.strictEqual(of("claim").parentSpanId, of("SubmitClaims.batch").spanId)
      assert.strictEqual(of("proof").parentSpanId, of("SubmitProofs.batch").spanId)
      for (const root of ["Session", "IngestRelays.batch", "SubmitClaims.batch", "SubmitProofs.batch", "Settlement"]) {
        assert.strictEqual(of(root).parentSpanId, "", root)
        assert.notStrictEqual(of(root).traceId, TRACE_ID, root)
      }
      // One session id finds the relay, its claim, its proof and its settlement.
      assert.sameMembers(
        spans.filter(({ attributes }) => attributes["relaymill.session"] === header.sessionId).map(({ name }) => name),
        ["ServeRelay", "mine", "Session", "claim", "proof", "Settlement"]
      )
      assert.strictEqual(of("ServeRelay").attributes["relaymill.supplier"], World.supplier.address)
      assert.strictEqual(of("ServeRelay").attributes["relaymill.service"], World.SERVICE)
      assert.strictEqual(of("POST").attributes["url.path"], "/v1")
      assert.strictEqual(of("POST").attributes["http.response.status_code"], 200)
      assert.strictEqual(of("backend").attributes["http.response.status_code"], 200)
      assert.deepStrictEqual([...new Set(spans.map(({ resource }) => resource["service.name"]))], ["relaymill"])
      assert.isTrue(spans.every(({ startNanos, endNanos }) => startNanos > 0n && endNanos >= startNanos))
      // The operator's node is not told about our traces.
      assert.strictEqual(backendHeaders.length, 1)
      assert.deepStrictEqual(
        Object.keys(backendHeaders[0]!).filter((name) => /trace|baggage|^b3/.test(name)),
        []
      )
    }).pipe(Effect.scoped, Effect.timeout(patience))
  )

  it.live("is not recorded when the gateway does not record it, and its context does not travel", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver
      yield* withOtelEnvironment({ ...fast, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint })
      yield* Effect.gen(function* () {
        yield* startMiner
        assert.strictEqual(yield* sendRelay("1", callerSays("00")), 200)
        yield* receiver.until(named("IngestRelays.batch"))
      }).pipe(Effect.provide(layerProcess))
      assert.deepStrictEqual(
        receiver.spans.filter(({ traceId }) => traceId === TRACE_ID),
        []
      )
      assert.deepStrictEqual(linksTo(named("IngestRelays.batch")(receiver.spans)!).length, 1)
    }).pipe(Effect.scoped, Effect.timeout(patience))
  )

  it.live("of a sample leads to its batches, whatever the sample", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver
      yield* withOtelEnvironment({
        ...fast,
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
        OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG: "0"
      })
      yield* Effect.gen(function* () {
        yield* startMiner
        assert.strictEqual(yield* sendRelay("1"), 200)
        assert.strictEqual(yield* sendRelay("2", callerSays("01")), 200)
        yield* receiver.until(named("mine"))
        yield* receiver.until(named("IngestRelays.batch"))
      }).pipe(Effect.provide(layerProcess))
      const served = receiver.spans.filter(({ name }) => name === "POST")
      assert.deepStrictEqual(
        served.map(({ traceId }) => traceId),
        [TRACE_ID]
      )
      const append = named("append")(receiver.spans)!
      assert.include(linksTo(named("IngestRelays.batch")(receiver.spans)!), append.spanId)
    }).pipe(Effect.scoped, Effect.timeout(patience))
  )

  it.live("is one of at most 64 that a claim links to", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver
      yield* withOtelEnvironment({ ...fast, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint })
      yield* Effect.gen(function* () {
        const chain = yield* SimChain
        const heights = yield* sessionHeights((yield* World.currentSession).sessionEndBlockHeight)
        for (let i = 0; i < 70; i++) yield* sendRelay(String(i))
        // All are in the log before the miner starts: they come in one batch.
        yield* startMiner
        yield* receiver.until(named("IngestRelays.batch"))
        yield* chain.produceUntil(heights.claim.closes - 1n)
        yield* receiver.until(named("SubmitClaims.batch"))
      }).pipe(Effect.provide(layerProcess))
      const appended = new Set(receiver.spans.filter(({ name }) => name === "append").map(({ spanId }) => spanId))
      const session = named("Session")(receiver.spans)!
      for (const name of ["IngestRelays.batch", "SubmitClaims.batch"]) {
        const links = linksTo(named(name)(receiver.spans)!)
        assert.strictEqual(links.filter((spanId) => appended.has(spanId)).length, 64, name)
        assert.include(links, session.spanId, name)
      }
      assert.strictEqual(receiver.spans.filter(({ name }) => name === "mine").length, 70)
    }).pipe(Effect.scoped, Effect.timeout(patience))
  )

  it.live("begins with the relayer when the traceparent is malformed, and says why a relay was refused", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver
      yield* withOtelEnvironment({
        ...fast,
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
        OTEL_SERVICE_NAME: "my relayer"
      })
      yield* Effect.gen(function* () {
        yield* sendRelay("1", { traceparent: `00-${"0".repeat(32)}-${CALLER}-01` })
        // The same request again is a replay.
        yield* sendRelay("1", { traceparent: "nonsense" })
      }).pipe(Effect.provide(layerProcess))
      const served = receiver.spans.filter(({ name }) => name === "POST")
      assert.deepStrictEqual(
        served.map(({ parentSpanId }) => parentSpanId),
        ["", ""]
      )
      assert.strictEqual(new Set(served.map(({ traceId }) => traceId)).size, 2)
      const refused = receiver.spans.filter(({ name, status }) => name === "ServeRelay" && status === "error")
      assert.deepStrictEqual(
        refused.map(({ attributes }) => attributes["error.type"]),
        ["seen_before"]
      )
      assert.deepStrictEqual(
        [...new Set(receiver.spans.map(({ resource }) => resource["service.name"]))],
        ["my relayer"]
      )
    }).pipe(Effect.scoped, Effect.timeout(patience))
  )
})
