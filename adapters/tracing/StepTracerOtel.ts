/**
 * `StepTracer` over the tracer that is provided to the program: each step is a span of it. What runs below a span that is
 * not recorded costs a look at that span and nothing else: every standard sampler decides a trace as a whole.
 */
import { Effect, Layer, Tracer } from "effect"
import { type StepOptions, StepTracer } from "../../domain/tracing/StepTracer.ts"

/** Links of one span; exporters cut beyond, and the oldest go first. Source: OTEL_SPAN_LINK_COUNT_LIMIT, default 128. */
export const MAX_LINKS = 128

const linksTo = (spans: ReadonlyArray<Tracer.ExternalSpan>): Array<Tracer.SpanLink> =>
  spans.slice(0, MAX_LINKS).map((span) => ({ span, attributes: {} }))

const spanOptions = ({ kind, attributes, parent, root, links }: StepOptions): Tracer.SpanOptionsNoTrace => ({
  kind,
  parent,
  root,
  attributes: attributes === undefined ? undefined : { ...attributes },
  links: links === undefined ? undefined : linksTo(links)
})

const step = (
  name: string,
  options: StepOptions = {}
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
  const started = spanOptions(options)
  const isOfItsOwn = options.root === true || options.parent !== undefined
  return (effect) =>
    Effect.withFiber((fiber) =>
      !isOfItsOwn && fiber.cache.span?.sampled === false
        ? effect
        : // `Effect.withSpan` would also push a stack frame for each span, which nobody reads here.
          Effect.useSpan(name, started, (span) => Effect.provideService(effect, Tracer.ParentSpan, span))
    )
}

const note: StepTracer["note"] = (facts) =>
  Effect.withFiber((fiber) => {
    const { span } = fiber.cache
    if (span === undefined || span._tag !== "Span" || !span.sampled) return Effect.void
    const { attributes = {}, links = [] } = facts()
    for (const key in attributes) span.attribute(key, attributes[key])
    if (links.length > 0) span.addLinks(linksTo(links))
    return Effect.void
  })

const context: StepTracer["context"] = Effect.withFiber((fiber) => {
  const { span } = fiber.cache
  return span === undefined || !span.sampled
    ? Effect.succeedNone
    : Effect.succeedSome(Tracer.externalSpan({ traceId: span.traceId, spanId: span.spanId, sampled: true }))
})

/** Steps become spans of the provided tracer. */
export const layer: Layer.Layer<never> = Layer.succeed(StepTracer, { enabled: true, step, note, context })
