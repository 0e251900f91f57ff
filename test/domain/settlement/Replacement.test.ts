/** When a transaction that may still land gets a successor. Expected values follow from the windows, by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { defaultMinerSettings, MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { SessionId } from "../../../domain/protocol/Identifiers.ts"
import { isLastChance, type OpenTx, outweighs, worthSending } from "../../../domain/settlement/Replacement.ts"
import { freshSharedNotes } from "../../../domain/settlement/SharedNotes.ts"
import { freshMemory, SubmissionMemory } from "../../../domain/settlement/SubmissionMemory.ts"

const SECOND = 1_000_000_000n

/** Recorded at 20, its window closes at 24; blocks of 30 s; its time-out is far beyond the window. */
const open = (height: bigint, answer: OpenTx["answer"], change: Partial<OpenTx> = {}): OpenTx => ({
  timeoutUnixNano: 1_000n * SECOND,
  closes: 24n,
  openSince: 20n,
  answer,
  block: { height, timeUnixNano: (height - 20n) * 30n * SECOND },
  blockTime: 30n * SECOND,
  marginBlocks: 0n,
  ...change
})

const heights = [20n, 21n, 22n, 23n, 24n]

describe("the last chance for messages", () => {
  it("comes for a transaction that is known when as many blocks went by as are left", () => {
    assert.deepStrictEqual(
      heights.map((height) => isLastChance(open(height, "known"))),
      [false, false, true, true, false]
    )
    // One block without it is not enough while there are two left.
    assert.isFalse(isLastChance(open(22n, "known", { openSince: 21n })))
    assert.isTrue(isLastChance(open(23n, "known", { openSince: 22n })))
    assert.isFalse(isLastChance(open(23n, "known", { openSince: 23n })))
  })

  it("comes within the last two blocks for one that a node will not have", () => {
    for (const answer of ["refused", "expired"] as const) {
      assert.deepStrictEqual(
        heights.map((height) => isLastChance(open(height, answer, { openSince: height }))),
        [false, false, true, true, false]
      )
    }
  })

  it("does not come within the blocks that are kept free", () => {
    for (const [marginBlocks, chances] of [
      [1n, [false, false, true, false, false]],
      [2n, [false, false, false, false, false]]
    ] as const) {
      assert.deepStrictEqual(
        heights.map((height) => isLastChance(open(height, "refused", { marginBlocks }))),
        [...chances]
      )
    }
  })

  it("does not come while the same bytes are taken, or may be soon", () => {
    for (const answer of ["taken", "not_ready"] as const) {
      assert.isFalse(heights.some((height) => isLastChance(open(height, answer))))
    }
  })

  it("does not come where the time-out passes before the window closes", () => {
    // Block 23 is expected at 90 s: a time-out of 89 s has passed then, and nothing can be paid twice.
    assert.isFalse(isLastChance(open(22n, "known", { timeoutUnixNano: 89n * SECOND })))
    assert.isTrue(isLastChance(open(22n, "known", { timeoutUnixNano: 90n * SECOND })))
  })
})

describe("a second fee", () => {
  it("is risked for ten times as much", () => {
    assert.deepStrictEqual(
      [99n, 100n].map((stake) => outweighs(stake, 10n)),
      [false, true]
    )
  })
})

describe("messages that would replace a transaction", () => {
  const [replaced, first] = [SessionId.make("replaced"), SessionId.make("first")]
  const { ingest, submission, fleet } = defaultMinerSettings
  const messageOf = (session: SessionId) => ({
    session,
    root: new Uint8Array(48),
    message: { typeUrl: "/pocket.proof.MsgCreateClaim", value: new Uint8Array(1) },
    worth: 1_000_000n,
    wasSent: true
  })
  const left = worthSending("claim", new Set([replaced]), [messageOf(replaced), messageOf(first)]).pipe(
    Effect.map((messages) => messages.map(({ session }) => session))
  )

  for (const [maxReplacements, rounds] of [
    [0, [[first], [first]]],
    [1, [[replaced, first], [first]]]
  ] as const) {
    it.effect(`are built ${maxReplacements} times, those without a transaction always`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(
          [yield* left, yield* left],
          rounds.map((sessions) => [...sessions])
        )
      }).pipe(
        Effect.provide(Layer.mock(ChainQuery, {})),
        Effect.provideService(MinerSettings, {
          ingest,
          fleet,
          submission: { ...submission, maxReplacements }
        }),
        Effect.provideService(SubmissionMemory, freshMemory({ claim: 1n, proof: 1n }, 0n, freshSharedNotes(submission)))
      )
    )
  }
})
