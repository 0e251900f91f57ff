/**
 * Which Redis servers the tests run: all of `REDIS_SERVER_BINS` (paths separated by colons), else `redis-server` of the
 * PATH, else Debian's package where it may be installed. Nothing found is a failure with the command that repairs it.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

/** A server program. */
export interface RedisBinary {
  readonly path: string
  /** `redis 7.0.15`, `valkey 9.1.0`. */
  readonly version: string
}

/** The servers to test with. Throws when there is none. */
export const redisBinaries = (): ReadonlyArray<RedisBinary> => {
  const paths = configured() ?? inPath()
  if (paths.length === 0) {
    throw new Error("tests need a Redis server; run: apt-get install --yes --no-install-recommends redis-server")
  }
  return paths.map((path) => ({ path, version: versionOf(path) }))
}

/** Installs Debian's `redis-server` when there is none and that is allowed here. One process at a time. */
export const installRedis = (): void => {
  if (configured() !== undefined || inPath().length > 0) return
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).status !== 0) return
  withLock(() => {
    if (inPath().length > 0) return
    // Debian starts a service as it installs it, unless this program forbids it.
    const policy = "/usr/sbin/policy-rc.d"
    const forbids = !existsSync(policy)
    if (forbids) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
    try {
      const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
      execFileSync("apt-get", ["update", "-q"], { stdio: "inherit", env })
      execFileSync("apt-get", ["install", "-q", "--yes", "--no-install-recommends", "redis-server"], {
        stdio: "inherit",
        env
      })
    } finally {
      if (forbids) rmSync(policy, { force: true })
    }
  })
}

const configured = (): ReadonlyArray<string> | undefined => {
  const paths = (process.env["REDIS_SERVER_BINS"] ?? "").split(delimiter).filter((path) => path !== "")
  return paths.length === 0 ? undefined : paths
}

const inPath = (): ReadonlyArray<string> =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "redis-server"))
    .filter(isProgram)
    .slice(0, 1)

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const versionOf = (path: string): string => {
  const text = execFileSync(path, ["--version"], { encoding: "utf8" })
  const [, name = "redis", version = "?"] = /^(\w+) server v=(\S+)/i.exec(text) ?? []
  return `${name.toLowerCase()} ${version}`
}

/** A folder is made by one process only. A lock older than an installation can take was left behind. */
const withLock = (install: () => void): void => {
  const lock = join(tmpdir(), "relaymill-install-redis.lock")
  const end = Date.now() + 300_000
  for (;;) {
    try {
      mkdirSync(lock)
      break
    } catch {
      if (Date.now() > end) rmSync(lock, { recursive: true, force: true })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
  try {
    install()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}
