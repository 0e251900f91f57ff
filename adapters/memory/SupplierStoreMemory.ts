/** `SupplierStore` over the shared memory stores. Every write checks the fence and takes effect in one turn. */
import { Duration, Effect, Layer, Option, Result } from "effect"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import { CommitRefused, type Delivery, IntentRefused, SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../domain/protocol/Identifiers.ts"
import { bytesEqual } from "../../domain/smst/TrieSpec.ts"
import type { MemoryLog } from "./MemoryLog.ts"
import {
  apply,
  emptySession,
  encodingOf,
  leavesOf,
  putNode,
  refusal,
  removeNodes,
  removeTrie,
  snapshot
} from "./MemorySession.ts"
import { currentFence, living, MemoryStores, type MemorySupplier, SET_ASIDE_LIMIT } from "./MemoryStores.ts"

/** Over `MemoryStores`. Every write compares the fence in the turn in which it takes effect. */
export const layer = Layer.effect(
  SupplierStore,
  Effect.gen(function* () {
    const stores = yield* MemoryStores

    /** Runs `write` in the turn in which the fence was compared: a fiber may be set aside between two effects. */
    const fencedResult = <A, E>(lease: Lease, write: (supplier: MemorySupplier) => Result.Result<A, E>) =>
      Effect.flatMap(monotonicMillis, (now): Effect.Effect<A, E | LeaseLost> => {
        const supplier = stores.suppliers.get(lease.supplier)
        return supplier !== undefined && currentFence(supplier, now)?.nonce === lease.nonce
          ? Effect.fromResult(write(supplier))
          : Effect.fail(new LeaseLost({ supplier: lease.supplier, owner: lease.owner }))
      })

    const fenced = <A>(lease: Lease, write: (supplier: MemorySupplier) => A) =>
      fencedResult(lease, (supplier) => Result.succeed(write(supplier)))

    const sessionOf = (supplier: string, session: string) => stores.suppliers.get(supplier)?.sessions.get(session)

    /** Takes now, or when something comes, but not after `deadline`. */
    const takeUntil = (
      lease: Lease,
      max: number,
      deadline: number
    ): Effect.Effect<ReadonlyArray<Delivery>, LeaseLost> =>
      Effect.gen(function* () {
        for (;;) {
          const taken = yield* fenced(lease, ({ log }) => log.take(lease.nonce, max))
          const left = deadline - (yield* monotonicMillis)
          if (taken.length > 0 || left <= 0 || max <= 0) return taken
          yield* Effect.timeoutOption(arrival(stores.supplier(lease.supplier).log, lease.nonce), Duration.millis(left))
        }
      })

    return SupplierStore.of({
      deliveries: (lease, max, wait) =>
        Effect.flatMap(monotonicMillis, (now) => takeUntil(lease, max, now + Duration.toMillis(wait))),
      redeliver: (lease) => fenced(lease, ({ log }) => log.redeliver(lease.nonce)),
      backlog: (lease) =>
        Effect.map(monotonicMillis, (now) => {
          const log = stores.suppliers.get(lease.supplier)?.log
          return {
            lastGenerated: log?.lastGenerated ?? "0-0",
            lastDelivered: log?.lastDelivered ?? "0-0",
            oldestPending: Option.fromUndefinedOr(log?.oldestPending),
            lowestSpooledSessionEnd: lowest(living(stores.spools, now).values())
          }
        }),
      sessions: (supplier) =>
        Effect.sync(() =>
          [...(stores.suppliers.get(supplier)?.sessions.keys() ?? [])].sort().map((id) => SessionId.make(id))
        ),
      load: (supplier, session) =>
        Effect.sync(() =>
          Option.map(Option.fromUndefinedOr(sessionOf(supplier, session)), (stored) => snapshot(session, stored))
        ),
      readNodes: (supplier, session, digests) =>
        Effect.sync(() => {
          const stored = sessionOf(supplier, session)
          return digests.map((digest) => encodingOf(stored, digest))
        }),
      readLeaves: (supplier, session) => Effect.sync(() => leavesOf(sessionOf(supplier, session))),
      commit: (lease, commit) =>
        fencedResult(lease, ({ log, sessions }) => {
          const session = sessions.get(commit.session) ?? emptySession()
          const reason = refusal(session, commit)
          if (reason !== undefined) {
            return Result.fail(
              new CommitRefused({
                supplier: lease.supplier,
                session: commit.session,
                reason,
                expectedVersion: commit.expectedVersion,
                storedVersion: session.version
              })
            )
          }
          apply(session, commit)
          sessions.set(commit.session, session)
          log.acknowledge(commit.acknowledged)
          return Result.void
        }),
      writeNodes: (lease, session, nodes) =>
        fenced(lease, ({ sessions }) => {
          const stored = sessions.get(session)
          if (stored !== undefined) for (const node of nodes) putNode(stored, node)
        }),
      deleteNodes: (lease, session, digests) =>
        fenced(lease, ({ sessions }) => removeNodes(sessions.get(session), digests)),
      setAside: (lease, deliveries, reason) =>
        fenced(lease, ({ log, setAside }) => {
          for (const delivery of log.acknowledge(deliveries.map(({ id }) => id))) setAside.push({ delivery, reason })
          setAside.splice(0, Math.max(0, setAside.length - SET_ASIDE_LIMIT))
        }),
      saveIntent: (lease, intent) =>
        fencedResult(lease, ({ sessions, intents }) => {
          const unsealed = intent.sessions.find(({ session, root }) => {
            const sealed = sessions.get(session)?.sealedRoot
            return sealed === undefined || !bytesEqual(sealed, root)
          })
          if (unsealed !== undefined) {
            return Result.fail(new IntentRefused({ supplier: lease.supplier, session: unsealed.session }))
          }
          if (!intents.has(intent.txHash)) intents.set(intent.txHash, intent)
          return Result.void
        }),
      intents: (supplier) => Effect.sync(() => [...(stores.suppliers.get(supplier)?.intents.values() ?? [])]),
      dropIntent: (lease, txHash) => fenced(lease, ({ intents }) => void intents.delete(txHash)),
      dropNodes: (lease, session) => fenced(lease, ({ sessions }) => removeTrie(sessions.get(session))),
      forget: (lease, session) => fenced(lease, ({ sessions }) => void sessions.delete(session))
    })
  })
)

/** Completes when the log has something for `nonce`, or at the next append or redelivery. */
const arrival = (log: MemoryLog, nonce: string): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (log.hasFor(nonce)) return resume(Effect.void)
    const withdraw = log.onArrival(() => resume(Effect.void))
    return Effect.sync(withdraw)
  })

const lowest = (heights: Iterable<bigint>): Option.Option<bigint> => {
  let lowest: bigint | undefined
  for (const height of heights) if (lowest === undefined || height < lowest) lowest = height
  return Option.fromUndefinedOr(lowest)
}
