/**
 * Verifies signatures one in each turn of the event loop: whatever is readable is read in between. Verdicts are handed on
 * several at a time, so that the requests are forwarded one after the other, which finds its code and data in the
 * processor's caches, and sent together. A turn begins as soon as what is readable now is read, so that a single request
 * does not wait.
 */
import { Effect } from "effect"
import type { RingVerifier } from "../../domain/ports/RingVerifier.ts"
import type { RingSignature } from "../../domain/ring/RingSignature.ts"
import type { VerifyRing } from "../../domain/ring/RingVerification.ts"

/** Verdicts handed on at a time, at most: the first of them waits for the others, about 2 ms. */
const HANDED_ON = 8

/** A caller that waits for its verdict. */
interface Waiting {
  readonly message: Uint8Array
  readonly signature: RingSignature
  readonly answer: (verdict: Effect.Effect<boolean>) => void
  /** Nobody listens any more: not worth a verification. */
  isGivenUp: boolean
}

/** A caller and what it is to be told. */
interface Verified {
  readonly caller: Waiting
  readonly verdict: Effect.Effect<boolean>
}

/** `verify` for callers that wait for their turn, in the order in which they came. */
export const makeVerificationTurns = (verify: VerifyRing): RingVerifier["Service"] => {
  const waiting: Array<Waiting> = []
  const verified: Array<Verified> = []

  const turn = (): void => {
    const caller = waiting.shift()
    if (caller !== undefined) verified.push({ caller, verdict: verdictOf(verify, caller) })
    if (waiting.length > 0) {
      // The next turn comes after what has become readable meanwhile.
      setImmediate(turn)
      if (verified.length < HANDED_ON) return
    }
    for (const { caller: told, verdict } of verified.splice(0)) told.answer(verdict)
  }

  return {
    verify: (message, signature) =>
      Effect.callback((answer) => {
        const caller: Waiting = { message, signature, answer, isGivenUp: false }
        if (waiting.push(caller) === 1) setImmediate(turn)
        return Effect.sync(() => void (caller.isGivenUp = true))
      })
  }
}

/** A defect is its caller's alone. */
const verdictOf = (verify: VerifyRing, { isGivenUp, message, signature }: Waiting): Effect.Effect<boolean> => {
  if (isGivenUp) return Effect.interrupt
  try {
    return Effect.succeed(verify(message, signature))
  } catch (defect) {
    return Effect.die(defect)
  }
}
