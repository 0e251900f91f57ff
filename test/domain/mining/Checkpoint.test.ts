/** Checkpoints of sessions that have nothing left to store. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { checkpoint } from "../../../domain/mining/Checkpoint.ts"
import { emptyCopy, type SessionChange, type SessionCopy } from "../../../domain/mining/SessionCopy.ts"
import { SessionLedger } from "../../../domain/mining/SessionLedger.ts"
import { SessionTries } from "../../../domain/mining/SessionTries.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { SessionId, SupplierAddress } from "../../../domain/protocol/Identifiers.ts"

const session = SessionId.make("5e")

/** Checkpoints a session of which this is stored; tries and store fail when they are used. */
const changesOf = (copy: SessionCopy) => {
  const changes: Array<SessionChange> = []
  return checkpoint(session).pipe(
    Effect.as(changes),
    Effect.provide(
      Layer.mergeAll(
        Layer.mock(SessionTries, {}),
        Layer.mock(SupplierStore, {}),
        Layer.mock(SessionLedger, {
          lease: { supplier: SupplierAddress.make("pokt1a"), nonce: "n", owner: "miner", epoch: 1 },
          change: (_, body) =>
            Effect.map(body(copy), ([change, result]) => {
              changes.push(change)
              return result
            })
        })
      )
    )
  )
}

describe("checkpoint", () => {
  it.effect("leaves a session alone that has ended, whose nodes are dropped", () =>
    Effect.gen(function* () {
      const empty = emptyCopy(session)
      const ended: SessionCopy = {
        ...empty,
        version: 3,
        tally: { root: new Uint8Array(48).fill(1), count: 2n, sum: 20n },
        state: {
          ...empty.state,
          status: "settled",
          end: { _tag: "Settled", claimed: 1n, paid: 1n, overserviced: 0n, height: 9n }
        }
      }
      assert.deepStrictEqual(yield* changesOf(ended), [{}])
    })
  )

  it.effect("leaves a session alone of which nothing is stored", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* changesOf(emptyCopy(session)), [{}])
    })
  )
})
