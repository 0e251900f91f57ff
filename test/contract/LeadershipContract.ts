/** What every `Leadership` must do. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, type Layer, Option } from "effect"
import { Leadership } from "../../domain/ports/Leadership.ts"
import { beyond, type Timing } from "./Timing.ts"

/** One adapter under test. The layer gives a fresh and empty store each time it is built. */
export interface LeadershipWorld {
  readonly name: string
  readonly layer: Layer.Layer<Leadership>
  readonly timing: Timing
  /** The store belongs to one process, whose leadership only ends with it. */
  readonly isEndless: boolean
}

/** Registers the suite for one adapter. */
export const leadershipContract = ({ name, layer, timing, isEndless }: LeadershipWorld): void => {
  const { it, pass } = timing
  const test = <E>(title: string, body: (leadership: Leadership["Service"]) => Effect.Effect<void, E>) =>
    it(title, () => Effect.provide(Leadership.use(body), layer))
  const passPart = ({ ttl }: Leadership["Service"], part: number) => pass(Duration.times(ttl, part))
  const leads = (leadership: Leadership["Service"], leader: string | undefined) =>
    Effect.map(leadership.leader, (now) => assert.deepStrictEqual(Option.getOrUndefined(now), leader))

  describe(`Leadership, ${name}`, () => {
    test("is nobody's at first, then that of who asks first", (leadership) =>
      Effect.gen(function* () {
        yield* leads(leadership, undefined)
        assert.isFalse(yield* leadership.renew("a"))
        yield* leads(leadership, undefined)
        assert.isTrue(yield* leadership.acquire("a"))
        assert.isFalse(yield* leadership.acquire("b"))
        assert.isFalse(yield* leadership.renew("b"))
        yield* leads(leadership, "a")
      }))

    test("is one's of many that ask at once", (leadership) =>
      Effect.gen(function* () {
        const asked = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, n) => `replica-${n}`),
          leadership.acquire,
          { concurrency: "unbounded" }
        )
        assert.lengthOf(asked.filter(Boolean), 1)
      }))

    test("is taken again by who has it: the first reply may have been lost", (leadership) =>
      Effect.gen(function* () {
        yield* leadership.acquire("a")
        assert.isTrue(yield* leadership.acquire("a"))
        assert.isTrue(yield* leadership.renew("a"))
      }))

    test("is free at once when it is released, and only by its leader", (leadership) =>
      Effect.gen(function* () {
        yield* leadership.release("a")
        yield* leadership.acquire("a")
        yield* leadership.release("b")
        yield* leads(leadership, "a")
        yield* leadership.release("a")
        yield* leads(leadership, undefined)
        assert.isFalse(yield* leadership.renew("a"))
        assert.isTrue(yield* leadership.acquire("b"))
        yield* leadership.release("a")
        yield* leads(leadership, "b")
      }))

    test("lives a full life from each renewal", (leadership) =>
      Effect.gen(function* () {
        yield* leadership.acquire("a")
        for (let renewal = 0; renewal < 3; renewal++) {
          yield* passPart(leadership, 0.6)
          assert.isTrue(yield* leadership.renew("a"))
        }
        yield* passPart(leadership, 0.6)
        assert.isFalse(yield* leadership.acquire("b"))
      }))

    if (isEndless) return
    test("ends after its life; then it cannot be renewed, and another may take it", (leadership) =>
      Effect.gen(function* () {
        yield* leadership.acquire("a")
        yield* pass(beyond(leadership.ttl))
        yield* leads(leadership, undefined)
        assert.isFalse(yield* leadership.renew("a"))
        assert.isTrue(yield* leadership.acquire("b"))
        assert.isFalse(yield* leadership.renew("a"))
        assert.isFalse(yield* leadership.acquire("a"))
      }))
  })
}
