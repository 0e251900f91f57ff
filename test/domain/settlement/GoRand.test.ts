import { assert, describe, it } from "@effect/vitest"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { sample, seededSource, source, varintSeed } from "../../../domain/settlement/GoRand.ts"
import { goRandTable } from "../../../domain/settlement/GoRandTable.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface Cases {
  readonly table: ReadonlyArray<string>
  readonly long_run: { readonly seed: string; readonly values: ReadonlyArray<string> }
  readonly sources: ReadonlyArray<{
    readonly seed: string
    readonly int63: ReadonlyArray<string>
    readonly float64_bits_hex: ReadonlyArray<string>
  }>
  readonly seeded: ReadonlyArray<{
    readonly input_hex: string
    readonly sha256_hex: string
    readonly varint_seed: string
    readonly varint_read: number
    readonly float64_bits_hex: string
    readonly float64: number
  }>
}

const cases = loadVectors<Cases>("go-rand")
/** IEEE 754, big-endian hex. */
const bits = (value: number): string => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value)
  return toHex(bytes)
}

/** Whether a byte of a varint is followed by another. */
const isContinued = (byte: number): boolean => byte >= 0x80

describe("Go random source", () => {
  it("starts from the constants of the vectors", () => {
    assert.deepStrictEqual([...goRandTable].map(String), cases.table)
  })

  for (const { seed, int63, float64_bits_hex } of cases.sources) {
    it(`seed ${seed}: integers and doubles agree with Go`, () => {
      const integers = source(BigInt(seed))
      assert.deepStrictEqual(
        int63.map(() => String(integers.int63())),
        int63.map(String)
      )
      const doubles = source(BigInt(seed))
      assert.deepStrictEqual(
        float64_bits_hex.map(() => bits(doubles.float64())),
        float64_bits_hex
      )
    })
  }

  it("a long run agrees with Go", () => {
    const integers = source(BigInt(cases.long_run.seed))
    const wanted = cases.long_run.values
    const length = Math.max(...wanted.map((entry) => Number.parseInt(entry, 10))) + 1
    const drawn = new Set(Array.from({ length }, (_, index) => `${index}:${integers.int63()}`))
    assert.deepStrictEqual(
      wanted.filter((entry) => !drawn.has(entry)),
      []
    )
  })

  for (const vector of cases.seeded) {
    it(`sample of ${vector.input_hex.slice(0, 16)}…`, () => {
      const input = hex(vector.input_hex)
      const digest = sha256(input)
      assert.strictEqual(toHex(digest), vector.sha256_hex)
      assert.strictEqual(String(varintSeed(digest)), vector.varint_seed)
      const length = vector.varint_read
      if (length < 0) assert.isTrue(digest.subarray(0, -length - 1).every(isContinued))
      else {
        assert.strictEqual(varintSeed(digest.subarray(0, length)), varintSeed(digest))
        assert.deepStrictEqual(Array.from(digest.subarray(0, length), isContinued), [
          ...Array.from({ length: length - 1 }, () => true),
          false
        ])
      }
      assert.strictEqual(bits(sample(input)), vector.float64_bits_hex)
      assert.strictEqual(sample(input), vector.float64)
      assert.strictEqual(bits(seededSource(input).float64()), vector.float64_bits_hex)
    })
  }

  it("a varint takes at most 64 bits", () => {
    const varint = (...bytes: ReadonlyArray<number>) => varintSeed(Uint8Array.from(bytes))
    const nine = Array.from({ length: 9 }, () => 0xff)
    assert.strictEqual(varint(...nine, 1), -(2n ** 63n))
    assert.strictEqual(varint(0xfe, ...nine.slice(1), 1), 2n ** 63n - 1n)
    assert.strictEqual(varint(...nine, 2), 0n)
    assert.strictEqual(varint(...nine, 0x80, 0), 0n)
    assert.strictEqual(varint(0x80), 0n)
  })
})
