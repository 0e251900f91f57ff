/** Why a server could not be started. */
import { Schema } from "effect"

/** The address cannot be listened on. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Finite,
  code: Schema.String
}) {
  override get message(): string {
    const why =
      this.code === "EADDRINUSE"
        ? "is in use by another process; choose another port or stop that process"
        : `cannot be listened on (${this.code})`
    return `${this.host}:${this.port} ${why}`
  }
}
