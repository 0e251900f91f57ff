/**
 * How programs name their steps for traces without paying for it: chosen once when the layers are built, identity when
 * tracing is off, so that no span is created then. The tracing one is in `adapters/tracing`.
 */
import { Context, Effect, type Option, type Tracer } from "effect"

/** What can be added to a step's span while it runs. */
export interface StepFacts {
  readonly attributes?: Readonly<Record<string, unknown>>
  /** Spans that led here; at most 128 of a span survive an exporter. */
  readonly links?: ReadonlyArray<Tracer.ExternalSpan>
}

/** What a step begins with. */
export interface StepOptions extends StepFacts {
  readonly kind?: Tracer.SpanKind
  /** Parent from elsewhere: the producer of a delivery, the caller of a request. */
  readonly parent?: Tracer.ExternalSpan
  /** Starts a trace of its own. It is recorded when one of its links was, whatever the share of traces recorded. */
  readonly root?: boolean
}

/** Steps for traces. With `enabled` false every method costs nothing and the effects run as they are. */
export interface StepTracer {
  /** Whether spans are made; lets a caller leave out work that only serves them. */
  readonly enabled: boolean
  /** Runs the effect as a step of this name. */
  readonly step: (
    name: string,
    options?: StepOptions
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Adds to the span of the step that runs now. `facts` is called only if that span is recorded. */
  readonly note: (facts: () => StepFacts) => Effect.Effect<void>
  /** Context of the step that runs now, to travel with what it produces; none when off or not sampled. */
  readonly context: Effect.Effect<Option.Option<Tracer.ExternalSpan>>
}

/** The tracer of this process: off unless `adapters/tracing` provides one. */
export const StepTracer: Context.Reference<StepTracer> = Context.Reference("relaymill/domain/tracing/StepTracer", {
  defaultValue: (): StepTracer => ({
    enabled: false,
    step: () => (effect) => effect,
    note: () => Effect.void,
    context: Effect.succeedNone
  })
})
