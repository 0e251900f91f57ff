/**
 * How the command line answers: help and version on stdout with exit 0; a wrong invocation or a refused start as sentences
 * on stderr with exit 2. Help is never printed over a mistake.
 */
import { Console, Effect, Layer } from "effect"
import { CliConfig, type CliError, CliOutput, GlobalFlag } from "effect/cli"
import type { RunFailed } from "./RunFailed.ts"
import { StartRefused } from "./StartRefused.ts"

/** Settings of `effect/cli`: three built-in flags, and mistakes left to `refuseInvocation`. */
export const layer = Layer.mergeAll(
  Layer.succeed(
    CliConfig.CliConfig,
    CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
  ),
  CliOutput.layerPresenter({
    present: (event) => {
      switch (event._tag) {
        case "Help":
          return CliOutput.defaultPresenter.present(event)
        case "Version":
          return Console.log(`${event.name} ${event.version}`)
        case "InvalidInvocation":
          return Effect.void
      }
    }
  })
)

/** What the parser found wrong becomes a refused start; help that was asked for stays a success. */
export const refuseInvocation = (error: CliError.CliError): Effect.Effect<void, StartRefused> => {
  if (error._tag !== "ShowHelp") return Effect.fail(new StartRefused({ sentences: [sentenceOf(error, [])] }))
  // Later errors follow from the first: the value of an unknown flag is then an unknown command.
  const [first] = error.errors
  return first === undefined
    ? Effect.void
    : Effect.fail(new StartRefused({ sentences: [sentenceOf(first, error.commandPath)] }))
}

/** Prints the sentences of a refused start, or of a failed run, on stderr. */
export const reportEnd = (end: StartRefused | RunFailed): Effect.Effect<void> =>
  Effect.forEach(end.message.split("\n"), (sentence) => Console.error(`relaymill: ${sentence}`), { discard: true })

const sentenceOf = (error: Exclude<CliError.CliError, CliError.ShowHelp>, path: ReadonlyArray<string>): string => {
  const command = path.length === 0 ? "relaymill" : path.join(" ")
  const help = `see ${command} --help`
  switch (error._tag) {
    case "UnrecognizedOption":
      return `unknown flag ${error.option} of ${command}; ${meant(error.suggestions, help)}`
    case "UnknownSubcommand":
      return `unknown command ${JSON.stringify(error.subcommand)} of ${command}; ${meant(error.suggestions, help)}`
    case "MissingOption":
      return `${command} needs --${error.option}; add it, ${help}`
    case "MissingArgument":
      return `${command} needs <${error.argument}>; add it, ${help}`
    case "UnexpectedArgument":
      return `${command} takes no argument ${JSON.stringify(error.arguments[0] ?? "")}; remove it, ${help}`
    case "InvalidValue":
      // The value is not repeated: it may be a URL with a password.
      if (error.expected === "at most 1 value") return `--${error.option} is given twice; keep one of them`
      return error.value === ""
        ? `--${error.option} needs a value; write it after the flag, ${help}`
        : `--${error.option} has a wrong value; ${help}`
    case "DuplicateOption":
    case "ValidationError":
    case "UserError":
      return `${error.message.split("\n")[0] ?? "wrong invocation"}; ${help}`
  }
}

const meant = (suggestions: ReadonlyArray<string>, help: string): string =>
  suggestions[0] === undefined ? help : `did you mean ${suggestions[0]}? Else ${help}`
