/** A store whose failures leave a mark: sealing waits a while after it came back (`design.md`, Seal). */
import { Clock, Effect } from "effect"
import { SupplierStore } from "../ports/SupplierStore.ts"
import type { SubmissionRecords } from "../settlement/SubmissionMemory.ts"

/** The same store; each failure to confirm is noted in `memory.storeAwayAt`. */
export const watchedStore = (store: SupplierStore["Service"], memory: SubmissionRecords): SupplierStore["Service"] => {
  const note = Effect.map(Clock.monotonicTimeNanos, (now) => {
    memory.storeAwayAt = now
  })
  const watched = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.tapError(call, ({ _tag }) => (_tag === "StoreUnavailable" ? note : Effect.void))
  return SupplierStore.of({
    deliveries: (lease, max, wait) => watched(store.deliveries(lease, max, wait)),
    redeliver: (lease) => watched(store.redeliver(lease)),
    backlog: (lease) => watched(store.backlog(lease)),
    sessions: (supplier) => watched(store.sessions(supplier)),
    load: (supplier, session) => watched(store.load(supplier, session)),
    readNodes: (supplier, session, digests) => watched(store.readNodes(supplier, session, digests)),
    readLeaves: (supplier, session) => watched(store.readLeaves(supplier, session)),
    commit: (lease, commit) => watched(store.commit(lease, commit)),
    writeNodes: (lease, session, nodes) => watched(store.writeNodes(lease, session, nodes)),
    deleteNodes: (lease, session, digests) => watched(store.deleteNodes(lease, session, digests)),
    setAside: (lease, deliveries, reason) => watched(store.setAside(lease, deliveries, reason)),
    saveIntent: (lease, intent) => watched(store.saveIntent(lease, intent)),
    intents: (supplier) => watched(store.intents(supplier)),
    dropIntent: (lease, txHash) => watched(store.dropIntent(lease, txHash)),
    dropNodes: (lease, session) => watched(store.dropNodes(lease, session)),
    forget: (lease, session) => watched(store.forget(lease, session))
  })
}
