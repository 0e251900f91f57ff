/** How the processes of these tests talk to their driver, and end: as the product's own entry does. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit, Runtime } from "effect"

/** One fact for the driver: a line of JSON on stdout. Bigints are written as decimal text. */
export const tell = (event: string, facts: Readonly<Record<string, unknown>> = {}): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stdout.write(
      `${JSON.stringify({ event, ...facts }, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value))}\n`
    )
  })

/** Runs until the end or a signal; a stop by signal is exit 0. */
export const runProcess = <E>(program: Effect.Effect<unknown, E>): void =>
  NodeRuntime.runMain(program, {
    teardown: (exit, onExit) =>
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)
  })

/** An argument of the command line by place, from 0. */
export const argument = (index: number, name: string): string => {
  const found = process.argv[index + 2]
  if (found === undefined) throw new Error(`argument ${index + 1} is missing: ${name}`)
  return found
}
