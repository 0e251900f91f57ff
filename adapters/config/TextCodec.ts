/** The one way a scalar of a configuration file becomes a value: a schema from its text, whose failure is a sentence. */
import { Effect, type Redacted, Result, Schema, SchemaGetter, SchemaIssue } from "effect"

/** Schema of a value that is written as the text of one scalar. */
export type TextCodec<A> = Schema.Codec<A, string>

/**
 * A schema from text to `target`. `read` fails with a whole sentence (what was expected, what was found unless it may be
 * a secret, what to write instead); `write` is the text that `read` turns into the same value.
 */
export const textCodec = <A, I>(
  target: Schema.Codec<A, I>,
  read: (text: string) => Result.Result<I, string>,
  write: (value: I) => string
): TextCodec<A> =>
  Schema.String.pipe(
    Schema.decodeTo(target, {
      decode: SchemaGetter.transformEffect((text: string) =>
        Result.match(read(text), {
          onSuccess: (value) => Effect.succeed(value),
          onFailure: (message) => Effect.fail(new SchemaIssue.InvalidValue({ message }))
        })
      ),
      encode: SchemaGetter.transform(write)
    })
  )

/** The same text, kept out of every log and message from here on. */
export const SecretText: TextCodec<Redacted.Redacted> = Schema.RedactedFromValue(Schema.String)

/**
 * A text from a file as it may be quoted in a sentence: in JSON quotes, at most `longest` characters, and without anything
 * that a terminal would act on. Never for secrets.
 */
export const quoteFound = (text: string, longest = 40): string =>
  JSON.stringify(text.length > longest ? `${text.slice(0, longest)}…` : text).replaceAll(
    /[\u007F-\u009F\u200E\u200F\u2028-\u202E\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
