/**
 * The connections of one process to one Redis deployment. The layer waits a moment for the first connection and goes on
 * without: while Redis is away every call fails at once, and connections come back by themselves.
 */
import type { Redis } from "ioredis"
import { Context, Duration, Effect, Layer, Random, Schedule, type Scope, Semaphore, type Stream } from "effect"
import { COARSE_STEP, watchDeadlines } from "../../domain/lifecycle/Deadlines.ts"
import { type ConnectionState, type Reconnected, watchConnection } from "./ConnectionWatch.ts"
import { type ClientPurpose, makeClient, makeSingleClient } from "./RedisClients.ts"
import { RedisFailure, redisFailure } from "./RedisFailure.ts"
import { bounded, makeLink, type RedisLink } from "./RedisLink.ts"
import { makeNames, type RedisNames, type RedisTopology } from "./RedisNames.ts"
import {
  knowsCommand,
  mastersOf,
  nodeName,
  readInfo,
  type RedisClient,
  scanKeys,
  type ServerInfo
} from "./RedisServers.ts"
import type { RedisSettings } from "./RedisSettings.ts"

/** Connections, what they lead to, and their changes. */
export class RedisConnections extends Context.Service<
  RedisConnections,
  {
    readonly topology: RedisTopology
    readonly names: RedisNames
    /** Longest wait for a reply. */
    readonly commandTimeout: Duration.Duration
    /** For everything but commits; calls of one turn of the event loop share a write. */
    readonly commands: RedisLink
    /** For fenced commits: nothing else delays them. */
    readonly commits: RedisLink
    /**
     * A connection of its own for reads that block up to `longest`, named for CLIENT LIST. Fails `unavailable` when
     * none is free within the pool's time-out or Redis is away; comes back by itself afterwards.
     */
    readonly blocking: (name: string, longest: Duration.Duration) => Effect.Effect<RedisLink, RedisFailure, Scope.Scope>
    /** A connected client of one server for subscriptions; it ends with its connection. On a cluster of any master. */
    readonly subscriber: Effect.Effect<Redis, RedisFailure, Scope.Scope>
    /** Fails unless Redis answers now; then with the reason if one is known. */
    readonly ping: Effect.Effect<void, RedisFailure>
    /** Of the connection of `commands`. */
    readonly state: Effect.Effect<ConnectionState>
    /** Reconnects of `commands` from now on; a slow reader misses the oldest. */
    readonly reconnects: Stream.Stream<Reconnected>
    /** Whether every master knows a command, by `COMMAND INFO`; asked again when the servers are others. */
    readonly supports: (command: string) => Effect.Effect<boolean, RedisFailure>
    /** `INFO` of each master by its address; of all sections if none is named. */
    readonly info: (...sections: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, ServerInfo>, RedisFailure>
    /** Keys of all masters that match a pattern, ascending. Looks at every key in small steps: not for the hot path. */
    readonly search: (pattern: string) => Effect.Effect<ReadonlyArray<string>, RedisFailure>
    /** One command to each master, by its address: what has no key, such as `CONFIG GET`. */
    readonly callEach: (
      name: string,
      ...args: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, unknown>, RedisFailure>
  }
>()("relaymill/adapters/redis/RedisConnections") {}

/** Longest wait of the layer for the first connection. */
const FIRST_CONNECTION = Duration.seconds(5)

/** Longest wait for a connection that is opened later. */
const LATER_CONNECTION = Duration.seconds(5)

/** How often the layer looks whether it is connected. */
const connectionPoll = Schedule.spaced("5 millis")

/** Connections that are always open. */
const SHARED_CONNECTIONS = 2

/** Connections for these settings. Never fails: `ping` says whether Redis is there. */
export const layer = (settings: RedisSettings): Layer.Layer<RedisConnections> =>
  Layer.effect(RedisConnections, make(settings))

const topologies = { Standalone: "standalone", Sentinel: "sentinel", Cluster: "cluster" } as const

const make = Effect.fnUntraced(function* (settings: RedisSettings) {
  const { commandTimeout } = settings
  const topology = topologies[settings.address._tag]
  const deadlines = yield* watchDeadlines(COARSE_STEP)
  const within = bounded(Duration.toMillis(commandTimeout), deadlines)
  const spare = yield* Semaphore.make(Math.max(1, settings.poolSize - SHARED_CONNECTIONS))
  const silence = Duration.times(commandTimeout, 2)
  const supported = new Map<string, boolean>()
  let refusal: RedisFailure | undefined

  /** A client with its own end. Without a listener ioredis prints errors itself. */
  const held = <Client extends RedisClient>(open: () => Client) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const client = open()
        const refused = (error: unknown) => void (refusal = redisFailure("connect", error))
        client.on("error", refused)
        client.on("node error", refused)
        client.on("ready", () => void (refusal = undefined))
        return client
      }),
      (client) => Effect.sync(() => client.disconnect())
    )
  const open = (purpose: ClientPurpose) =>
    Effect.tap(
      held(() => makeClient(settings, purpose)),
      (client) => Effect.forkScoped(revived(client))
    )
  const link = (client: RedisClient, timeout = commandTimeout) => makeLink(client, timeout, deadlines, () => refusal)
  const reached = (client: RedisClient) =>
    bounded(Duration.toMillis(LATER_CONNECTION), deadlines)("connect", () => client.connect())
  const permit = (name: string) =>
    Effect.acquireRelease(
      Effect.timeoutOrElse(spare.take(1), {
        duration: settings.poolTimeout,
        orElse: () => Effect.fail(poolExhausted(name, settings.poolSize))
      }),
      () => spare.release(1),
      { interruptible: true }
    )
  const each = <A>(ask: (node: Redis) => Effect.Effect<A, RedisFailure>) =>
    Effect.map(
      Effect.forEach(mastersOf(main), (node) => Effect.map(ask(node), (answer) => [nodeName(node), answer] as const)),
      (entries): ReadonlyMap<string, A> => new Map(entries)
    )

  /** A wrong password or certificate does not become right by waiting. */
  const isHopeless = () => refusal?.kind === "auth" || refusal?.kind === "tls"
  const main = yield* open({ name: "commands", silence })
  const commits = yield* open({ name: "commits", silence })
  const watch = yield* watchConnection(
    main,
    within,
    () => refusal,
    () => supported.clear()
  )
  yield* Effect.timeoutOption(
    Effect.all([connected(main, isHopeless), connected(commits, isHopeless)], { concurrency: 2 }),
    FIRST_CONNECTION
  )

  const commands = link(main)
  return RedisConnections.of({
    topology,
    names: makeNames(settings.namespace, topology),
    commandTimeout,
    commands,
    commits: link(commits),
    blocking: Effect.fnUntraced(function* (name, longest) {
      yield* permit(name)
      const timeout = Duration.sum(longest, commandTimeout)
      const client = yield* open({ name, silence: Duration.sum(timeout, commandTimeout) })
      yield* reached(client)
      yield* Effect.timeoutOption(
        reachedAll(client, () => client.status === "end"),
        LATER_CONNECTION
      )
      return link(client, timeout)
    }),
    subscriber: Effect.gen(function* () {
      yield* permit("subscriber")
      const purpose = { name: "subscriber", silence }
      const [node] = yield* Random.shuffle(mastersOf(main))
      const client = yield* held(() => makeSingleClient(settings, purpose, node?.options))
      yield* reached(client)
      return client
    }),
    ping: Effect.asVoid(commands.call("ping")),
    state: Effect.sync(watch.state),
    reconnects: watch.reconnects,
    supports: Effect.fnUntraced(function* (name) {
      const before = supported.get(name)
      if (before !== undefined) return before
      const known = yield* knowsCommand(main, within, name)
      supported.set(name, known)
      return known
    }),
    info: (...sections) => each((node) => readInfo(node, within, ...sections)),
    search: (pattern) =>
      Effect.map(
        each((node) => scanKeys(node, within, pattern)),
        (found) => [...found.values()].flat().toSorted()
      ),
    callEach: (name, ...args) => each((node) => within(name, async () => node.call(name, [...args])))
  })
})

/** Begins to connect and waits until that succeeded; ioredis goes on trying when it is interrupted. */
const connected = (client: RedisClient, isHopeless: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => {
    client.connect().catch(() => {})
    return reachedAll(client, isHopeless)
  })

/** Waits until a client has all masters: on a cluster it calls itself ready with the first of them. */
const reachedAll = (client: RedisClient, isHopeless: () => boolean): Effect.Effect<void> => {
  const hasAll = () => client.status === "ready" && mastersOf(client).every(({ status }) => status === "ready")
  const check = Effect.suspend(() => (isHopeless() || hasAll() ? Effect.void : Effect.fail(undefined)))
  return Effect.ignore(Effect.retry(check, connectionPoll))
}

/** Pause before a client that gave up begins anew. */
const REVIVAL = Duration.millis(200)

/**
 * Makes a client that gave up for good begin anew. ioredis does so when a sentinel announces another master while the
 * client is looking for one: what should have hastened its connection ends it.
 */
const revived = (client: RedisClient): Effect.Effect<never> =>
  Effect.callback<void>((resume) => {
    const ended = () => resume(Effect.void)
    if (client.status === "end") return ended()
    client.once("end", ended)
    return Effect.sync(() => void client.off("end", ended))
  }).pipe(
    Effect.andThen(Effect.sleep(REVIVAL)),
    Effect.andThen(Effect.sync(() => void client.connect().catch(() => {}))),
    Effect.forever
  )

const poolExhausted = (name: string, poolSize: number) =>
  new RedisFailure({
    kind: "unavailable",
    command: `connection ${name}`,
    detail: `all ${poolSize} connections are in use; raise redis.pool_size`
  })
