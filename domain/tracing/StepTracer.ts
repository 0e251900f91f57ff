/**
 * How programs name their steps for traces without paying for it: chosen once when the layers are built, identity when
 * tracing is off, so that no span is created then. The tracing one is in `adapters/tracing`.
 */
import { Context, Effect, Option, type Tracer } from "effect"

/** What a step adds to its span. */
export interface StepOptions {
  readonly kind?: Tracer.SpanKind
  readonly attributes?: Readonly<Record<string, unknown>>
  /** Parent from elsewhere: the producer of a delivery, the caller of a request. */
  readonly parent?: Tracer.ExternalSpan
  /** Starts a trace of its own. */
  readonly root?: boolean
  /** Spans that led here; at most 128 survive an exporter. */
  readonly links?: ReadonlyArray<Tracer.ExternalSpan>
}

export interface StepTracer {
  /** Whether spans are made; lets a caller leave out work that only serves them. */
  readonly enabled: boolean
  /** Runs the effect as a step of this name. */
  readonly step: (
    name: string,
    options?: StepOptions
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Context of the step that runs now, to travel with what it produces; none when off or not sampled. */
  readonly context: Effect.Effect<Option.Option<Tracer.ExternalSpan>>
}

export const StepTracer: Context.Reference<StepTracer> = Context.Reference("relaymill/domain/tracing/StepTracer", {
  defaultValue: (): StepTracer => ({
    enabled: false,
    step: () => (effect) => effect,
    context: Effect.succeedNone
  })
})
