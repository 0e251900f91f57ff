/** What every `SharedCache` must do. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, type Layer, Option } from "effect"
import { SharedCache } from "../../domain/ports/SharedCache.ts"
import { hexes } from "./StoreFixtures.ts"
import { beyond, type Timing } from "./Timing.ts"

/** One adapter under test. Layers give a fresh and empty cache each time they are built. */
export interface SharedCacheWorld {
  readonly name: string
  readonly layer: Layer.Layer<SharedCache>
  /** A cache of few entries, where the adapter bounds them itself. */
  readonly small: Option.Option<{ readonly layer: Layer.Layer<SharedCache>; readonly capacity: number }>
  readonly timing: Timing
}

const LIFE = Duration.millis(400)
const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

/** Registers the suite for one adapter. */
export const sharedCacheContract = ({ name, layer, small, timing }: SharedCacheWorld): void => {
  const { it, pass } = timing
  const test = <E>(title: string, body: (cache: SharedCache["Service"]) => Effect.Effect<void, E>) =>
    it(title, () => Effect.provide(SharedCache.use(body), layer))
  const holds = Effect.fnUntraced(function* (
    cache: SharedCache["Service"],
    key: string,
    value: Uint8Array | undefined
  ) {
    const found = Option.getOrUndefined(yield* cache.get(key))
    assert.deepStrictEqual(hexes([found]), hexes([value]))
  })

  describe(`SharedCache, ${name}`, () => {
    test("has nothing under a key that was never set", (cache) => holds(cache, "absent", undefined))

    test("returns what was set, byte for byte", (cache) =>
      Effect.gen(function* () {
        const all = Uint8Array.from({ length: 256 }, (_, n) => n)
        yield* cache.set("all", all, LIFE)
        yield* cache.set("empty", bytes(), LIFE)
        yield* cache.set("", bytes(7), LIFE)
        yield* holds(cache, "all", all)
        yield* holds(cache, "empty", bytes())
        yield* holds(cache, "", bytes(7))
      }))

    test("keeps keys apart, also those that begin alike", (cache) =>
      Effect.gen(function* () {
        yield* cache.set("session:1", bytes(1), LIFE)
        yield* cache.set("session:11", bytes(2), LIFE)
        yield* cache.remove("session:1")
        yield* holds(cache, "session:1", undefined)
        yield* holds(cache, "session:11", bytes(2))
      }))

    test("replaces value and life", (cache) =>
      Effect.gen(function* () {
        yield* cache.set("key", bytes(1), LIFE)
        yield* pass(Duration.times(LIFE, 0.6))
        yield* cache.set("key", bytes(2), LIFE)
        yield* pass(Duration.times(LIFE, 0.6))
        yield* holds(cache, "key", bytes(2))
        yield* pass(beyond(LIFE))
        yield* holds(cache, "key", undefined)
      }))

    test("may shorten a life", (cache) =>
      Effect.gen(function* () {
        yield* cache.set("key", bytes(1), Duration.hours(1))
        yield* cache.set("key", bytes(2), LIFE)
        yield* pass(beyond(LIFE))
        yield* holds(cache, "key", undefined)
      }))

    test("forgets a value at the end of its life, whether read meanwhile or not", (cache) =>
      Effect.gen(function* () {
        yield* cache.set("read", bytes(1), LIFE)
        yield* cache.set("unread", bytes(2), LIFE)
        yield* pass(Duration.times(LIFE, 0.6))
        yield* holds(cache, "read", bytes(1))
        yield* pass(Duration.times(LIFE, 0.6))
        yield* holds(cache, "read", undefined)
        yield* holds(cache, "unread", undefined)
      }))

    test("keeps nothing for no time", (cache) =>
      Effect.gen(function* () {
        yield* cache.set("key", bytes(1), LIFE)
        yield* cache.set("key", bytes(2), Duration.zero)
        yield* holds(cache, "key", undefined)
      }))

    test("removes; absent is no error", (cache) =>
      Effect.gen(function* () {
        yield* cache.set("key", bytes(1), LIFE)
        yield* cache.remove("key")
        yield* cache.remove("key")
        yield* holds(cache, "key", undefined)
        yield* cache.set("key", bytes(2), LIFE)
        yield* holds(cache, "key", bytes(2))
      }))

    test("keeps a value without end until it is removed", (cache) =>
      Effect.gen(function* () {
        yield* cache.set("key", bytes(1), LIFE)
        yield* cache.set("key", bytes(2), Duration.infinity)
        yield* pass(beyond(LIFE))
        yield* holds(cache, "key", bytes(2))
        yield* cache.remove("key")
        yield* holds(cache, "key", undefined)
      }))

    test("sets an absent value once among many who try, and again after its life or removal", (cache) =>
      Effect.gen(function* () {
        const tryAll = Effect.forEach([1, 2, 3, 4], (n) => cache.setIfAbsent("lock", bytes(n), LIFE), {
          concurrency: "unbounded"
        })
        const first = yield* tryAll
        assert.strictEqual(first.filter((won) => won).length, 1)
        yield* holds(cache, "lock", bytes(first.indexOf(true) + 1))
        assert.isFalse(yield* cache.setIfAbsent("lock", bytes(9), LIFE))
        yield* pass(beyond(LIFE))
        assert.isTrue(yield* cache.setIfAbsent("lock", bytes(5), LIFE))
        yield* cache.remove("lock")
        assert.isTrue(yield* cache.setIfAbsent("lock", bytes(6), LIFE))
        yield* holds(cache, "lock", bytes(6))
        yield* pass(beyond(LIFE))
        yield* holds(cache, "lock", undefined)
      }))

    test("removes a value only while it is the one named", (cache) =>
      Effect.gen(function* () {
        assert.isFalse(yield* cache.removeIf("lock", bytes(1)))
        yield* cache.set("lock", bytes(1, 0), LIFE)
        for (const other of [bytes(1), bytes(1, 0, 0), bytes(2, 0), bytes()]) {
          assert.isFalse(yield* cache.removeIf("lock", other))
        }
        yield* holds(cache, "lock", bytes(1, 0))
        assert.isTrue(yield* cache.removeIf("lock", bytes(1, 0)))
        assert.isFalse(yield* cache.removeIf("lock", bytes(1, 0)))
        yield* holds(cache, "lock", undefined)
      }))

    test("keeps sets: members are added once, removed, and survive what several add", (cache) =>
      Effect.gen(function* () {
        const members = (key: string) => Effect.map(cache.members(key), (found) => found.toSorted())
        assert.deepStrictEqual(yield* members("known"), [])
        yield* cache.changeMembers("known", { add: ["b", "a", "b"], remove: [] })
        yield* cache.changeMembers("known", { add: ["c"], remove: ["absent"] })
        assert.deepStrictEqual(yield* members("known"), ["a", "b", "c"])
        yield* pass(beyond(LIFE))
        yield* cache.changeMembers("known", { add: ["d"], remove: ["a", "c"] })
        assert.deepStrictEqual(yield* members("known"), ["b", "d"])
        yield* cache.changeMembers("known", { add: [], remove: [] })
        yield* cache.changeMembers("known", { add: [], remove: ["b", "d"] })
        assert.deepStrictEqual(yield* members("known"), [])
      }))

    if (Option.isSome(small)) {
      const { capacity } = small.value
      it("holds at most its capacity; the entry set longest ago goes first", () =>
        Effect.gen(function* () {
          const cache = yield* SharedCache
          for (let n = 0; n < capacity; n++) yield* cache.set(`key ${n}`, bytes(n), LIFE)
          yield* cache.set("key 0", bytes(100), LIFE)
          yield* cache.set("one more", bytes(101), LIFE)
          yield* holds(cache, "key 0", bytes(100))
          yield* holds(cache, "key 1", undefined)
          for (let n = 2; n < capacity; n++) yield* holds(cache, `key ${n}`, bytes(n))
          yield* holds(cache, "one more", bytes(101))
        }).pipe(Effect.provide(small.value.layer)))
    }
  })
}
