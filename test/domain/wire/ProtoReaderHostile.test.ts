import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { bytesField, counted, join, repeated, tag, textField, varint } from "./WireBytes.ts"
import { decode } from "./WireSample.ts"

describe("hostile input", () => {
  const million = 1 << 20
  const inputs: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["1 MB of varint bytes", repeated(0x80, million)],
    ["1 MB of full varint bytes", repeated(0xff, million)],
    ["1 MB of zero bytes", repeated(0, million)],
    ["1 MB of a text in one field", textField(1, "a".repeat(million))],
    ["1 MB of empty texts", Uint8Array.from({ length: million }, (_, i) => (i % 2 === 0 ? 0x0a : 0))],
    ["1 MB of empty sub-messages", Uint8Array.from({ length: million }, (_, i) => (i % 2 === 0 ? 0x4a : 0))],
    ["1 MB of empty list items", Uint8Array.from({ length: million }, (_, i) => (i % 2 === 0 ? 0x52 : 0))],
    ["groups opened 1 MB deep", repeated(0xfb, million).map((byte, i) => (i % 2 === 0 ? byte : 0x0f))],
    ["groups opened and closed", join(repeated(0x7b, million / 2), repeated(0x7c, million / 2))],
    [
      "sub-messages that promise the rest",
      join(...Array.from({ length: 1000 }, () => join(tag(9, 2), varint(50_000))))
    ],
    ["unknown fields", join(...Array.from({ length: 1000 }, (_, i) => bytesField(20 + i, repeated(1, 100))))]
  ]

  for (const dialect of ["gogo", "google"] as const) {
    for (const [name, input] of inputs) {
      it(`reads each byte a few times at most: ${name}, ${dialect}`, () => {
        const watched = counted(input)
        const result = decode(watched.bytes, dialect)
        assert.isAtMost(watched.visited(), 4 * input.length + 16)
        if (Result.isSuccess(result)) assert.isAtMost(result.success.tags.length, input.length / 2)
        else assert.isAtMost(result.failure.offset, input.length)
      })
    }
  }
})
