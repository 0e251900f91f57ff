/**
 * The list of suppliers that miners keep for whoever looks at the fleet: one JSON text for each, an index, and a message
 * about each change, as the Go fleet has them. Nothing depends on it.
 */
import { Clock, Duration, Effect, Metric } from "effect"
import { Broadcast } from "../ports/Broadcast.ts"
import { SharedCache, type SharedCacheUnavailable } from "../ports/SharedCache.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"

/** Set of the addresses listed. */
const INDEX = "suppliers:index"
/** Channel of the changes. */
const UPDATES = "events:supplier_update"

const updates = Metric.counter("ha_miner_supplier_registry_updates_total", {
  description: "Changes of the list of suppliers by this replica: add, update, draining, remove",
  incremental: true
})

/** What happens to a supplier. Source: the Go relay miner's `miner/supplier_registry.go`. */
export type RegistryAction = "add" | "update" | "draining" | "remove"

/** A change of the list. */
export interface RegistryUpdate {
  readonly action: RegistryAction
  readonly supplier: SupplierAddress
  /** Service ids, where they are known; `null` in the text otherwise, as in Go. */
  readonly services?: ReadonlyArray<string>
  /** Why, for `draining` and `remove`. */
  readonly reason?: string
}

/** Key of a supplier's text. */
export const registryKey = (supplier: string): string => `suppliers:${supplier}`

/** Addresses listed now, of every replica. */
export const listedSuppliers: Effect.Effect<
  ReadonlyArray<string>,
  SharedCacheUnavailable,
  SharedCache
> = SharedCache.use((cache) => cache.members(INDEX))

/** Lists the supplier as the action says, without end, and tells who listens. Repeatable. */
export const updateRegistry = Effect.fnUntraced(function* ({
  action,
  supplier,
  services,
  reason
}: RegistryUpdate): Effect.fn.Return<void, SharedCacheUnavailable, Broadcast | SharedCache> {
  const cache = yield* SharedCache
  const broadcast = yield* Broadcast
  if (action === "remove") {
    yield* cache.remove(registryKey(supplier))
    yield* cache.changeMembers(INDEX, { add: [], remove: [supplier] })
  } else {
    const updatedAt = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
    const text = JSON.stringify({
      operator_addr: supplier,
      services: services ?? null,
      status: action === "draining" ? "draining" : "active",
      updated_at: updatedAt
    })
    yield* cache.set(registryKey(supplier), new TextEncoder().encode(text), Duration.infinity)
    if (action !== "draining") yield* cache.changeMembers(INDEX, { add: [supplier], remove: [] })
  }
  const event = JSON.stringify({
    action,
    operator_addr: supplier,
    ...(services !== undefined && services.length > 0 && { services }),
    ...(reason !== undefined && { reason })
  })
  // Whoever missed it finds the list.
  yield* Effect.ignore(broadcast.publish(UPDATES, event))
  yield* Metric.update(Metric.withAttributes(updates, { action }), 1)
})
