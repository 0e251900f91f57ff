/** What the process itself takes, by the names that Prometheus's clients use; read when metrics are collected. */
import { performance } from "node:perf_hooks"
import { Effect, Layer } from "effect"
import { fillGauge, readCounter } from "../../domain/observability/FillGauge.ts"

/** Registers the gauges and counters. */
export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* readCounter("process_cpu_seconds_total", "Seconds of CPU taken by all threads of the process", () => {
      const { system, user } = process.cpuUsage()
      return (system + user) / 1e6
    })
    yield* fillGauge("process_resident_memory_bytes", "Memory of the process that is in RAM", () =>
      process.memoryUsage.rss()
    )
    yield* fillGauge(
      "process_start_time_seconds",
      "Unix time at which the process started",
      () => performance.timeOrigin / 1e3
    )
    yield* fillGauge(
      "nodejs_heap_size_used_bytes",
      "JavaScript objects, garbage included",
      () => process.memoryUsage().heapUsed
    )
    yield* readCounter(
      "nodejs_eventloop_active_seconds_total",
      "Seconds in which the event loop was not waiting; its rate is the share of one core at which nothing more fits",
      () => performance.eventLoopUtilization().active / 1e3
    )
  })
)
