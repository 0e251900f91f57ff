/** What the process takes, against what Node says. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as ProcessMetrics from "../../../adapters/process/ProcessMetrics.ts"

const read = Effect.map(Effect.context<never>(), (context) => PrometheusMetrics.formatUnsafe(context))
const value = (body: string, name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(body)?.[1])

describe("ProcessMetrics", () => {
  it.live("shows CPU and memory of the process, and how busy its event loop was", () =>
    Effect.gen(function* () {
      const before = yield* read
      const burnt = process.cpuUsage()
      while (process.cpuUsage(burnt).user < 50_000);
      const after = yield* read
      const rise = (name: string) => value(after, name) - value(before, name)
      assert.isAtLeast(rise("process_cpu_seconds_total"), 0.05)
      assert.isAbove(rise("nodejs_eventloop_active_seconds_total"), 0)
      assert.isAbove(value(after, "process_resident_memory_bytes"), 2 ** 25)
      assert.isAbove(value(after, "nodejs_heap_size_used_bytes"), 2 ** 22)
      assert.closeTo(value(after, "process_start_time_seconds"), Date.now() / 1e3 - process.uptime(), 60)
      assert.match(after, /^# TYPE process_cpu_seconds_total counter$/m)
    }).pipe(Effect.provide(ProcessMetrics.layer))
  )
})
