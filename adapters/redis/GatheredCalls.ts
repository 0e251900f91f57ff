/** Calls of many suppliers made together: what is asked within a few milliseconds shares one round trip. */
import { Duration, Effect, Queue, Result, type Scope } from "effect"

/** How long a call waits for others to share its round trip. */
const GATHER = Duration.millis(10)

/** Calls of one round trip. */
const AT_ONCE = 500

interface Asked<A, B, E> {
  readonly item: A
  readonly answer: (outcome: Effect.Effect<B, E>) => void
}

/**
 * Asks for one item at a time and answers for at most 500 together, in the order asked, for the present scope. `answerAll`
 * gives a result for each item. Who is interrupted meanwhile is answered to nobody.
 */
export const gathered = <A, B, E, F, R>(
  answerAll: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<Result.Result<B, E>>, F, R>
): Effect.Effect<(item: A) => Effect.Effect<B, E | F>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Array<Asked<A, B, E | F>> = []
    const wake = yield* Queue.sliding<void>(1)
    const turn = Effect.gen(function* () {
      if (asked.length === 0) yield* Queue.take(wake)
      yield* Effect.sleep(GATHER)
      const all = asked.splice(0, AT_ONCE)
      if (all.length === 0) return
      const outcome = yield* Effect.result(answerAll(all.map(({ item }) => item)))
      for (const [index, { answer }] of all.entries()) {
        const result: Result.Result<B, E | F> | undefined = Result.isFailure(outcome)
          ? Result.fail(outcome.failure)
          : outcome.success[index]
        if (result !== undefined) answer(Effect.fromResult(result))
      }
    })
    yield* Effect.forkScoped(Effect.forever(turn))

    return (item) =>
      Effect.callback<B, E | F>((answer) => {
        asked.push({ item, answer })
        Queue.offerUnsafe(wake, undefined)
      })
  })
