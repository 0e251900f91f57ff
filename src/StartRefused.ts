/** The process ends before it has started, because of what its operator gave it. */
import { Effect, Runtime, Schema } from "effect"

/** Exit status of a start that is refused; failures while running exit 1. */
export const EXIT_REFUSED = 2

/** One sentence for each reason, each with its place and its remedy. They are printed where the process ends, not logged. */
export class StartRefused extends Schema.TaggedError<StartRefused>()("StartRefused", {
  sentences: Schema.NonEmptyArray(Schema.String)
}) {
  override readonly [Runtime.errorExitCode] = EXIT_REFUSED
  override readonly [Runtime.errorReported] = false
  override get message(): string {
    return this.sentences.join("\n")
  }
}

/** Makes a refused start of a failure whose message has the place and the remedy. */
export const refused = ({ message }: { readonly message: string }) =>
  Effect.fail(new StartRefused({ sentences: [message] }))
