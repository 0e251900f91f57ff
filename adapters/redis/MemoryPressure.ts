/** How full the memory of the servers is, read every second or two, so that nobody writes until they refuse everything. */
import { Duration, Effect, Ref, type Scope } from "effect"
import { RedisConnections } from "./RedisConnections.ts"
import type { ServerInfo } from "./RedisServers.ts"

/** Memory of the fullest master, in bytes. */
export interface ServerMemory {
  readonly used: number
  /** `maxmemory`; 0 means no limit. */
  readonly most: number
}

/** Pause between two readings. */
const READING = Duration.seconds(2)

/** Memory by one server's `INFO`; nothing where it does not tell. */
export const memoryOf = (info: ServerInfo): ServerMemory | undefined => {
  const used = Number(info.get("used_memory") ?? "")
  const most = Number(info.get("maxmemory") ?? "")
  return info.has("used_memory") && Number.isFinite(used) && Number.isFinite(most) ? { used, most } : undefined
}

/** Share of the limit that is used; 0 without a limit. */
export const fullness = (memory: ServerMemory | undefined): number =>
  memory === undefined || memory.most === 0 ? 0 : memory.used / memory.most

/** Follows the fullest master until the scope ends. What cannot be read (no right to `INFO`) counts as unknown. */
export const watchMemory: Effect.Effect<() => ServerMemory | undefined, never, RedisConnections | Scope.Scope> =
  Effect.gen(function* () {
    const { info } = yield* RedisConnections
    const fullest = yield* Ref.make<ServerMemory | undefined>(undefined)
    const read = info("memory").pipe(
      Effect.map((servers) =>
        [...servers.values()]
          .map(memoryOf)
          .reduce((most, each) => (fullness(each) > fullness(most) || most === undefined ? each : most), undefined)
      ),
      Effect.flatMap((found) => Ref.set(fullest, found)),
      Effect.ignore
    )
    yield* read
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(READING), read)))
    return () => Ref.getUnsafe(fullest)
  })
