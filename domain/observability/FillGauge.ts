/**
 * Gauges that are read when metrics are collected: how full something bounded is, at no cost to what fills it.
 */
import { Effect, Metric, type Scope } from "effect"

/** Registers `read` as the value of the gauge until the scope ends. A later gauge of the same name replaces it. */
export const fillGauge = (
  name: string,
  description: string,
  read: () => number,
  labels: Readonly<Record<string, string>> = {}
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.context<never>(), (context) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() =>
          Metric.registerUnsafe(Metric.gauge(name, { description, attributes: labels }), context, {
            get: () => ({ value: read() }),
            update: () => {},
            modify: () => {}
          })
        ),
        (registration) => Effect.sync(() => registration.remove())
      )
    )
  )
