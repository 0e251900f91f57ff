/**
 * Calls over one ioredis client: each ends within its time with a reply or a typed failure, also while Redis is away.
 * Nothing is ever sent twice, except what the server said it did not execute (NOSCRIPT, MOVED).
 */
import { Command } from "ioredis"
import { Clock, Duration, Effect, Metric, Result } from "effect"
import type { Deadline } from "../../domain/lifecycle/Deadlines.ts"
import { monotonicMillisOf } from "../../domain/lifecycle/MonotonicTime.ts"
import type { Roster } from "../../domain/lifecycle/Roster.ts"
import { RedisFailure, redisFailure } from "./RedisFailure.ts"
import type { RedisScript } from "./RedisScript.ts"
import { mastersOf, type RedisClient } from "./RedisServers.ts"

/** One argument. Bytes are sent as they are, numbers and heights as decimal text. */
export type RedisArgument = string | number | bigint | Uint8Array

/** A command with its arguments, lower case. `script` is set if it calls one by its digest. */
export interface RedisCommand {
  readonly name: string
  readonly args: ReadonlyArray<RedisArgument>
  readonly script?: RedisScript
}

/** A command for a pipeline. */
export const command = (name: string, ...args: ReadonlyArray<RedisArgument>): RedisCommand => ({ name, args })

/** A script call for a pipeline. */
export const scriptCommand = (
  script: RedisScript,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<RedisArgument>
): RedisCommand => ({ name: "evalsha", args: [script.sha, keys.length, ...keys, ...args], script })

/** Calls over one connection (one for each node on a cluster). Replies are as Redis sends them: decode them. */
export interface RedisLink {
  /** Sends one command, lower case. Strings in the reply are text. */
  readonly call: (name: string, ...args: ReadonlyArray<RedisArgument>) => Effect.Effect<unknown, RedisFailure>
  /** Same, strings in the reply are `Buffer`s. */
  readonly callBytes: (name: string, ...args: ReadonlyArray<RedisArgument>) => Effect.Effect<unknown, RedisFailure>
  /** Runs a script by its digest, loading it where the server does not have it. Strings in the reply are `Buffer`s. */
  readonly run: (
    script: RedisScript,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<RedisArgument>
  ) => Effect.Effect<unknown, RedisFailure>
  /**
   * Sends commands in one write and waits once; no transaction. On a cluster all keys are of one slot. Each command has
   * its own result, in order; the effect fails when no reply at all is to be had. Strings are `Buffer`s.
   */
  readonly pipeline: (
    commands: ReadonlyArray<RedisCommand>
  ) => Effect.Effect<ReadonlyArray<Result.Result<unknown, RedisFailure>>, RedisFailure>
}

const failures = Metric.counter("relaymill_redis_failures_total", {
  description: "Calls to Redis that failed, by kind of failure",
  incremental: true
})

const counted = (failure: RedisFailure) => Metric.update(Metric.withAttributes(failures, { reason: failure.kind }), 1)

/** Calls over `client`, each within `timeout`. `refusal` says why it is not connected, if that is known. */
export const makeLink = (
  client: RedisClient,
  timeout: Duration.Duration,
  deadlines: Roster<Deadline>,
  refusal: () => RedisFailure | undefined
): RedisLink => {
  const within = bounded(Duration.toMillis(timeout), deadlines)

  /** A known reason (wrong password, untrusted certificate) says more than that there is no connection. */
  const because = (failure: RedisFailure): RedisFailure => {
    const known = failure.kind === "unavailable" && client.status !== "ready" ? refusal() : undefined
    return known === undefined
      ? failure
      : new RedisFailure({ kind: known.kind, command: failure.command, detail: known.detail })
  }

  const gather = gatherWrites(client)
  const attempt = (sent: RedisCommand, replyEncoding: "utf8" | null) =>
    within(nameOf(sent), async (): Promise<unknown> => {
      gather()
      // By itself each command follows the redirections of a cluster; a pipeline does only as a whole.
      return client.sendCommand(new Command(sent.name, sent.args.map(toArgument), { replyEncoding }))
    })
  const send = (sent: RedisCommand, replyEncoding: "utf8" | null) =>
    attempt(sent, replyEncoding).pipe(
      Effect.catchIf(
        (failure) => failure.kind === "noscript" && sent.script !== undefined,
        () => attempt(withText(sent, sent.script), replyEncoding)
      ),
      Effect.mapError(because),
      Effect.tapError(counted)
    )

  const exchange = (commands: ReadonlyArray<RedisCommand>) =>
    within("pipeline", async () => {
      gather()
      const pipeline = client.pipeline()
      for (const { name, args } of commands) pipeline.callBuffer(name, args.map(toArgument))
      return (await pipeline.exec()) ?? []
    }).pipe(
      Effect.map((replies) =>
        commands.map((sent, index): Result.Result<unknown, RedisFailure> => {
          const [error, value] = replies[index] ?? [new Error("Connection is closed."), undefined]
          return error === null || error === undefined
            ? Result.succeed(value)
            : Result.fail(because(redisFailure(nameOf(sent), error)))
        })
      ),
      Effect.mapError(because)
    )

  return {
    call: (name, ...args) => send({ name, args }, "utf8"),
    callBytes: (name, ...args) => send({ name, args }, null),
    run: (script, keys, args) => send(scriptCommand(script, keys, args), null),
    pipeline: Effect.fnUntraced(function* (commands) {
      if (commands.length === 0) return []
      const results = [...(yield* exchange(commands))]
      const unknown = results.flatMap((result, index) => (isNoScript(result) ? [index] : []))
      if (unknown.length > 0) {
        const again = yield* exchange(
          unknown.flatMap((index) => {
            const sent = commands[index]
            return sent === undefined ? [] : [withText(sent, sent.script)]
          })
        )
        for (const [position, index] of unknown.entries()) {
          const result = again[position]
          if (result !== undefined) results[index] = result
        }
      }
      for (const result of results) if (Result.isFailure(result)) yield* counted(result.failure)
      return results
    }, Effect.tapError(counted))
  }
}

/**
 * Makes the calls of one turn of the event loop share a write. Not ioredis's auto-pipelining: that holds the next batch
 * back until the last one is answered, fails as a whole when a cluster moves a slot, and cannot return bytes from `call`.
 */
const gatherWrites = (client: RedisClient): (() => void) => {
  const corked: Array<{ readonly uncork: () => void }> = []
  const flush = () => {
    for (const stream of corked.splice(0)) stream.uncork()
  }
  return () => {
    if (corked.length > 0) return
    for (const { stream } of mastersOf(client)) {
      if (stream === undefined || stream.destroyed) continue
      stream.cork()
      corked.push(stream)
    }
    setImmediate(flush)
  }
}

/** The same call with the text of the script, which makes the server keep it. */
const withText = (sent: RedisCommand, script: RedisScript | undefined): RedisCommand =>
  script === undefined ? sent : { name: "eval", args: [script.lua, ...sent.args.slice(1)], script }

const isNoScript = (result: Result.Result<unknown, RedisFailure>) =>
  Result.isFailure(result) && result.failure.kind === "noscript"

const nameOf = (sent: RedisCommand): string => (sent.script === undefined ? sent.name : `script ${sent.script.name}`)

const toArgument = (value: RedisArgument): string | number | Buffer =>
  typeof value === "string" || typeof value === "number"
    ? value
    : typeof value === "bigint"
      ? value.toString()
      : Buffer.isBuffer(value)
        ? value
        : Buffer.from(value.buffer, value.byteOffset, value.byteLength)

/** Awaits a promise of the client for at most `millis`. What it settles to later is nobody's. */
export const bounded =
  (millis: number, deadlines: Roster<Deadline>) =>
  <A>(name: string, attempt: () => Promise<A>): Effect.Effect<A, RedisFailure> =>
    Clock.clockWith((clock) =>
      Effect.callback<A, RedisFailure>((resume) => {
        const deadline: Deadline = {
          at: monotonicMillisOf(clock) + millis,
          expire: () =>
            resume(
              Effect.fail(new RedisFailure({ kind: "timeout", command: name, detail: `no reply within ${millis} ms` }))
            ),
          place: -1
        }
        deadlines.add(deadline)
        const fail = (error: unknown) => {
          deadlines.delete(deadline)
          resume(Effect.fail(redisFailure(name, error)))
        }
        try {
          attempt().then((value) => {
            deadlines.delete(deadline)
            resume(Effect.succeed(value))
          }, fail)
        } catch (error) {
          fail(error)
        }
        return Effect.sync(() => deadlines.delete(deadline))
      })
    )
