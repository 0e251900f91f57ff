/** Fences of many idle suppliers, looked at together. */
import { Effect, Result, type Scope } from "effect"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import type { StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import { gathered } from "./GatheredCalls.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { itemsOf, textOf, unavailable } from "./StoreReplies.ts"

/** Fails with `LeaseLost` unless the lease's nonce is the fence some milliseconds from now. */
export type FenceCheck = (lease: Lease) => Effect.Effect<void, LeaseLost | StoreUnavailable>

/** Looks for the present scope. */
export const makeFenceChecks: Effect.Effect<FenceCheck, never, RedisConnections | Scope.Scope> = Effect.gen(
  function* () {
    const { commands, names, topology } = yield* RedisConnections
    return yield* gathered((leases: ReadonlyArray<Lease>) => {
      const keys = leases.map(({ supplier }) => names.fence(supplier))
      const nonces =
        topology === "cluster"
          ? Effect.forEach(keys, (key) => commands.callBytes("get", key), { concurrency: "unbounded" })
          : Effect.map(commands.callBytes("mget", ...keys), itemsOf)
      return nonces.pipe(
        Effect.mapError(unavailable("deliveries")),
        Effect.map((found) =>
          leases.map(({ nonce, owner, supplier }, index) =>
            textOf(found[index]) === nonce ? Result.void : Result.fail(new LeaseLost({ supplier, owner }))
          )
        )
      )
    })
  }
)
