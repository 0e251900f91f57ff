/** What every `Entropy` must do. That its bytes cannot be foretold is the adapter's to say, not a test's. */
import { assert, describe } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { Entropy } from "../../domain/ports/Entropy.ts"
import { hexes } from "./StoreFixtures.ts"
import type { Timing } from "./Timing.ts"

/** One adapter under test. */
export interface EntropyWorld {
  readonly name: string
  readonly layer: Layer.Layer<Entropy>
  readonly timing: Timing
}

/** Registers the suite for one adapter. */
export const entropyContract = ({ name, layer, timing }: EntropyWorld): void => {
  const test = <E>(title: string, body: (entropy: Entropy["Service"]) => Effect.Effect<void, E>) =>
    timing.it(title, () => Effect.provide(Entropy.use(body), layer))

  describe(`Entropy, ${name}`, () => {
    test("gives as many bytes as asked for", (entropy) =>
      Effect.gen(function* () {
        for (const count of [0, 1, 16, 32, 1_000]) assert.lengthOf(yield* entropy.bytes(count), count)
      }))

    test("gives fresh bytes each time", (entropy) =>
      Effect.gen(function* () {
        const draws = yield* Effect.forEach(Array.from({ length: 200 }), () => entropy.bytes(16))
        assert.strictEqual(new Set(hexes(draws)).size, 200)
      }))

    test("gives every value of a byte, each about as often", (entropy) =>
      Effect.gen(function* () {
        const counts = Array.from({ length: 256 }, () => 0)
        for (const byte of yield* entropy.bytes(256 * 200)) counts[byte] = (counts[byte] ?? 0) + 1
        for (const count of counts) assert.isTrue(count > 100 && count < 300, `200 expected, got ${count}`)
      }))

    test("hands out arrays that are the caller's", (entropy) =>
      Effect.gen(function* () {
        const kept = yield* entropy.bytes(32)
        const [before] = hexes([kept])
        const other = yield* entropy.bytes(32)
        other.fill(0)
        assert.strictEqual(hexes([kept])[0], before)
      }))
  })
}
