/** Reads of claims that many suppliers make in one block: bounded in number, and in time. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { defaultMinerSettings, MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { SessionLedger } from "../../../domain/mining/SessionLedger.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { readClaims } from "../../../domain/settlement/ClaimsOnChain.ts"
import { freshSharedNotes } from "../../../domain/settlement/SharedNotes.ts"
import { freshMemory, SubmissionMemory } from "../../../domain/settlement/SubmissionMemory.ts"

describe("claims on chain", () => {
  it.effect("are read for a bounded number of suppliers at a time, and not for ever", () =>
    Effect.gen(function* () {
      let [now, most] = [0, 0]
      const silent = Effect.acquireUseRelease(
        Effect.sync(() => {
          most = Math.max(most, ++now)
        }),
        () => Effect.never,
        () =>
          Effect.sync(() => {
            now--
          })
      )
      const { ingest, fleet } = defaultMinerSettings
      const submission = {
        ...defaultMinerSettings.submission,
        claimReads: { concurrent: 2, limit: Duration.seconds(3) }
      }
      const shared = freshSharedNotes(submission)
      const readOf = (name: string) =>
        readClaims(1n).pipe(
          Effect.result,
          Effect.provide(
            Layer.mergeAll(
              Layer.mock(ChainQuery, { claims: () => silent }),
              Layer.mock(SessionLedger, {
                lease: { supplier: SupplierAddress.make(name), owner: "test", epoch: 1, nonce: "n" }
              })
            )
          ),
          Effect.provideService(SubmissionMemory, freshMemory({ claim: 1n, proof: 1n }, 0n, shared)),
          Effect.provideService(MinerSettings, { ingest, submission, fleet })
        )
      const reads = yield* Effect.forkChild(
        Effect.forEach(["a", "b", "c", "d", "e"], readOf, { concurrency: "unbounded" })
      )
      yield* TestClock.adjust(Duration.seconds(10))
      const results = yield* Fiber.join(reads)
      assert.strictEqual(most, 2)
      for (const read of results) {
        assert.strictEqual(Result.isFailure(read) ? read.failure._tag : "success", "ChainUnavailable")
      }
    })
  )
})
