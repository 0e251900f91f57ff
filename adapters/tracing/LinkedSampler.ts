/**
 * A sampler for traces that begin at a batch: a batch that links to a recorded relay is recorded too, or a relay of a
 * one-percent sample would lead to its claim once in a hundred times.
 */
import { TraceFlags } from "@opentelemetry/api"
import { tracing } from "@opentelemetry/sdk-node"

/** Follows the parent; without one, follows the links; without a recorded one, records `ratio` of the traces. */
export const linkedSampler = (ratio: number): tracing.Sampler => {
  const byId = new tracing.TraceIdRatioBasedSampler(ratio)
  const root: tracing.Sampler = {
    shouldSample: (context, traceId, _name, _kind, _attributes, links) =>
      links.some(({ context: { traceFlags } }) => (traceFlags & TraceFlags.SAMPLED) !== 0)
        ? { decision: tracing.SamplingDecision.RECORD_AND_SAMPLED }
        : byId.shouldSample(context, traceId),
    toString: () => `Linked{${byId.toString()}}`
  }
  return new tracing.ParentBasedSampler({ root })
}
