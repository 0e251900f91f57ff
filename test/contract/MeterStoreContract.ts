/** What every `MeterStore` must do: never beyond the limit, whole units, never negative. */
import { assert, describe } from "@effect/vitest"
import { Effect, type Layer, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { type MeterKey, MeterStore } from "../../domain/ports/MeterStore.ts"
import { alice, bob, first, second } from "./StoreFixtures.ts"
import type { Timing } from "./Timing.ts"

/** One adapter under test. The layer gives a fresh and empty store each time it is built. */
export interface MeterStoreWorld {
  readonly name: string
  readonly layer: Layer.Layer<MeterStore>
  readonly timing: Timing
}

const key: MeterKey = { session: first, supplier: alice }
const otherKeys: ReadonlyArray<MeterKey> = [
  { session: second, supplier: alice },
  { session: first, supplier: bob }
]
const aTake = (unit: bigint, wanted: bigint, limit: bigint, of = key) => ({
  key: of,
  unit,
  wanted,
  limit,
  sessionEnd: 40n
})

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const Command = Schema.TaggedUnion({
  Take: { key: upTo(2), unit: upTo(9), units: upTo(12), limit: upTo(200) },
  GiveBack: { key: upTo(2), amount: upTo(60) },
  Drop: { key: upTo(2), chance: upTo(2) }
})

/** Registers the suite for one adapter. */
export const meterStoreContract = ({ name, layer, timing }: MeterStoreWorld): void => {
  const { it, runs } = timing
  const test = <E>(title: string, body: (meter: MeterStore["Service"]) => Effect.Effect<void, E>) =>
    it(title, () => Effect.provide(MeterStore.use(body), layer))

  describe(`MeterStore, ${name}`, () => {
    test("begins at nothing consumed", (meter) =>
      Effect.map(meter.consumed(key), (consumed) => assert.strictEqual(consumed, 0n)))

    test("takes what is wanted while it fits", (meter) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* meter.take(aTake(3n, 30n, 100n)), 30n)
        assert.strictEqual(yield* meter.take(aTake(3n, 60n, 100n)), 60n)
        assert.strictEqual(yield* meter.consumed(key), 90n)
      }))

    test("takes as many whole units as fit, then none", (meter) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* meter.take(aTake(30n, 90n, 100n)), 90n)
        assert.strictEqual(yield* meter.take(aTake(30n, 30n, 100n)), 0n)
        assert.strictEqual(yield* meter.take(aTake(4n, 40n, 100n)), 8n)
        assert.strictEqual(yield* meter.take(aTake(1n, 1n, 100n)), 1n)
        assert.strictEqual(yield* meter.consumed(key), 99n)
        assert.strictEqual(yield* meter.take(aTake(1n, 5n, 100n)), 1n)
        assert.strictEqual(yield* meter.take(aTake(1n, 1n, 100n)), 0n)
      }))

    test("takes up to the limit inclusive", (meter) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* meter.take(aTake(100n, 100n, 100n)), 100n)
        assert.strictEqual(yield* meter.consumed(key), 100n)
      }))

    const nothing: ReadonlyArray<readonly [string, bigint, bigint, bigint]> = [
      ["a unit of 0", 0n, 10n, 100n],
      ["nothing wanted", 5n, 0n, 100n],
      ["a limit of 0", 5n, 5n, 0n],
      ["a limit below one unit", 5n, 5n, 4n],
      ["a negative limit", 5n, 5n, -10n],
      ["a negative want", 5n, -5n, 100n]
    ]
    for (const [what, unit, wanted, limit] of nothing) {
      test(`takes 0 for ${what}`, (meter) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* meter.take(aTake(unit, wanted, limit)), 0n)
          assert.strictEqual(yield* meter.consumed(key), 0n)
        }))
    }

    test("takes 0 when the limit has fallen below what is consumed", (meter) =>
      Effect.gen(function* () {
        yield* meter.take(aTake(1n, 50n, 100n))
        assert.strictEqual(yield* meter.take(aTake(1n, 1n, 40n)), 0n)
        assert.strictEqual(yield* meter.consumed(key), 50n)
      }))

    test("counts amounts beyond 53 bits exactly", (meter) =>
      Effect.gen(function* () {
        const most = 9_223_372_036_854_775_807n
        assert.strictEqual(yield* meter.take(aTake(1n, most - 2n, most)), most - 2n)
        assert.strictEqual(yield* meter.take(aTake(1n, 9n, most)), 2n)
        assert.strictEqual(yield* meter.consumed(key), most)
        yield* meter.giveBack(key, 3n)
        assert.strictEqual(yield* meter.consumed(key), most - 3n)
      }))

    test("gives back what was not used, for others to take", (meter) =>
      Effect.gen(function* () {
        yield* meter.take(aTake(10n, 100n, 100n))
        yield* meter.giveBack(key, 40n)
        assert.strictEqual(yield* meter.consumed(key), 60n)
        assert.strictEqual(yield* meter.take(aTake(10n, 100n, 100n)), 40n)
      }))

    test("never becomes negative", (meter) =>
      Effect.gen(function* () {
        yield* meter.take(aTake(10n, 20n, 100n))
        yield* meter.giveBack(key, 50n)
        assert.strictEqual(yield* meter.consumed(key), 0n)
        assert.strictEqual(yield* meter.take(aTake(10n, 1_000n, 100n)), 100n)
      }))

    test("passes over a give-back of nothing or less", (meter) =>
      Effect.gen(function* () {
        yield* meter.take(aTake(10n, 20n, 100n))
        yield* meter.giveBack(key, 0n)
        yield* meter.giveBack(key, -30n)
        assert.strictEqual(yield* meter.consumed(key), 20n)
      }))

    test("keeps sessions and suppliers apart", (meter) =>
      Effect.gen(function* () {
        yield* meter.take(aTake(1n, 70n, 100n))
        for (const other of otherKeys) {
          assert.strictEqual(yield* meter.consumed(other), 0n)
          assert.strictEqual(yield* meter.take(aTake(1n, 100n, 100n, other)), 100n)
          yield* meter.drop(other)
        }
        assert.strictEqual(yield* meter.consumed(key), 70n)
      }))

    test("forgets a dropped counter; dropping twice and giving back late are no errors", (meter) =>
      Effect.gen(function* () {
        yield* meter.take(aTake(1n, 70n, 100n))
        yield* meter.drop(key)
        yield* meter.drop(key)
        yield* meter.giveBack(key, 10n)
        assert.strictEqual(yield* meter.consumed(key), 0n)
        assert.strictEqual(yield* meter.take(aTake(1n, 200n, 100n)), 100n)
      }))

    test("of many takers at once gives each whole units and all together no more than the limit", (meter) =>
      Effect.gen(function* () {
        const taken = yield* Effect.forEach(
          Array.from({ length: 60 }, (_, n) => BigInt((n % 5) + 1) * 7n),
          (wanted) => meter.take(aTake(7n, wanted, 500n)),
          { concurrency: "unbounded" }
        )
        assert.isTrue(taken.every((amount) => amount >= 0n && amount % 7n === 0n))
        const sum = taken.reduce((a, b) => a + b, 0n)
        assert.strictEqual(sum, 497n)
        assert.strictEqual(yield* meter.consumed(key), sum)
      }))

    test("of takers and givers at once loses no amount", (meter) =>
      Effect.gen(function* () {
        const replica = Effect.gen(function* () {
          let kept = 0n
          for (let n = 0n; n < 20n; n++) {
            const taken = yield* meter.take(aTake(5n, 25n, 600n))
            const unused = taken > 5n ? taken - 5n : 0n
            yield* meter.giveBack(key, unused)
            kept += taken - unused
            assert.isTrue((yield* meter.consumed(key)) <= 600n)
          }
          return kept
        })
        const kept = yield* Effect.all([replica, replica, replica], { concurrency: "unbounded" })
        assert.strictEqual(
          yield* meter.consumed(key),
          kept.reduce((a, b) => a + b, 0n)
        )
      }))

    it.prop(
      "agrees with a sum of what was taken and given back",
      { commands: Arbitrary.array(Arbitrary.schema(Command), { maxLength: 60 }) },
      ({ commands }) =>
        Effect.gen(function* () {
          const meter = yield* MeterStore
          const keys = [key, ...otherKeys]
          const sums = keys.map(() => 0n)
          for (const command of commands) {
            const of = keys[command.key]!
            const sum = sums[command.key]!
            if (command._tag === "Take") {
              const [unit, units, limit] = [command.unit, command.units, command.limit].map(BigInt)
              const taken = yield* meter.take(aTake(unit!, unit! * units!, limit!, of))
              assert.strictEqual(taken, expectedTake(sum, unit!, units!, limit!))
              sums[command.key] = sum + taken
            } else if (command._tag === "GiveBack") {
              const amount = BigInt(command.amount)
              yield* meter.giveBack(of, amount)
              sums[command.key] = sum > amount ? sum - amount : 0n
            } else if (command.chance === 0) {
              yield* meter.drop(of)
              sums[command.key] = 0n
            }
            for (const [n, each] of keys.entries()) assert.strictEqual(yield* meter.consumed(each), sums[n])
          }
        }).pipe(Effect.provide(layer)),
      { arbitrary: { runs, size: 60 } }
    )
  })
}

/** The largest number of units, at most `units`, with which the sum stays within the limit; counted one by one. */
const expectedTake = (sum: bigint, unit: bigint, units: bigint, limit: bigint): bigint => {
  if (unit === 0n) return 0n
  let taken = 0n
  for (let n = 0n; n < units && sum + taken + unit <= limit; n++) taken += unit
  return taken
}
