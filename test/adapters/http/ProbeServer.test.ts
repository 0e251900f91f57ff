/** The probe server over a real socket. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Metric, Scope } from "effect"
import { type ProbeReason, startProbes } from "../../../adapters/http/ProbeServer.ts"
import { fillGauge } from "../../../domain/observability/FillGauge.ts"

const get = (port: number, path: string) =>
  Effect.promise(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: answer.status, type: answer.headers.get("content-type"), body: await answer.text() }
  })

const probes = (reasons: () => ReadonlyArray<ProbeReason> = () => []) =>
  startProbes({ host: "127.0.0.1", port: 0, reasons: Effect.sync(reasons) })

describe("ProbeServer", () => {
  it.live("answers health whatever is wrong, and readiness by what blocks", () =>
    Effect.gen(function* () {
      let reasons: ReadonlyArray<ProbeReason> = []
      const port = yield* probes(() => reasons)
      const type = "text/plain; charset=utf-8"
      assert.deepStrictEqual(yield* get(port, "/ready"), { status: 200, type, body: "Ready" })
      reasons = [{ text: "relays wait in the spool", isBlocking: false }]
      assert.deepStrictEqual(yield* get(port, "/ready?x"), {
        status: 200,
        type,
        body: "Ready\nrelays wait in the spool"
      })
      reasons = [...reasons, { text: "no block seen yet", isBlocking: true }]
      assert.deepStrictEqual(yield* get(port, "/ready"), {
        status: 503,
        type,
        body: "Not Ready\nrelays wait in the spool\nno block seen yet"
      })
      assert.deepStrictEqual(yield* get(port, "/health"), { status: 200, type, body: "OK" })
      assert.strictEqual((yield* get(port, "/relay")).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("shows counters and fill gauges in Prometheus' text format", () =>
    Effect.gen(function* () {
      const counter = Metric.counter("test_probe_relays_total", {
        description: "Relays of this test",
        incremental: true
      })
      yield* fillGauge("test_probe_fill", "Fill of this test", () => 7, { store: "log" })
      const port = yield* probes()
      yield* Metric.update(counter, 3)
      const { body, status, type } = yield* get(port, "/metrics")
      assert.deepStrictEqual([status, type], [200, "text/plain; version=0.0.4; charset=utf-8"])
      assert.match(body, /^# HELP test_probe_relays_total Relays of this test$/m)
      assert.match(body, /^# TYPE test_probe_relays_total counter$/m)
      assert.match(body, /^test_probe_relays_total 3$/m)
      assert.match(body, /^test_probe_fill\{store="log"\} 7$/m)
    }).pipe(Effect.scoped)
  )

  it.live("says which address is taken, and leaves it with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const port = yield* Scope.provide(probes(), scope)
      const again = startProbes({ host: "127.0.0.1", port, reasons: Effect.succeed([]) }).pipe(Effect.scoped)
      const refused = yield* Effect.flip(again)
      assert.strictEqual(
        refused.message,
        `127.0.0.1:${port} is in use by another process; choose another port or stop that process`
      )
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* again, port)
    })
  )
})
