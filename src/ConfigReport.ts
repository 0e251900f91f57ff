/** Loads a configuration for a command: warnings are printed, anything that stops it becomes a refused start. */
import { Console, Effect, type FileSystem, type Option } from "effect"
import { Flag } from "effect/cli"
import type { Loaded, Loading, Override } from "../adapters/config/ConfigFile.ts"
import { type ConfigError, describeFinding } from "../adapters/config/ConfigProblem.ts"
import { StartRefused } from "./StartRefused.ts"

/** `--config` of every command that reads a file. */
export const configFlag = Flag.String("config").pipe(
  Flag.withAlias("c"),
  Flag.withMetavar("file"),
  Flag.withDescription("Configuration in YAML, keys as in docs/config.md")
)

/** The configuration, or the refusal with one sentence for each problem. Warnings go to stderr, one line each. */
export const reportLoading = <A>(loading: Loading<A>): Effect.Effect<Loaded<A>, StartRefused, FileSystem.FileSystem> =>
  loading.pipe(
    Effect.mapError((error) => new StartRefused({ sentences: sentencesOf(error) })),
    Effect.tap(({ file, warnings }) =>
      Effect.forEach(warnings, (warning) => Console.error(`relaymill: warning: ${file}: ${describeFinding(warning)}`), {
        discard: true
      })
    )
  )

/** The override of a key by a flag, if the flag is there. */
export const overrideOf = (
  flag: string,
  path: Override["path"],
  value: Option.Option<string>
): ReadonlyArray<Override> => (value._tag === "None" ? [] : [{ flag, path, text: value.value }])

const sentencesOf = (error: ConfigError): StartRefused["sentences"] => {
  if (error._tag !== "ConfigInvalid") return [error.message]
  const [first, ...others] = error.problems
  const sentence = (finding: typeof first) => `${error.file}: ${describeFinding(finding)}`
  return [sentence(first), ...others.map(sentence)]
}
