/** What every `RelaySpool` must do. */
import { assert, describe } from "@effect/vitest"
import { Effect, type Layer, Option, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { RelaySpool } from "../../domain/ports/RelaySpool.ts"
import { anEntry } from "./StoreFixtures.ts"
import type { Timing } from "./Timing.ts"

/** One adapter under test. Layers give an empty spool each time they are built. */
export interface RelaySpoolWorld {
  readonly name: string
  readonly layer: Layer.Layer<RelaySpool>
  /** A spool of few entries. */
  readonly small: { readonly layer: Layer.Layer<RelaySpool>; readonly limit: number }
  readonly timing: Timing
}

const spooledAt = (n: number, sessionEndHeight = 40n) => anEntry(n, { sessionEndHeight })
const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const Command = Schema.TaggedUnion({
  Offer: { sessionEnd: upTo(5) },
  /** Removes the entry at this place, if there is one. */
  Remove: { place: upTo(6) },
  RemoveOldest: { count: upTo(4) }
})

/** Registers the suite for one adapter. */
export const relaySpoolContract = ({ name, layer, small, timing }: RelaySpoolWorld): void => {
  const { it, runs } = timing
  const test = <E>(title: string, body: (spool: RelaySpool["Service"]) => Effect.Effect<void, E>) =>
    it(title, () => Effect.provide(RelaySpool.use(body), layer))
  const kept = (spool: RelaySpool["Service"], max = 1_000) =>
    Effect.map(spool.peek(max), (entries) => entries.map(({ entry }) => entry.relay))

  describe(`RelaySpool, ${name}`, () => {
    test("begins empty", (spool) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* spool.size, 0)
        assert.deepStrictEqual(yield* spool.peek(10), [])
        assert.isTrue(Option.isNone(yield* spool.lowestSessionEnd))
      }))

    test("shows the oldest first, whole, and keeps what it shows", (spool) =>
      Effect.gen(function* () {
        const entries = [0, 1, 2, 3].map((n) => spooledAt(n))
        for (const entry of entries) yield* spool.offer(entry)
        const relays = entries.map(({ relay }) => relay)
        assert.deepStrictEqual(yield* kept(spool, 2), relays.slice(0, 2))
        assert.deepStrictEqual(yield* kept(spool, 2), relays.slice(0, 2))
        assert.deepStrictEqual(yield* kept(spool), relays)
        assert.deepStrictEqual(yield* kept(spool, 0), [])
        assert.strictEqual(yield* spool.size, 4)
      }))

    test("removes by id, in any order, and passes over unknown ids", (spool) =>
      Effect.gen(function* () {
        for (let n = 0; n < 4; n++) yield* spool.offer(spooledAt(n))
        const ids = (yield* spool.peek(10)).map(({ id }) => id)
        yield* spool.remove([ids[2]!, ids[0]!, ids[0]!, 123_456_789])
        yield* spool.remove([])
        yield* spool.remove([ids[2]!])
        assert.deepStrictEqual(
          (yield* spool.peek(10)).map(({ id }) => id),
          [ids[1]!, ids[3]!]
        )
        assert.strictEqual(yield* spool.size, 2)
      }))

    test("shows what follows an id, whether that is still kept or not", (spool) =>
      Effect.gen(function* () {
        for (let n = 0; n < 5; n++) yield* spool.offer(spooledAt(n))
        const ids = (yield* spool.peek(10)).map(({ id }) => id)
        const after = (id: number, max = 10) =>
          Effect.map(spool.peek(max, id), (entries) => entries.map((entry) => entry.id))
        assert.deepStrictEqual(yield* after(0), ids)
        assert.deepStrictEqual(yield* after(ids[1]!), ids.slice(2))
        assert.deepStrictEqual(yield* after(ids[1]!, 2), ids.slice(2, 4))
        yield* spool.remove([ids[1]!, ids[3]!])
        assert.deepStrictEqual(yield* after(ids[1]!), [ids[2]!, ids[4]!])
        assert.deepStrictEqual(yield* after(ids[4]!), [])
      }))

    test("gives no id twice", (spool) =>
      Effect.gen(function* () {
        const seen = new Set<number>()
        for (let n = 0; n < 10; n++) {
          yield* spool.offer(spooledAt(n))
          const [entry] = yield* spool.peek(1)
          seen.add(entry!.id)
          yield* spool.remove([entry!.id])
        }
        assert.strictEqual(seen.size, 10)
      }))

    test("knows the lowest session end of what it keeps", (spool) =>
      Effect.gen(function* () {
        const lowest = Effect.map(spool.lowestSessionEnd, Option.getOrUndefined)
        for (const [n, sessionEnd] of [50n, 40n, 60n, 40n].entries()) yield* spool.offer(spooledAt(n, sessionEnd))
        const ids = (yield* spool.peek(10)).map(({ id }) => id)
        assert.strictEqual(yield* lowest, 40n)
        yield* spool.remove([ids[1]!])
        assert.strictEqual(yield* lowest, 40n)
        yield* spool.remove([ids[3]!])
        assert.strictEqual(yield* lowest, 50n)
        yield* spool.remove([ids[0]!])
        assert.strictEqual(yield* lowest, 60n)
        yield* spool.remove([ids[2]!])
        assert.isUndefined(yield* lowest)
      }))

    it("refuses beyond its bound, keeps what it has, and takes again once there is room", () =>
      Effect.gen(function* () {
        const spool = yield* RelaySpool
        const { limit } = small
        for (let n = 0; n < limit; n++) yield* spool.offer(spooledAt(n))
        const error = yield* Effect.flip(spool.offer(spooledAt(99, 1n)))
        assert.deepInclude(error, { _tag: "SpoolFull", entries: limit, limit })
        assert.strictEqual(yield* spool.size, limit)
        assert.deepStrictEqual(Option.getOrUndefined(yield* spool.lowestSessionEnd), 40n)
        yield* spool.remove((yield* spool.peek(1)).map(({ id }) => id))
        yield* spool.offer(spooledAt(100))
        assert.deepStrictEqual((yield* kept(spool)).at(-1), spooledAt(100).relay)
      }).pipe(Effect.provide(small.layer)))

    it.prop(
      "is a queue from which any entry may leave early",
      { commands: Arbitrary.array(Arbitrary.schema(Command), { maxLength: 50 }) },
      ({ commands }) =>
        Effect.gen(function* () {
          const spool = yield* RelaySpool
          let model: ReadonlyArray<ReturnType<typeof spooledAt>> = []
          for (const [n, command] of commands.entries()) {
            const ids = (yield* spool.peek(100)).map(({ id }) => id)
            if (command._tag === "Offer") {
              const entry = spooledAt(n, BigInt(command.sessionEnd))
              yield* spool.offer(entry)
              model = [...model, entry]
            } else if (command._tag === "Remove") {
              yield* spool.remove(ids.slice(command.place, command.place + 1))
              model = model.filter((_, place) => place !== command.place)
            } else {
              yield* spool.remove(ids.slice(0, command.count).toReversed())
              model = model.slice(command.count)
            }
            assert.strictEqual(yield* spool.size, model.length)
            assert.deepStrictEqual(
              yield* kept(spool),
              model.map(({ relay }) => relay)
            )
            const ends = model.map(({ relay }) => relay.sessionEndHeight).sort((a, b) => Number(a - b))
            assert.strictEqual(Option.getOrUndefined(yield* spool.lowestSessionEnd), ends[0])
          }
        }).pipe(Effect.provide(layer)),
      { arbitrary: { runs, size: 50 } }
    )
  })
}
