/** Who owns which supplier and who leads, as Redis says, with the moments at which that changed. */
import { Redis } from "ioredis"
import { Effect, type Scope } from "effect"
import { defaultNamespace, type RedisAddress } from "../../adapters/redis/RedisSettings.ts"
import { makeNames } from "../../adapters/redis/RedisNames.ts"

/** A supplier's fence changed; no owner: the lease is gone. */
export interface Ownership {
  readonly supplier: string
  readonly owner: string | undefined
  /** Nonce of the lease. */
  readonly fence: string | undefined
  /** Unix milliseconds. */
  readonly at: number
}

/** What was seen so far. */
export interface FleetWatch {
  readonly changes: () => ReadonlyArray<Ownership>
  /** Present owner of each supplier. */
  readonly owners: () => ReadonlyMap<string, string>
  /** Id of the leader, and since when. */
  readonly leader: () => { readonly id: string | undefined; readonly at: number }
}

/** Between looks. */
const LOOK_MILLIS = 15

export const names = makeNames(defaultNamespace, "standalone")

/** Looks until the scope ends; while Redis is away nothing is seen. */
export const watchFleet = (
  suppliers: ReadonlyArray<string>,
  address: RedisAddress
): Effect.Effect<FleetWatch, never, Scope.Scope> =>
  Effect.gen(function* () {
    const options = {
      protocol: 2 as const, // one of two numbers
      retryStrategy: () => 50,
      sentinelRetryStrategy: () => 50,
      maxRetriesPerRequest: 0,
      commandTimeout: 1_000,
      enableOfflineQueue: false
    }
    const client = yield* Effect.acquireRelease(
      Effect.sync(() =>
        (address._tag === "Sentinel"
          ? new Redis({ ...options, sentinels: [...address.sentinels], name: address.master })
          : new Redis({ ...options, ...(address._tag === "Standalone" ? address.host : address.nodes[0]) })
        ).on("error", () => {})
      ),
      (open) => Effect.sync(() => open.disconnect())
    )
    const changes: Array<Ownership> = []
    const fences = new Map<string, string | undefined>()
    const owners = new Map<string, string>()
    let leader: { readonly id: string | undefined; readonly at: number } = { id: undefined, at: Date.now() }
    const look = Effect.promise(async () => {
      try {
        const found = await client.mget(names.globalLeader, ...suppliers.map((supplier) => names.fence(supplier)))
        const at = Date.now()
        const [leaderId, ...nonces] = found
        if ((leaderId ?? undefined) !== leader.id) leader = { id: leaderId ?? undefined, at }
        for (const [index, supplier] of suppliers.entries()) {
          const fence = nonces[index] ?? undefined
          if (fence === fences.get(supplier)) continue
          const owner =
            fence === undefined ? undefined : ((await client.hget(names.epoch(supplier), "owner")) ?? undefined)
          fences.set(supplier, fence)
          if (owner === undefined) owners.delete(supplier)
          else owners.set(supplier, owner)
          changes.push({ supplier, owner, fence, at })
        }
      } catch {
        // Away: what changed meanwhile is seen later.
      }
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(LOOK_MILLIS))))
    return { changes: () => changes, owners: () => owners, leader: () => leader }
  })
