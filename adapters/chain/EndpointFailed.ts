/** How one endpoint of the chain failed to answer a call. */
import { Schema } from "effect"
import type { ChainUnavailable } from "../../domain/ports/Blocks.ts"

/**
 * `transport`: no connection, or it broke. `deadline`: no answer in time. `overloaded`: it has no room for the call or its
 * answer. `unimplemented`: it does not know the method, or something before it does not. `undecodable`: the answer is not
 * what it should be. `internal`: it answered that it failed. `stale`: its state is older than what was asked for.
 */
export const FailureKind = Schema.Literals([
  "transport",
  "deadline",
  "overloaded",
  "unimplemented",
  "undecodable",
  "internal",
  "stale"
])
export type FailureKind = typeof FailureKind.Type

/** One endpoint did not answer one call. Says nothing about what was asked for. */
export class EndpointFailed extends Schema.TaggedError<EndpointFailed>()("EndpointFailed", {
  /** Host and port, without credentials. */
  endpoint: Schema.String,
  operation: Schema.String,
  kind: FailureKind,
  detail: Schema.String,
  /** What was asked is known not to have been done: it was never sent, or turned away before it was looked at. */
  isUndone: Schema.optionalKey(Schema.Literal(true))
}) {
  override get message(): string {
    return `${this.endpoint} failed ${this.operation} (${this.kind}): ${this.detail}`
  }
}

/** Whether a call came to nothing because no endpoint knows the method. */
export const lacksMethod = ({ cause }: ChainUnavailable): boolean =>
  cause instanceof EndpointFailed && cause.kind === "unimplemented"
