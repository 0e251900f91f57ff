/**
 * Gauges and counters that are read when metrics are collected: how full something bounded is, what a process has taken, at
 * no cost to what fills it or counts it.
 */
import { Effect, Metric, type Scope } from "effect"

/** Registers `read` as the value of the gauge until the scope ends. A later gauge of the same name replaces it. */
export const fillGauge = (
  name: string,
  description: string,
  read: () => number,
  labels: Readonly<Record<string, string>> = {}
): Effect.Effect<void, never, Scope.Scope> =>
  registered(Metric.gauge(name, { description, attributes: labels }), () => ({ value: read() }))

/** The same for a counter: `read` never gives less than before. */
export const readCounter = (
  name: string,
  description: string,
  read: () => number
): Effect.Effect<void, never, Scope.Scope> =>
  registered(Metric.counter(name, { description, incremental: true }), () => ({ count: read(), incremental: true }))

const registered = <Input, State>(
  metric: Metric.Metric<Input, State>,
  get: () => State
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.context<never>(), (context) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => Metric.registerUnsafe(metric, context, { get, update: () => {}, modify: () => {} })),
        (registration) => Effect.sync(() => registration.remove())
      )
    )
  )
