/** Runs `SpoolWriter.ts`, or another program beside it, as a process and reads what it says. */
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"

const pathOf = (program: string) => fileURLToPath(new URL(program, import.meta.url))

export interface SpoolProcess {
  readonly child: ChildProcess
  /** Everything said until now. */
  readonly lines: () => ReadonlyArray<string>
  /** Waits until something is said that matches. */
  readonly said: (pattern: RegExp) => Effect.Effect<string>
  /** Waits for its end. */
  readonly ended: Effect.Effect<void>
}

/** Starts it with these arguments, killed with the scope; `shell` runs before it in the same process. */
export const startWriter = (
  args: ReadonlyArray<string>,
  {
    shell = "",
    node = [],
    program = "SpoolWriter.ts",
    ...options
  }: SpawnOptions & { shell?: string; node?: ReadonlyArray<string>; program?: string } = {}
): Effect.Effect<SpoolProcess, never, Scope.Scope> =>
  Effect.gen(function* () {
    const command = `${shell} exec "$0" "$@"`
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn("sh", ["-c", command, process.execPath, ...node, pathOf(program), ...args], {
          stdio: ["ignore", "pipe", "inherit"],
          ...options
        })
      ),
      (one) => Effect.sync(() => void one.kill("SIGKILL"))
    )
    let text = ""
    const waiting = new Set<() => void>()
    const look = () => waiting.forEach((one) => one())
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      look()
    })
    child.once("close", look)
    const lines = () => text.split("\n").slice(0, -1)
    const until = <A>(read: () => A | undefined) =>
      Effect.callback<A>((resume) => {
        const attempt = () => {
          const value = read()
          if (value === undefined) return
          waiting.delete(attempt)
          resume(Effect.succeed(value))
        }
        waiting.add(attempt)
        attempt()
      })
    return {
      child,
      lines,
      said: (pattern: RegExp) => until(() => lines().find((line) => pattern.test(line))),
      ended: until(() => (child.exitCode === null && child.signalCode === null ? undefined : true)).pipe(Effect.asVoid)
    }
  })
