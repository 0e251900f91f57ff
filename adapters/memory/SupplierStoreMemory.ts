/** `SupplierStore` over the shared memory stores. Every write checks the fence and takes effect in one turn. */
import { Clock, Duration, Effect, Layer, Option } from "effect"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import { CommitRefused, IntentRefused, SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../domain/protocol/Identifiers.ts"
import { apply, emptySession, nodeKey, refusal, snapshot } from "./MemorySession.ts"
import { currentFence, living, MemoryStores, type MemorySupplier, SET_ASIDE_LIMIT } from "./MemoryStores.ts"

export const layer = Layer.effect(
  SupplierStore,
  Effect.gen(function* () {
    const stores = yield* MemoryStores

    /** Runs `write` in the turn in which the fence was compared. */
    const fenced = <A, E = never>(lease: Lease, write: (supplier: MemorySupplier) => Effect.Effect<A, E>) =>
      Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<A, E | LeaseLost> => {
        const supplier = stores.supplier(lease.supplier)
        return currentFence(supplier, now)?.nonce === lease.nonce
          ? write(supplier)
          : Effect.fail(new LeaseLost({ supplier: lease.supplier, owner: lease.owner }))
      })

    const nodesOf = (supplier: string, session: string) => stores.supplier(supplier).sessions.get(session)?.nodes

    return SupplierStore.of({
      deliveries: (lease, max, wait) => {
        const take = fenced(lease, (supplier) => Effect.sync(() => supplier.log.take(lease.nonce, max)))
        return Effect.flatMap(take, (taken) =>
          taken.length > 0 || Duration.isZero(wait)
            ? Effect.succeed(taken)
            : arrival(stores.supplier(lease.supplier)).pipe(Effect.timeoutOption(wait), Effect.andThen(take))
        )
      },
      redeliver: (lease) => fenced(lease, (supplier) => Effect.sync(() => supplier.log.release(lease.nonce))),
      backlog: (lease) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const { log } = stores.supplier(lease.supplier)
          return {
            lastGenerated: log.lastGenerated,
            lastDelivered: log.lastDelivered,
            oldestPending: Option.fromUndefinedOr(log.oldestPending),
            lowestSpooledSessionEnd: lowest([...living(stores.spools, now).values()])
          }
        }),
      sessions: (supplier) =>
        Effect.sync(() => [...stores.supplier(supplier).sessions.keys()].sort().map((id) => SessionId.make(id))),
      load: (supplier, session) =>
        Effect.sync(() =>
          Option.map(Option.fromUndefinedOr(stores.supplier(supplier).sessions.get(session)), (stored) =>
            snapshot(session, stored)
          )
        ),
      readNodes: (supplier, session, digests) =>
        Effect.sync(() => digests.map((digest) => nodesOf(supplier, session)?.get(nodeKey(digest))?.encoding)),
      readLeaves: (supplier, session) =>
        Effect.sync(() =>
          [...(nodesOf(supplier, session)?.values() ?? [])].filter(({ encoding }) => encoding[0] === 0)
        ),
      commit: (lease, commit) =>
        fenced(lease, (supplier) =>
          Effect.suspend(() => {
            const session = supplier.sessions.get(commit.session) ?? emptySession()
            const reason = refusal(session, commit)
            if (reason !== undefined) {
              return Effect.fail(
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
            supplier.sessions.set(commit.session, session)
            supplier.log.acknowledge(commit.acknowledged)
            return Effect.void
          })
        ),
      writeNodes: (lease, session, nodes) =>
        fenced(lease, (supplier) =>
          Effect.sync(() => {
            const stored = supplier.sessions.get(session)?.nodes
            for (const node of nodes) stored?.set(nodeKey(node.digest), node)
          })
        ),
      deleteNodes: (lease, session, digests) =>
        fenced(lease, (supplier) =>
          Effect.sync(() => {
            for (const digest of digests) supplier.sessions.get(session)?.nodes.delete(nodeKey(digest))
          })
        ),
      setAside: (lease, deliveries, reason) =>
        fenced(lease, (supplier) =>
          Effect.sync(() => {
            supplier.setAside.push(...deliveries.map((delivery) => ({ delivery, reason })))
            supplier.setAside.splice(0, Math.max(0, supplier.setAside.length - SET_ASIDE_LIMIT))
            supplier.log.acknowledge(deliveries.map(({ id }) => id))
          })
        ),
      saveIntent: (lease, intent) =>
        fenced(lease, (supplier) =>
          Effect.suspend(() => {
            const unsealed = intent.sessions.find(({ session, root }) => {
              const sealed = supplier.sessions.get(session)?.sealedRoot
              return sealed === undefined || nodeKey(sealed) !== nodeKey(root)
            })
            if (unsealed !== undefined) {
              return Effect.fail(new IntentRefused({ supplier: lease.supplier, session: unsealed.session }))
            }
            if (!supplier.intents.has(intent.txHash)) supplier.intents.set(intent.txHash, intent)
            return Effect.void
          })
        ),
      intents: (supplier) => Effect.sync(() => [...stores.supplier(supplier).intents.values()]),
      dropIntent: (lease, txHash) =>
        fenced(lease, (supplier) => Effect.sync(() => void supplier.intents.delete(txHash))),
      dropNodes: (lease, session) =>
        fenced(lease, (supplier) => Effect.sync(() => supplier.sessions.get(session)?.nodes.clear())),
      forget: (lease, session) => fenced(lease, (supplier) => Effect.sync(() => void supplier.sessions.delete(session)))
    })
  })
)

/** Completes at the next append or release. */
const arrival = (supplier: MemorySupplier): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const withdraw = supplier.log.onArrival(() => resume(Effect.void))
    return Effect.sync(withdraw)
  })

const lowest = (heights: ReadonlyArray<bigint>): Option.Option<bigint> =>
  heights.length === 0 ? Option.none() : Option.some(heights.reduce((a, b) => (a < b ? a : b)))
