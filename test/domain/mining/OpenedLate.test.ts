/** Sessions that are opened when nobody looks: by a commit that was given up, or in the last block to claim them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { StoreUnavailable, SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { append, headerAt, inWorld, relaysOf, runBlocks, stateOf } from "./MinerWorld.ts"

/** The first commit fails and takes effect after two seconds. */
const lateOnce = (store: SupplierStore["Service"]): SupplierStore["Service"] => {
  let isFirst = true
  return {
    ...store,
    commit: (lease, commit) =>
      Effect.suspend(() => {
        if (!isFirst) return store.commit(lease, commit)
        isFirst = false
        return Effect.andThen(
          Effect.forkDetach(Effect.delay(store.commit(lease, commit), "2 seconds")),
          Effect.fail(new StoreUnavailable({ operation: "commit", cause: "away" }))
        )
      }),
    // The late commit has acknowledged them by the time they are asked for.
    redeliver: () => Effect.void
  }
}

describe("a session that is opened late", () => {
  it.effect("is claimed where its claim has one block, and its first relay comes in the block before", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      yield* startMiner
      // Blocks of one second; the session ends at 6, its claim has to be in 8, so it is sent at 7.
      yield* runBlocks(6)
      yield* append(header, relaysOf(header, 3))
      yield* runBlocks(10)
      assert.strictEqual((yield* stateOf(header)).status, "settled")
    }).pipe(
      inWorld({
        params: {
          shared: {
            claimWindowOpenOffsetBlocks: 1n,
            claimWindowCloseOffsetBlocks: 0n,
            proofWindowOpenOffsetBlocks: 1n,
            proofWindowCloseOffsetBlocks: 1n
          }
        }
      })
    )
  )

  it.effect("is claimed where the first commit took effect after it was given up", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const store = yield* SupplierStore
      yield* startMiner.pipe(Effect.provideService(SupplierStore, lateOnce(store)))
      yield* append(header, relaysOf(header, 3))
      yield* runBlocks(14)
      assert.strictEqual((yield* stateOf(header)).status, "settled")
    }).pipe(inWorld())
  )
})
