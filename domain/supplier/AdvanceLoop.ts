/**
 * Looks at the sessions of one supplier at every new height, and again within a block while something waits or failed, or
 * when a session is opened that is over: where its claim has a window of one block, this is the last chance.
 */
import { Duration, Effect, Queue, Schedule, Stream } from "effect"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { Blocks } from "../ports/Blocks.ts"
import { advanceSessions, hasWork, type LookOutcome } from "../settlement/AdvanceSessions.ts"

/** Failed steps are repeated within the block after so many pauses: the chain or the store needs a moment. */
const PAUSES_AFTER_FAILURE = 4

/** Far beyond any look that makes progress: ends one that hangs on a call without an answer. It may be cut off anywhere. */
const LONGEST_LOOK = Duration.minutes(10)
const CUT_OFF: LookOutcome = { waiting: 0, failed: 1 }

/** Fails when the lease is lost; never ends otherwise. */
export const advanceLoop = Effect.gen(function* () {
  const blocks = yield* Blocks
  const { submission } = yield* MinerSettings
  const ledger = yield* SessionLedger
  const news = yield* Queue.sliding<void>(1)
  let block = yield* firstBlock
  // Fed for as long as the loop lives: what comes during a look asks for the next one. Idle suppliers are not woken.
  yield* blocks.changes.pipe(
    Stream.runForEach((next) => {
      if (next.height <= block.height) return Effect.void
      block = next
      return Effect.flatMap(hasWork, (has) => (has ? Queue.offer(news, undefined) : Effect.void))
    }),
    Effect.forkChild
  )
  yield* ledger.opened.pipe(
    Effect.flatMap((sessionEnd) => (sessionEnd <= block.height ? Queue.offer(news, undefined) : Effect.void)),
    Effect.forever,
    Effect.forkChild
  )
  for (;;) {
    const outcome = yield* advanceSessions(block).pipe(
      Effect.timeoutOrElse({
        duration: LONGEST_LOOK,
        orElse: () => Effect.as(Effect.logError("a look took too long and is repeated"), CUT_OFF)
      })
    )
    const pause = pauseAfter(outcome, submission.recheckEvery)
    yield* pause === undefined ? Queue.take(news) : Effect.timeoutOption(Queue.take(news), pause)
  }
})

const pauseAfter = ({ waiting, failed }: LookOutcome, recheckEvery: Duration.Duration) => {
  if (waiting > 0) return recheckEvery
  return failed > 0 ? Duration.times(recheckEvery, PAUSES_AFTER_FAILURE) : undefined
}

/** Until the first block was seen there is nothing to do. */
const firstBlock = Blocks.use((blocks) => blocks.latest).pipe(
  Effect.retry(Schedule.spaced("500 millis")),
  // Retried for ever: it does not fail.
  Effect.orDie
)
