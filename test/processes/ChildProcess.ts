/** Processes of this checkout under a test: started, told apart by what they tell, and ended by their ids. */
import { type ChildProcess as NodeChild, spawn } from "node:child_process"
import { createWriteStream } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { type Duration, Effect, Schedule, Schema, type Scope } from "effect"

/** Something did not happen in time, or a process ended when it should not. */
export class ProcessTestFailure extends Schema.TaggedError<ProcessTestFailure>()("ProcessTestFailure", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** A line of JSON that a process told, with its moment. */
export interface Told {
  readonly event: string
  /** Unix milliseconds of arrival. */
  readonly at: number
  readonly facts: Readonly<Record<string, unknown>>
}

/** A running process. */
export interface ChildProcess {
  readonly name: string
  readonly pid: number
  readonly told: () => ReadonlyArray<Told>
  /** The last lines of its output. */
  readonly tail: () => string
  /** Lines of output that contain the text. */
  readonly linesWith: (text: string) => number
  /** Lines of the product's log from `warn` on: what they say, each once. */
  readonly warnings: () => ReadonlyArray<{ readonly text: string; readonly times: number }>
  readonly isRunning: () => boolean
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** The first thing told with this event; fails when the process ends before, or after the deadline. */
  readonly until: (event: string, deadline: Duration.Input) => Effect.Effect<Told, ProcessTestFailure>
  /** Exit status, or the signal that ended it. */
  readonly exit: (deadline: Duration.Input) => Effect.Effect<number | string, ProcessTestFailure>
}

const MAX_TAIL = 60
const EVENT = /^\{"event":"(\w+)"/

/** Repeats a check until it passes or the deadline is over; then its last failure. */
export const within = <A, E, R>(deadline: Duration.Input, check: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(check, { schedule: Schedule.spaced("25 millis").pipe(Schedule.upTo({ duration: deadline })) })

/** Fails with the text unless the condition holds. */
export const expectThat = (condition: boolean, detail: () => string): Effect.Effect<void, ProcessTestFailure> =>
  Effect.suspend(() => (condition ? Effect.void : Effect.fail(new ProcessTestFailure({ detail: detail() }))))

/**
 * Starts a file of this folder with Node; killed when the scope ends. All it prints goes to `logFile`. `environment` is added
 * to that of this process.
 */
export const startProcess = (
  name: string,
  file: string,
  args: ReadonlyArray<string>,
  logFile: string,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<ChildProcess, ProcessTestFailure, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.try({
        try: () => launch(name, file, args, logFile, environment),
        catch: (cause) => new ProcessTestFailure({ detail: `${name} did not start: ${String(cause)}` })
      }),
      ({ node, ended }) =>
        Effect.promise(async () => {
          // Also ends a process that is halted.
          node.kill("SIGKILL")
          await ended
        })
    ),
    ({ process }) => process
  )

const launch = (
  name: string,
  file: string,
  args: ReadonlyArray<string>,
  logFile: string,
  environment: Readonly<Record<string, string>>
) => {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const node: NodeChild = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", path, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment }
  })
  const log = createWriteStream(logFile, { flags: "a" })
  const told: Array<Told> = []
  const lines: Array<string> = []
  const counted = new Map<string, number>()
  const warnings = new Map<string, number>()
  const take = (line: string) => {
    log.write(`${new Date().toISOString()} ${line}\n`)
    const event = EVENT.exec(line)?.[1]
    if (event !== undefined) {
      const facts: Readonly<Record<string, unknown>> = JSON.parse(line)
      told.push({ event, at: Date.now(), facts })
      return
    }
    const warning = warningIn(line)
    if (warning !== undefined && (warnings.has(warning) || warnings.size < MAX_WARNINGS)) {
      warnings.set(warning, (warnings.get(warning) ?? 0) + 1)
    }
    for (const text of WATCHED) if (line.includes(text)) counted.set(text, (counted.get(text) ?? 0) + 1)
    lines.push(line)
    if (lines.length > MAX_TAIL) lines.shift()
  }
  for (const output of [node.stdout, node.stderr]) {
    if (output !== null) createInterface({ input: output }).on("line", take)
  }
  let ending: number | string | undefined
  const ended = new Promise<void>((resolve) => {
    node.once("close", (code, signal) => {
      ending = code ?? signal ?? -1
      log.end()
      resolve()
    })
    node.once("error", (error) => {
      ending ??= String(error)
      resolve()
    })
  })
  const tail = () => lines.join("\n")
  const child: ChildProcess = {
    name,
    pid: node.pid ?? -1,
    told: () => told,
    tail,
    linesWith: (text) => counted.get(text) ?? 0,
    warnings: () => Array.from(warnings, ([text, times]) => ({ text, times })),
    isRunning: () => ending === undefined,
    signal: (signal) => Effect.sync(() => void node.kill(signal)),
    until: (event, deadline) =>
      Effect.suspend(() => {
        const found = told.find((each) => each.event === event)
        if (found !== undefined) return Effect.succeed(found)
        return Effect.fail(
          new ProcessTestFailure({
            detail: `${name} has not told ${event}${ending === undefined ? "" : `, it ended with ${ending}`}:\n${tail()}`
          })
        )
      }).pipe((check) =>
        Effect.retry(check, {
          schedule: Schedule.spaced("25 millis").pipe(Schedule.upTo({ duration: deadline })),
          while: () => ending === undefined || told.some((each) => each.event === event)
        })
      ),
    exit: (deadline) =>
      within(
        deadline,
        Effect.suspend(() =>
          ending === undefined
            ? Effect.fail(new ProcessTestFailure({ detail: `${name} has not ended:\n${tail()}` }))
            : Effect.succeed(ending)
        )
      )
  }
  return { process: child, node, ended }
}

/** Distinct warnings kept of one process. */
const MAX_WARNINGS = 500

/** Message and annotations of a line from `warn` on; nothing for other lines. */
const warningIn = (line: string): string | undefined => {
  if (!/"level":"(?:warn|error|fatal)"/.test(line)) return undefined
  try {
    const { level, message, time: _, ...about }: Readonly<Record<string, unknown>> = JSON.parse(line)
    const facts = Object.entries(about).map(([name, value]) => `${name} ${shortText(value)}`)
    return `${String(level)}: ${shortText(message)}${facts.length === 0 ? "" : ` (${facts.join(", ")})`}`
  } catch {
    return undefined
  }
}

const shortText = (value: unknown): string => {
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}
const MAX_TEXT = 400

/** Texts of the product's log that scenarios look for. */
const WATCHED = ["supplier stopped", "supplier failed"]
