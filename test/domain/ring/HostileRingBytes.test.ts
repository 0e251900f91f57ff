/** Bytes in the place of a ring signature that nobody honest sends: a typed refusal, and nothing read or kept for it. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decode, encode, InvalidRingSignature, wireLength } from "../../../domain/ring/RingSignature.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { Mutations, SampleIndex } from "../wire/Mutations.ts"
import { counted, mutate } from "../wire/WireBytes.ts"
import { allRingVectors, ringVectors } from "./RingSignatureCases.ts"

const BOUND = 16
const good = hex(ringVectors.valid[0]!.signature_hex)

/** A ring that claims `size` members and really has `present`, all the same. */
const ringOf = (size: number, present: number): Uint8Array => {
  const bytes = new Uint8Array(wireLength(present))
  bytes.set(good.subarray(0, 69))
  new DataView(bytes.buffer).setUint32(0, size)
  for (let i = 0; i < present; i++) bytes.set(good.subarray(69, 134), wireLength(i))
  return bytes
}

/** Decodes and counts: bytes visited in views and, since each member and scalar is made of a view of its own, items. */
const watch = (bytes: Uint8Array, bound: number) => {
  const watched = counted(bytes)
  const result = decode(watched.bytes, bound)
  return { result, visited: watched.visited() }
}

const isTypedRefusal = (result: ReturnType<typeof decode>): boolean =>
  Result.isFailure(result) && result.failure instanceof InvalidRingSignature && result.failure.field !== undefined

describe("hostile ring signatures", () => {
  const refused: ReadonlyArray<readonly [name: string, bytes: Uint8Array, bound: number, field: string]> = [
    ["10 000 members, all there", ringOf(10_000, 10_000), BOUND, "size"],
    ["10 000 members, all but one there", ringOf(10_000, 9_999), 10_000, "length"],
    ["10 000 members, two there", ringOf(10_000, 2), 10_000, "length"],
    ["2^32 - 1 members over the bound", ringOf(2 ** 32 - 1, 2), BOUND, "size"],
    ["2^32 - 1 members within the bound", ringOf(2 ** 32 - 1, 2), 2 ** 32, "length"],
    ["2^31 members within the bound", ringOf(2 ** 31, 10), 2 ** 32, "length"],
    ["no members", ringOf(0, 1_000), BOUND, "size"],
    ["1 MB of full bytes", new Uint8Array(1 << 20).fill(255), BOUND, "size"],
    ["1 MB of zero bytes", new Uint8Array(1 << 20), BOUND, "size"]
  ]
  for (const [name, bytes, bound, field] of refused) {
    it(`are refused before anything is made of them: ${name}`, () => {
      const { result, visited } = watch(bytes, bound)
      assert.isTrue(isTypedRefusal(result))
      if (Result.isFailure(result)) assert.strictEqual(result.failure.field, field)
      assert.strictEqual(visited, 0)
    })
  }

  it("are read once, byte by byte, as far as they go", () => {
    for (const members of [1, 2, BOUND, 10_000]) {
      const bytes = ringOf(members, members + 5)
      const { result, visited } = watch(bytes, 10_000)
      const signature = Result.getOrThrow(result)
      assert.lengthOf(signature.members, members)
      assert.lengthOf(signature.scalars, members)
      assert.isAtMost(visited, wireLength(members))
    }
  })

  const samples = allRingVectors.map(({ signature_hex }) => hex(signature_hex))

  it.prop(
    "made of changed valid ones are refused with a type or read to what encodes the same again",
    { index: SampleIndex, mutations: Mutations },
    ({ index, mutations }) => {
      const bytes = mutate(samples[index % samples.length]!, mutations)
      const { result, visited } = watch(bytes, BOUND)
      if (Result.isFailure(result)) {
        assert.isTrue(isTypedRefusal(result))
        assert.strictEqual(visited, 0)
        return
      }
      assert.isAtMost(visited, bytes.length)
      assert.isAtMost(result.success.members.length, BOUND)
      const again = encode(result.success)
      assert.isAtMost(again.length, bytes.length)
      assert.strictEqual(toHex(encode(Result.getOrThrow(decode(again, BOUND)))), toHex(again))
    },
    { arbitrary: { runs: 2000 } }
  )
})
