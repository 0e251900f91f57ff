/** Calls of the file system, with their failures as values. */
import { Effect, Schema } from "effect"

/** A call of the file system failed. */
export class DiskFailed extends Schema.TaggedError<DiskFailed>()("DiskFailed", {
  /** Code of the operating system, as `ENOSPC`. */
  code: Schema.String,
  cause: Schema.Defect()
}) {}

/** Runs a call of `node:fs/promises`; fails with `DiskFailed`. Not undone by interruption. */
export const onDisk = <A>(call: () => Promise<A>): Effect.Effect<A, DiskFailed> =>
  Effect.tryPromise({ try: call, catch: (cause) => new DiskFailed({ code: codeOf(cause), cause }) })

/** Code of an error of the operating system, or its message. */
const codeOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message
}
