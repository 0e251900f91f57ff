/**
 * Verifies signatures in turns of the event loop. Requests that came in together are first all read, then verified one
 * after the other, then forwarded one after the other: each part finds its code and data in the processor's caches.
 * A turn begins as soon as what is readable now is read, so that a single request does not wait.
 */
import { Effect } from "effect"
import type { RingVerifier } from "../../domain/ports/RingVerifier.ts"
import type { RingSignature } from "../../domain/ring/RingSignature.ts"
import type { VerifyRing } from "../../domain/ring/RingVerification.ts"

/** Signatures of one turn: about 2 ms in which nothing else is read. */
const TURN = 8

/** A caller that waits for its verdict. */
interface Waiting {
  readonly message: Uint8Array
  readonly signature: RingSignature
  readonly answer: (verdict: Effect.Effect<boolean>) => void
  /** Nobody listens any more: not worth a verification. */
  isGivenUp: boolean
}

/** `verify` for callers that wait for their turn, in the order in which they came. */
export const makeVerificationTurns = (verify: VerifyRing): RingVerifier["Service"] => {
  const waiting: Array<Waiting> = []

  const turn = (): void => {
    const callers = waiting.splice(0, TURN)
    // The next turn comes after what has become readable meanwhile.
    if (waiting.length > 0) setImmediate(turn)
    const verdicts = callers.map((caller) => (caller.isGivenUp ? Effect.interrupt : verdictOf(verify, caller)))
    for (const [index, { answer }] of callers.entries()) answer(verdicts[index] ?? Effect.interrupt)
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
const verdictOf = (verify: VerifyRing, { message, signature }: Waiting): Effect.Effect<boolean> => {
  try {
    return Effect.succeed(verify(message, signature))
  } catch (defect) {
    return Effect.die(defect)
  }
}
