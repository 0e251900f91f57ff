/**
 * Looks at the servers as an operator would: eviction, persistence, memory, version, role, permissions. Works where
 * CONFIG is forbidden, as with most providers: `INFO` tells enough. For the start, `/ready` and metrics.
 */
import { Context, Duration, Effect, Layer, Ref } from "effect"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { fullness, memoryOf } from "./MemoryPressure.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { describeFinding, OLDEST_VERSION, repairOf, RedisFinding, severityOf } from "./RedisFindings.ts"
import { forbiddenCommands } from "./RedisPermissions.ts"
import type { ServerInfo } from "./RedisServers.ts"

/** The state of the servers. */
export class RedisHealth extends Context.Service<
  RedisHealth,
  {
    /** Looks now. Empty when all is well. */
    readonly look: Effect.Effect<ReadonlyArray<RedisFinding>>
    /** What the last look found; looked at each half minute. */
    readonly findings: Effect.Effect<ReadonlyArray<RedisFinding>>
  }
>()("relaymill/adapters/redis/RedisHealth") {}

/** Pause between two looks. */
const LOOK = Duration.seconds(30)

/** Share of `maxmemory` above which an operator hears of it; appends are refused a little above. */
const NEARLY_FULL = 0.55

/** Looks at the start, then each half minute; logs what is new. Never fails. */
export const layer = Layer.effect(
  RedisHealth,
  Effect.gen(function* () {
    const connections = yield* RedisConnections
    const last = yield* Ref.make<ReadonlyArray<RedisFinding>>([])
    let memory: ServerInfo | undefined

    const permissions = Effect.gen(function* () {
      const commands = yield* forbiddenCommands
      if (commands.length === 0) return []
      const user = yield* Effect.orElseSucceed(connections.commands.call("acl", "whoami"), () => "<user>")
      return [RedisFinding.cases.Forbidden.make({ user: String(user), commands })]
    }).pipe(
      Effect.provideService(RedisConnections, connections),
      Effect.orElseSucceed((): ReadonlyArray<RedisFinding> => [])
    )

    /** `INFO` is refused or nobody answers. */
    const withoutInfo = connections.ping.pipe(
      Effect.as<ReadonlyArray<RedisFinding>>([
        RedisFinding.cases.Unknown.make({ server: "redis", what: "+info", detail: "the user may not use INFO" })
      ]),
      Effect.catch((failure) => Effect.succeed([RedisFinding.cases.Unreachable.make({ detail: failure.message })])),
      Effect.flatMap((found) => Effect.map(permissions, (forbidden) => [...found, ...forbidden]))
    )

    const look = Effect.gen(function* () {
      const answer = yield* Effect.exit(connections.info())
      if (answer._tag === "Failure") return yield* withoutInfo
      const found: Array<RedisFinding> = []
      let fullest: ServerInfo | undefined
      for (const [server, info] of answer.value) {
        found.push(...inspect(server, info))
        if (fullest === undefined || fullness(memoryOf(info)) > fullness(memoryOf(fullest))) fullest = info
      }
      memory = fullest
      return [...found, ...(yield* permissions)]
    })

    const remember = Effect.gen(function* () {
      const found = yield* look
      const before = new Set((yield* Ref.getAndSet(last, found)).map(describeFinding))
      for (const finding of found) {
        const text = describeFinding(finding)
        if (before.has(text)) continue
        const log = severityOf(finding) === "error" ? Effect.logError : Effect.logWarning
        yield* log(`redis: ${text}; ${repairOf(finding)}`)
      }
    })

    yield* fillGauge(
      "ha_miner_redis_used_memory_bytes",
      "Memory that the fullest Redis master uses",
      () => memoryOf(memory ?? new Map())?.used ?? 0
    )
    yield* fillGauge(
      "ha_miner_redis_max_memory_bytes",
      "Memory that the fullest Redis master may use; 0 without limit",
      () => memoryOf(memory ?? new Map())?.most ?? 0
    )
    yield* fillGauge(
      "ha_miner_redis_memory_usage_ratio",
      "Share of its memory that the fullest Redis master uses; 0 without limit",
      () => fullness(memoryOf(memory ?? new Map()))
    )
    for (const tag of Object.keys(RedisFinding.cases)) {
      yield* fillGauge(
        "relaymill_redis_findings",
        "What is wrong with the Redis servers, by kind of finding; each is logged with its repair",
        () => Ref.getUnsafe(last).filter(({ _tag }) => _tag === tag).length,
        { reason: tag }
      )
    }
    yield* remember
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(LOOK), remember)))
    return RedisHealth.of({ look, findings: Ref.get(last) })
  })
)

/** Findings from the `INFO` of one server. */
export const inspect = (server: string, info: ServerInfo): ReadonlyArray<RedisFinding> => {
  const { Evicts, IsReplica, MemoryNearFull, NotPersistent, PersistenceFails, TooOld } = RedisFinding.cases
  const found: Array<RedisFinding> = []
  const policy = info.get("maxmemory_policy")
  if (policy !== undefined && policy !== "noeviction") found.push(Evicts.make({ server, policy }))
  if (info.get("role") === "slave") found.push(IsReplica.make({ server }))
  // Valkey tells the Redis version that it is compatible with, which is what is asked here.
  const version = info.get("redis_version") ?? ""
  if (isOlder(version)) found.push(TooOld.make({ server, version }))
  if (info.get("aof_enabled") === "0") found.push(NotPersistent.make({ server }))
  for (const what of ["aof_last_bgrewrite_status", "aof_last_write_status", "rdb_last_bgsave_status"]) {
    if (info.get(what) === "err") found.push(PersistenceFails.make({ server, what }))
  }
  const memory = memoryOf(info)
  if (memory !== undefined && fullness(memory) > NEARLY_FULL) found.push(MemoryNearFull.make({ server, ...memory }))
  return found
}

const isOlder = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1])
}
