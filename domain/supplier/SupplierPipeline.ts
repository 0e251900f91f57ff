/**
 * One supplier under one lease: relays in, sessions to their end on chain, and a drain that leaves everything stored.
 */
import { Clock, Context, Deferred, Effect, Fiber, type Scope } from "effect"
import { checkpoint } from "../mining/Checkpoint.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { makeSessionLedger, SessionLedger } from "../mining/SessionLedger.ts"
import { makeSessionTries, SessionTries } from "../mining/SessionTries.ts"
import type { Blocks } from "../ports/Blocks.ts"
import type { Broadcast } from "../ports/Broadcast.ts"
import type { ChainQuery } from "../ports/ChainQuery.ts"
import type { ChainTx } from "../ports/ChainTx.ts"
import type { Lease, LeaseLost } from "../ports/Leases.ts"
import type { SupplierKeys } from "../ports/SupplierKeys.ts"
import { type StoreUnavailable, SupplierStore } from "../ports/SupplierStore.ts"
import type { SharedNotes } from "../settlement/SharedNotes.ts"
import { isolated } from "../settlement/Submission.ts"
import { freshMemory, SubmissionMemory } from "../settlement/SubmissionMemory.ts"
import { advanceLoop } from "./AdvanceLoop.ts"
import { ingestLoop } from "./IngestLoop.ts"
import { watchedStore } from "./WatchedStore.ts"

/** What a pipeline needs. */
export type SupplierPorts = Blocks | Broadcast | ChainQuery | ChainTx | SupplierKeys | SupplierStore

/** A supplier at work. */
export interface SupplierPipeline {
  readonly lease: Lease
  /** Fails when the lease is lost, dies with a defect of the pipeline; ends when it is drained. */
  readonly ended: Effect.Effect<void, LeaseLost>
  /**
   * Finishes the batch in hand, stops looking at sessions, checkpoints every trie. Once, however often it is called.
   */
  readonly drain: Effect.Effect<void>
}

/**
 * Loads the supplier's sessions and starts both loops in the present scope; closing it stops them where they are. `shared`
 * is what the suppliers of the process have in common.
 */
export const startSupplierPipeline: (
  lease: Lease,
  shared: SharedNotes
) => Effect.Effect<SupplierPipeline, StoreUnavailable, SupplierPorts | Scope.Scope> = Effect.fnUntraced(
  function* (lease, shared) {
    const { ingest, submission } = yield* MinerSettings
    const memory = freshMemory(
      { claim: submission.claimGas, proof: submission.proofGas },
      yield* Clock.monotonicTimeNanos,
      shared
    )
    const store = watchedStore(yield* SupplierStore, memory)
    const tries = yield* makeSessionTries(lease.supplier, ingest.openTries).pipe(
      Effect.provideService(SupplierStore, store)
    )
    const ledger = yield* makeSessionLedger(lease).pipe(
      Effect.provideContext(Context.make(SupplierStore, store).pipe(Context.add(SessionTries, tries)))
    )
    const own = Context.make(SupplierStore, store).pipe(
      Context.add(SessionTries, tries),
      Context.add(SessionLedger, ledger),
      Context.add(SubmissionMemory, memory)
    )
    yield* Effect.addFinalizer(() => shared.obstacles.forget(lease.supplier))
    const stopping = yield* Deferred.make<void>()
    const ingesting = yield* ingestLoop(stopping).pipe(Effect.provideContext(own), Effect.forkScoped)
    const advancing = yield* advanceLoop.pipe(Effect.provideContext(own), Effect.forkScoped)
    const drain = Effect.gen(function* () {
      yield* Deferred.succeed(stopping, undefined)
      yield* Fiber.await(ingesting)
      yield* Fiber.interrupt(advancing)
      for (const { session } of yield* ledger.live) {
        // Without it the next owner inserts the tail's leaves again: slower, nothing is lost.
        yield* checkpoint(session).pipe(isolated("checkpoint", { session }))
      }
    }).pipe(
      Effect.catchTag("LeaseLost", (lost) => Effect.logWarning("lease lost while draining", lost)),
      Effect.provideContext(own)
    )
    const once = yield* Effect.cached(drain)
    const pipeline: SupplierPipeline = {
      lease,
      ended: Effect.raceFirst(Fiber.join(ingesting), Fiber.join(advancing)),
      drain: once
    }
    return pipeline
  }
)
