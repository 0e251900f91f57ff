/** A commit that was given up takes effect all the same, when nobody looks any more. */
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

describe("a late commit", () => {
  it.effect("opens a session that is claimed like any other", () =>
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
