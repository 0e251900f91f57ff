/** One real server process on a free loopback port, in a folder of its own, ended by its process id. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schedule, Schema, type Scope } from "effect"
import { freePort } from "./FreePort.ts"

/** The server did not do what a test asked of it. */
export class RedisTestFailure extends Schema.TaggedError<RedisTestFailure>()("RedisTestFailure", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** A running server. */
export interface RedisProcess {
  readonly port: number
  readonly dir: string
  /** Sends a signal; SIGKILL and SIGTERM return once the process is gone. */
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Starts it again on its port and folder and waits until it answers. */
  readonly start: Effect.Effect<void, RedisTestFailure>
}

/** What a server starts with, beside its port and folder. */
export interface RedisProcessOptions {
  /** Directives as on the command line: `["--appendonly", "yes"]`. */
  readonly args?: ReadonlyArray<string>
  /** Whether connections must speak TLS. */
  readonly tls?: boolean
  /** A configuration file and the role of a sentinel. */
  readonly sentinel?: string
}

/** Longest wait for a server to do something. */
const PATIENCE = "20 seconds"

/** Repeats a check until it passes; fails with its last failure when that takes too long. */
export const eventually = <E, R>(check: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> =>
  Effect.retry(check, { schedule: Schedule.spaced("15 millis").pipe(Schedule.upTo({ duration: PATIENCE })) })

/** Starts a server until the scope ends. Ports are tried until one is free, its cluster bus port too. */
export const redisProcess = (
  binary: string,
  options: RedisProcessOptions = {}
): Effect.Effect<RedisProcess, RedisTestFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const dir = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-redis-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    let port = yield* freePort
    let child: ChildProcess | undefined
    const signal = (name: NodeJS.Signals) =>
      Effect.callback<void>((resume) => {
        const running = child
        if (running === undefined || running.exitCode !== null || running.signalCode !== null) {
          return resume(Effect.void)
        }
        if (name === "SIGKILL" || name === "SIGTERM") running.once("exit", () => resume(Effect.void))
        running.kill(name)
        if (name !== "SIGKILL" && name !== "SIGTERM") resume(Effect.void)
      })
    const launch = Effect.gen(function* () {
      child = spawnServer(binary, port, dir, options)
      const started = child
      const log = () => readFileSync(join(dir, "log"), "utf8").slice(-2_000)
      yield* Effect.retry(
        Effect.suspend(() =>
          started.exitCode === null
            ? answers(port, options.tls === true)
            : Effect.fail(new RedisTestFailure({ detail: `exited: ${log()}` }))
        ),
        {
          schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo({ duration: PATIENCE })),
          while: () => started.exitCode === null
        }
      )
    })
    yield* Effect.addFinalizer(() => signal("SIGKILL"))
    yield* Effect.retry(
      Effect.tapError(launch, () =>
        Effect.andThen(
          signal("SIGKILL"),
          Effect.map(freePort, (next) => void (port = next))
        )
      ),
      // Another process may have taken the port meanwhile. Anything else fails again.
      { times: 3 }
    )
    return { port, dir, signal, start: launch }
  })

const spawnServer = (binary: string, port: number, dir: string, options: RedisProcessOptions): ChildProcess => {
  const log = openSync(join(dir, "log"), "a")
  const own =
    options.sentinel === undefined
      ? [
          ...(options.tls === true ? ["--port", "0", "--tls-port", String(port)] : ["--port", String(port)]),
          "--save",
          "",
          "--appendonly",
          "no",
          "--maxmemory-policy",
          "noeviction",
          "--repl-diskless-sync-delay",
          "0"
        ]
      : [options.sentinel, "--sentinel", "--port", String(port)]
  const child = spawn(binary, [...own, "--bind", "127.0.0.1", "--dir", dir, ...(options.args ?? [])], {
    stdio: ["ignore", log, log]
  })
  closeSync(log)
  return child
}

/** Whether the server answers a PING, be it with a refusal; with TLS whether it takes connections. */
const answers = (port: number, tls: boolean) =>
  Effect.callback<void, RedisTestFailure>((resume) => {
    const socket = connect(port, "127.0.0.1")
    const end = (result: Effect.Effect<void, RedisTestFailure>) => {
      socket.destroy()
      resume(result)
    }
    socket.setTimeout(1_000, () => end(Effect.fail(new RedisTestFailure({ detail: "no answer" }))))
    socket.on("error", (error) => end(Effect.fail(new RedisTestFailure({ detail: String(error) }))))
    socket.on("connect", () => (tls ? end(Effect.void) : socket.write("PING\r\n")))
    socket.on("data", (data) => {
      const text = data.toString()
      end(
        /^(\+PONG|-NOAUTH|-NOPERM)/.test(text)
          ? Effect.void
          : Effect.fail(new RedisTestFailure({ detail: `answered ${text}` }))
      )
    })
  })

/** A self-signed certificate for 127.0.0.1 in `dir`: the paths of certificate and key. */
export const selfSignedCertificate = (dir: string): { readonly certificate: string; readonly key: string } => {
  const certificate = join(dir, "server.crt")
  const key = join(dir, "server.key")
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"].concat([
      "-subj",
      "/CN=127.0.0.1",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      "-keyout",
      key,
      "-out",
      certificate
    ]),
    { stdio: "ignore" }
  )
  return { certificate, key }
}
