/** Fences of many idle suppliers, looked at together: what asks within a few milliseconds shares one read. */
import { Duration, Effect, Queue, type Scope } from "effect"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import type { StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisFailure } from "./RedisFailure.ts"
import { itemsOf, textOf, unavailable } from "./StoreReplies.ts"

/** How long a look waits for others to share it. */
const GATHER = Duration.millis(10)

/** Fences of one read. */
const AT_ONCE = 500

/** Fails with `LeaseLost` unless the lease's nonce is the fence some milliseconds from now. */
export type FenceCheck = (lease: Lease) => Effect.Effect<void, LeaseLost | StoreUnavailable>

interface Asked {
  readonly lease: Lease
  readonly answer: (outcome: Effect.Effect<void, LeaseLost | StoreUnavailable>) => void
}

/** Looks for the present scope. */
export const makeFenceChecks: Effect.Effect<FenceCheck, never, RedisConnections | Scope.Scope> = Effect.gen(
  function* () {
    const { commands, names, topology } = yield* RedisConnections
    const asked: Array<Asked> = []
    const wake = yield* Queue.sliding<void>(1)

    /** Nonces in force, in order. */
    const read = (all: ReadonlyArray<Asked>): Effect.Effect<ReadonlyArray<unknown>, RedisFailure> => {
      const keys = all.map(({ lease }) => names.fence(lease.supplier))
      return topology === "cluster"
        ? Effect.forEach(keys, (key) => commands.callBytes("get", key), { concurrency: "unbounded" })
        : Effect.map(commands.callBytes("mget", ...keys), itemsOf)
    }

    const answerAll = Effect.gen(function* () {
      if (asked.length === 0) yield* Queue.take(wake)
      yield* Effect.sleep(GATHER)
      const all = asked.splice(0, AT_ONCE)
      if (all.length === 0) return
      const nonces = yield* Effect.result(read(all))
      for (const [index, { lease, answer }] of all.entries()) {
        if (nonces._tag === "Failure") answer(Effect.fail(unavailable("deliveries")(nonces.failure)))
        else if (textOf(nonces.success[index]) === lease.nonce) answer(Effect.void)
        else answer(Effect.fail(new LeaseLost({ supplier: lease.supplier, owner: lease.owner })))
      }
    })
    yield* Effect.forkScoped(Effect.forever(answerAll))

    return (lease) =>
      Effect.callback<void, LeaseLost | StoreUnavailable>((answer) => {
        asked.push({ lease, answer })
        Queue.offerUnsafe(wake, undefined)
      })
  }
)
