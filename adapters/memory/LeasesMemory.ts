/** `Leases` over the shared memory stores: the fence lies beside the supplier's data. */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Duration, Effect, Layer, Option, Result } from "effect"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { Entropy } from "../../domain/ports/Entropy.ts"
import { type Lease, LeaseLost, Leases } from "../../domain/ports/Leases.ts"
import { LEASE_TTL } from "../../domain/supplier/FleetTimes.ts"
import { currentFence, living, MemoryStores } from "./MemoryStores.ts"

/** Bytes of a nonce: two acquisitions never share one. */
const NONCE_BYTES = 16

/** Leases that last `ttl` from acquisition or renewal. */
export const layerWith = (ttl: Duration.Duration) =>
  Layer.effect(
    Leases,
    Effect.gen(function* () {
      const stores = yield* MemoryStores
      const entropy = yield* Entropy
      const ttlMillis = Duration.toMillis(ttl)
      const owned = (lease: Lease, now: number) => {
        const fence = currentFence(stores.suppliers.get(lease.supplier), now)
        return fence?.nonce === lease.nonce ? fence : undefined
      }
      return Leases.of({
        ttl,
        acquire: (address, owner) =>
          Effect.gen(function* () {
            const nonce = bytesToHex(yield* entropy.bytes(NONCE_BYTES))
            const now = yield* monotonicMillis
            const supplier = stores.supplier(address)
            if (currentFence(supplier, now) !== undefined) return Option.none<Lease>()
            supplier.epoch++
            supplier.fence = { nonce, owner, epoch: supplier.epoch, expiresAt: now + ttlMillis }
            return Option.some({ supplier: address, nonce, owner, epoch: supplier.epoch })
          }),
        renew: (leases) =>
          Effect.map(monotonicMillis, (now) =>
            leases.map((lease) => {
              const fence = owned(lease, now)
              if (fence === undefined)
                return Result.fail(new LeaseLost({ supplier: lease.supplier, owner: lease.owner }))
              fence.expiresAt = now + ttlMillis
              return Result.void
            })
          ),
        release: (lease) =>
          Effect.map(monotonicMillis, (now) => {
            if (owned(lease, now) !== undefined) stores.supplier(lease.supplier).fence = undefined
          }),
        announce: (owner) =>
          Effect.map(monotonicMillis, (now) => {
            living(stores.replicas, now)
            stores.replicas.set(owner, { value: true, expiresAt: now + ttlMillis })
          }),
        withdraw: (owner) => Effect.sync(() => void stores.replicas.delete(owner)),
        replicas: Effect.map(monotonicMillis, (now) => [...living(stores.replicas, now).keys()].sort())
      })
    })
  )

/** Leases of 12 s. */
export const layer = layerWith(LEASE_TTL)
