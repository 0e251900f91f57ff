/** Tries of many suppliers share one budget; who has more than its part gives up what it used least lately. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Result } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { copyOf } from "../../../domain/mining/SessionCopy.ts"
import { makeSessionTries } from "../../../domain/mining/SessionTries.ts"
import { TrieMemory, TrieMemoryRef } from "../../../domain/mining/TrieMemory.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { SessionId, SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { Trie } from "../../../domain/smst/Trie.ts"
import { aRelay } from "../../contract/StoreFixtures.ts"

const sessionOf = (n: number) => SessionId.make(n.toString(16).padStart(64, "0"))
const emptyRoot = Trie.empty(sha256).root()

/** A session that was opened and has no relay yet. */
const opened = (n: number) =>
  copyOf({
    session: sessionOf(n),
    version: 0,
    events: [],
    liveRoot: Option.none(),
    root: emptyRoot,
    count: 0n,
    sum: 0n,
    tail: []
  })

const fill = (trie: Trie, from: number, leaves: number) =>
  Result.getOrThrow(
    trie.insertBatch(
      Array.from({ length: leaves }, (_, n) => {
        const { relayBytes } = aRelay(from + n)
        const key = sha256(relayBytes)
        return { key, path: sha256(key), value: relayBytes, weight: 7n }
      })
    )
  )

describe("TrieMemory", () => {
  it.effect("lets every supplier keep what it likes while the budget holds, and an equal part beyond", () => {
    const memory = new TrieMemory(50_000)
    return Effect.gen(function* () {
      const first = yield* makeSessionTries(SupplierAddress.make("pokt1first"), 64)
      const second = yield* makeSessionTries(SupplierAddress.make("pokt1second"), 64)
      for (const n of [1, 2]) fill(yield* first.ready(opened(n), []), n * 1_000, 50)
      assert.deepStrictEqual(yield* first.beyondBound, [])
      fill(yield* second.ready(opened(3), []), 3_000, 150)
      assert.deepStrictEqual(yield* second.beyondBound, [sessionOf(3)])
      assert.isAbove(memory.total, memory.budget)
      fill(yield* first.ready(opened(1), []), 1_500, 20)
      assert.deepStrictEqual(yield* first.beyondBound, [sessionOf(2)])
      yield* second.drop(sessionOf(3))
      assert.deepStrictEqual(yield* first.beyondBound, [])
    }).pipe(
      Effect.scoped,
      Effect.provideService(TrieMemoryRef, memory),
      Effect.provide(Layer.mock(SupplierStore, {})),
      Effect.andThen(Effect.sync(() => assert.strictEqual(memory.total, 0)))
    )
  })
})
