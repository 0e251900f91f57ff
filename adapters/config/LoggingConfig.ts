/** The `logging` section. Go reads an unknown level as `info`; so does this, with a warning. */
import { Result, Schema } from "effect"
import { key, section, type ValueOf, withDefault } from "./ConfigReader.ts"
import { alternatives } from "./Misspelling.ts"
import { count, flag, millis, withoutEffect, word } from "./KeyKinds.ts"
import { quoteFound, textCodec, type TextCodec } from "./TextCodec.ts"

const levels = ["debug", "info", "warn", "error"] as const
const Level = Schema.Literals(levels)
const isLevel = Schema.is(Level)

/** A level as written, known or not. */
const LevelText: TextCodec<string> = textCodec(
  Schema.String,
  (text) => Result.succeed(text.toLowerCase()),
  (text) => text
)

/** The level that counts for a text: unknown ones, `trace` among them, are `info`. */
export const effectiveLevel = (text: string): typeof Level.Type => (isLevel(text) ? text : "info")

/** `logging` with the defaults of one process; lines are lossy only when `async` is on. */
export const logging = (defaults: { readonly async: boolean }) =>
  section(
    {
      level: key(
        "level",
        withDefault("info", {
          codec: LevelText,
          type: levels.join(", "),
          meaning: "Lowest level that is written; others, `trace` too, count as info.",
          notice: (value, place, node, findings) => {
            if (!isLevel(value)) {
              findings.warning(place, node, `level ${quoteFound(value)} is read as info; write ${alternatives(levels)}`)
            }
          }
        })
      ),
      format: key("format", word(["json", "text"], "json", "One JSON object, or readable text, for each line.")),
      async: key(
        "async",
        flag(defaults.async, "Lines wait in a buffer that drops on overflow instead of slowing the process.")
      ),
      asyncBufferSize: key("async_buffer_size", count({ fallback: "100000", unset: "zero" }, "Lines in that buffer.")),
      asyncPollInterval: key(
        "async_poll_interval",
        millis({ fallback: "100", unset: "zero" }, "The buffer is emptied this often.")
      ),
      sampling: key("sampling", flag(false, "Write only some of many equal lines.")),
      samplingInitial: key(
        "sampling_initial",
        count({ fallback: "100", least: 0 }, "Equal lines of a second written in full.")
      ),
      samplingThereafter: key("sampling_thereafter", count({ fallback: "10", least: 0 }, "Then one of this many.")),
      enableCaller: key(
        "enable_caller",
        withoutEffect(
          flag(false, "Add the place in the code to each line."),
          "lines name the span they were written in instead"
        )
      )
    },
    { ignored: { output: "logs always go to stderr, also in the Go fleet" } }
  )
/** Value of `logging`. */
export type LoggingConfig = ValueOf<ReturnType<typeof logging>>
