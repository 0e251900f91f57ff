/**
 * Goes on with what Go miners left: each session that they have not ended becomes one of ours, with every leaf that is
 * stored. A relay that comes for such a session would open it too; this is for those to which none comes any more.
 */
import { Effect, Option, Schedule } from "effect"
import { makeSessionTries, rootOf } from "../mining/SessionTries.ts"
import { copyOf, emptyCopy } from "../mining/SessionCopy.ts"
import { Blocks, type ChainUnavailable } from "../ports/Blocks.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import { type ForeignSession, GoSessions } from "../ports/GoSessions.ts"
import type { Lease, LeaseLost } from "../ports/Leases.ts"
import { type StoreUnavailable, SupplierStore } from "../ports/SupplierStore.ts"
import { ServiceId } from "../protocol/Identifiers.ts"
import { decide, type SessionCommand } from "../session/SessionDecider.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import { evolve, unopened } from "../session/SessionState.ts"
import { bytesEqual } from "../smst/TrieSpec.ts"

/** A read or a write that was not answered is tried again so often before the supplier starts afresh. */
const patience = { schedule: Schedule.spaced("1 second"), times: 10 }

/**
 * Adopts all sessions of the lease's supplier that Go left, before anybody else writes under the lease. What can never be
 * adopted is named in the log and left as it is.
 */
export const adoptGoSessions: (
  lease: Lease
) => Effect.Effect<
  void,
  LeaseLost | StoreUnavailable | ChainUnavailable,
  GoSessions | SupplierStore | ChainQuery | Blocks
> = Effect.fnUntraced(function* (lease) {
  const found = yield* GoSessions.use((sessions) => sessions.unfinished(lease.supplier)).pipe(Effect.retry(patience))
  for (const foreign of found) {
    const { count, reason } = yield* adopt(lease, foreign).pipe(
      Effect.retry({ ...patience, while: ({ _tag }) => _tag === "StoreUnavailable" || _tag === "ChainUnavailable" }),
      Effect.catchTags({
        ServiceNotFound: refused,
        CommandRefused: refused,
        // Somebody was quicker: it is open.
        CommitRefused: refused
      })
    )
    yield* (
      reason === undefined
        ? Effect.logInfo("session of a Go miner is gone on with")
        : Effect.logError("session of a Go miner cannot be gone on with")
    ).pipe(
      Effect.annotateLogs({ supplier: lease.supplier, session: foreign.session, leaves: count }),
      Effect.annotateLogs(reason === undefined ? {} : { reason })
    )
  }
})

const refused = ({ message }: { readonly message: string }) => Effect.succeed<Adopted>({ count: 0n, reason: message })

interface Adopted {
  readonly count: bigint
  /** Why not, where it was not. */
  readonly reason?: string
}

const adopt = Effect.fnUntraced(function* (lease: Lease, foreign: ForeignSession) {
  const store = yield* SupplierStore
  const chain = yield* ChainQuery
  const { session, sealedRoot } = foreign
  const { height } = yield* Blocks.use((blocks) => blocks.latest)
  const price = yield* chain.computeUnitsPerRelayAt(ServiceId.make(foreign.service), foreign.startHeight)
  // Loaded, so that the store accepts the live root that Go wrote.
  const stored = yield* store.load(lease.supplier, session)
  const copy = Option.match(stored, { onNone: () => emptyCopy(session), onSome: copyOf })
  if (copy.version > 0) return { count: copy.tally.count } satisfies Adopted
  const tries = yield* makeSessionTries(lease.supplier, 1)
  const trie = yield* tries.rebuilt(copy, "left by a Go miner")
  const tally = { root: yield* rootOf(trie), count: trie.count, sum: trie.sum }
  const left = (reason: string): Adopted => ({ count: tally.count, reason })
  if (tally.count === 0n) return left("none of its leaves is stored")
  if (tally.sum !== tally.count * price) return left("its leaves do not have the price of the chain")
  if (Option.isSome(sealedRoot) && !bytesEqual(sealedRoot.value, tally.root)) {
    return left("its leaves do not make up the root that was claimed")
  }
  const commands: ReadonlyArray<SessionCommand> = [
    {
      _tag: "Open",
      supplier: lease.supplier,
      header: {
        applicationAddress: foreign.application,
        serviceId: foreign.service,
        sessionId: session,
        sessionStartBlockHeight: foreign.startHeight,
        sessionEndBlockHeight: foreign.endHeight
      },
      computeUnitsPerRelay: price
    },
    // What was claimed stays as it is: no relay may be added to it.
    Option.isSome(sealedRoot) ? { _tag: "Seal", tally, height } : { _tag: "Checkpoint", tally }
  ]
  let state = unopened
  const events: Array<SessionEvent> = []
  for (const command of commands) {
    const decided = yield* Effect.fromResult(decide(state, command))
    events.push(...decided)
    state = decided.reduce(evolve, state)
  }
  yield* store.commit(lease, {
    session,
    expectedVersion: 0,
    leaves: [],
    ...tally,
    events,
    checkpoint: Option.none(),
    acknowledged: []
  })
  return { count: tally.count } satisfies Adopted
})
