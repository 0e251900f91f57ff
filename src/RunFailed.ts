/** A process that started and did not achieve what it was asked for. */
import { Runtime, Schema } from "effect"

/** One sentence with the reason; printed where the process ends, exit status 1. */
export class RunFailed extends Schema.TaggedError<RunFailed>()("RunFailed", { reason: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
  override get message(): string {
    return this.reason
  }
}
