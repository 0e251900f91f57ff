/** A wrong clock for single processes: Debian's libfaketime, loaded before the C library. Monotonic time stays right. */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { ProcessTestFailure } from "./ChildProcess.ts"

const FOLDER = "/usr/lib"

/** The library, if it is installed: below a folder for each machine type. */
const library = (): string | undefined =>
  readdirSync(FOLDER)
    .map((machine) => join(FOLDER, machine, "faketime", "libfaketime.so.1"))
    .find((path) => existsSync(path))

/** Installs it where that is allowed; fails with the command to run where it is not. */
export const installFakeTime: Effect.Effect<void, ProcessTestFailure> = Effect.gen(function* () {
  if (library() !== undefined) return
  const mayInstall = process.getuid?.() === 0 && spawnSync("apt-get", ["--version"]).status === 0
  if (mayInstall) {
    yield* Effect.try({
      try: () => {
        const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
        execFileSync("apt-get", ["update", "-q"], { stdio: "inherit", env })
        execFileSync("apt-get", ["install", "-q", "--yes", "--no-install-recommends", "libfaketime"], {
          stdio: "inherit",
          env
        })
      },
      catch: (cause) => new ProcessTestFailure({ detail: `libfaketime cannot be installed: ${String(cause)}` })
    })
  }
  if (library() === undefined) {
    const detail = "wrong clocks need libfaketime; run: apt-get install --yes --no-install-recommends libfaketime"
    return yield* new ProcessTestFailure({ detail })
  }
})

/** Environment of a process whose clock is so many seconds ahead, or behind if negative. */
export const clockAhead = (seconds: number): Readonly<Record<string, string>> => ({
  LD_PRELOAD: library() ?? "",
  FAKETIME: `${seconds < 0 ? "" : "+"}${seconds}s`,
  FAKETIME_DONT_FAKE_MONOTONIC: "1"
})
