/**
 * `Leases` in the thread that has the database. Fences live in its memory, beside the data they protect, and end with the
 * process: whoever opens the file next is alone and owes nobody a wait. Epochs are stored.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Duration, Effect, Layer, Option, Result } from "effect"
import { Entropy } from "../../domain/ports/Entropy.ts"
import { LeaseLost, Leases, LeasesUnavailable } from "../../domain/ports/Leases.ts"
import { LEASE_TTL } from "../../domain/supplier/FleetTimes.ts"
import { SqliteStores } from "./SqliteStores.ts"

/** Bytes of a nonce: two acquisitions never share one. */
const NONCE_BYTES = 16

/** Leases that last `ttl` from acquisition or renewal. */
export const layerWith = (ttl: Duration.Duration): Layer.Layer<Leases, never, SqliteStores | Entropy> =>
  Layer.effect(
    Leases,
    Effect.gen(function* () {
      const { call } = yield* SqliteStores
      const entropy = yield* Entropy
      const life = Duration.toMillis(ttl)
      const unavailable = (operation: LeasesUnavailable["operation"]) => (cause: unknown) =>
        new LeasesUnavailable({ operation, cause })
      return Leases.of({
        ttl,
        acquire: (supplier, owner) =>
          Effect.gen(function* () {
            const nonce = bytesToHex(yield* entropy.bytes(NONCE_BYTES))
            const { value: epoch } = yield* Effect.mapError(
              call("acquire", { supplier, nonce, life }),
              unavailable("acquire")
            )
            return epoch === null ? Option.none() : Option.some({ supplier, nonce, owner, epoch })
          }),
        renew: (leases) =>
          call("renew", { leases: leases.map(({ nonce, supplier }) => ({ supplier, nonce })), life }).pipe(
            Effect.map(({ value: kept }) =>
              leases.map(({ owner, supplier }, index) =>
                kept[index] === true ? Result.void : Result.fail(new LeaseLost({ supplier, owner }))
              )
            ),
            Effect.mapError(unavailable("renew"))
          ),
        release: ({ nonce, supplier }) =>
          call("release", { supplier, nonce }).pipe(Effect.mapError(unavailable("release")), Effect.asVoid),
        announce: (owner) =>
          call("announce", { owner, life }).pipe(Effect.mapError(unavailable("announce")), Effect.asVoid),
        withdraw: (owner) => call("withdraw", { owner }).pipe(Effect.mapError(unavailable("withdraw")), Effect.asVoid),
        replicas: call("replicas", {}).pipe(
          Effect.mapError(unavailable("replicas")),
          Effect.map(({ value }) => value)
        )
      })
    })
  )

/** Leases of 12 s. */
export const layer = layerWith(LEASE_TTL)
