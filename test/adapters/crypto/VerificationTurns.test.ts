import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { makeVerificationTurns } from "../../../adapters/crypto/VerificationTurns.ts"
import type { RingSignature } from "../../../domain/ring/RingSignature.ts"

/** What is verified is the stand-in's matter: the first byte of the message says what comes of it. */
const VALID = 1
const DEFECT = 2
const nobody: RingSignature = { challenge: 0n, image: new Uint8Array(33), scalars: [], members: [] }

const recorded = () => {
  const verified: Array<number> = []
  const { verify } = makeVerificationTurns((message) => {
    verified.push(message[1] ?? 0)
    if (message[0] === DEFECT) throw new Error("a defect")
    return message[0] === VALID
  })
  return { verified, verify: (kind: number, number: number) => verify(Uint8Array.of(kind, number), nobody) }
}

/** The next turn of the event loop, after what waits for it already. */
const nextTurn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

describe("signatures verified in turns", () => {
  it.effect("give each caller the verdict of its own, in the order in which they came", () =>
    Effect.gen(function* () {
      const { verified, verify } = recorded()
      const verdicts = yield* Effect.all(
        Array.from({ length: 30 }, (_, i) => verify(i % 3 === 0 ? VALID : 0, i)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        verdicts,
        Array.from({ length: 30 }, (_, i) => i % 3 === 0)
      )
      assert.deepStrictEqual(
        verified,
        Array.from({ length: 30 }, (_, i) => i)
      )
    })
  )

  it.effect("are one in each turn, so that requests are read in between, and told eight at a time", () =>
    Effect.gen(function* () {
      const { verified, verify } = recorded()
      const told: Array<number> = []
      const all = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 20 }, (_, i) => Effect.tap(verify(VALID, i), () => Effect.sync(() => told.push(i)))),
          { concurrency: "unbounded" }
        ),
        { startImmediately: true }
      )
      const counts: Array<readonly [verified: number, told: number]> = []
      while (told.length < 20) {
        yield* nextTurn
        counts.push([verified.length, told.length])
      }
      assert.deepStrictEqual(
        counts,
        Array.from({ length: 20 }, (_, i) => [i + 1, i === 19 ? 20 : Math.floor((i + 1) / 8) * 8])
      )
      yield* Fiber.join(all)
    })
  )

  it.effect("are passed over when the caller is gone", () =>
    Effect.gen(function* () {
      const { verified, verify } = recorded()
      const given = yield* Effect.forkChild(verify(VALID, 1), { startImmediately: true })
      const kept = yield* Effect.forkChild(verify(VALID, 2), { startImmediately: true })
      yield* Fiber.interrupt(given)
      assert.isTrue(yield* Fiber.join(kept))
      assert.deepStrictEqual(verified, [2])
    })
  )

  it.effect("keep a defect to its caller", () =>
    Effect.gen(function* () {
      const { verify } = recorded()
      const [broken, sound] = yield* Effect.all([Effect.exit(verify(DEFECT, 1)), Effect.exit(verify(VALID, 2))], {
        concurrency: "unbounded"
      })
      assert.isTrue(Exit.isFailure(broken) && Cause.hasDies(broken.cause))
      assert.deepStrictEqual(sound, Exit.succeed(true))
    })
  )
})
