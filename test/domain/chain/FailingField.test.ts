/** The field that a refused answer names: found by the descriptor, in bytes built by hand, cut, or hostile. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { failingField } from "../../../domain/chain/FailingField.ts"
import { decodeQuery, messageType } from "../../../domain/chain/QueryMessages.ts"
import { hex, loadVectors } from "../../vectors/load.ts"
import { bytesField, join, repeated, tag, textField, varint } from "../wire/WireBytes.ts"
import { countWireWork } from "../wire/WireWork.ts"

const refusal = (name: string, bytes: Uint8Array) => {
  const result = decodeQuery(messageType(name)!, bytes)
  if (Result.isSuccess(result)) return assert.fail(`${name} was read`)
  return result.failure
}

const session = "pocket.session.QueryGetSessionResponse"
const claims = "pocket.proof.QueryAllClaimsResponse"

describe("a refused answer", () => {
  it("names the field that is not UTF-8, however deep", () => {
    // session 1 { header 1 { application_address 1 } }
    const address = join(tag(1, 2), varint(2n), new Uint8Array([0xc3, 0x28]))
    const failure = refusal(session, bytesField(1, bytesField(1, address)))
    assert.strictEqual(failure.field, "session.header.application_address")
    assert.strictEqual(failure.reason, "not UTF-8 at byte 4")
    assert.strictEqual(
      failure.message,
      "8 bytes are not a pocket.session.QueryGetSessionResponse: session.header.application_address: not UTF-8 at byte 4"
    )
  })

  it("names the entry of a list", () => {
    const good = bytesField(1, textField(1, "pokt1sup"))
    // root_hash 3 says that it is longer than its claim.
    const cut = bytesField(1, join(tag(3, 2), varint(48n), repeated(7, 3)))
    const failure = refusal(claims, join(good, good, cut))
    assert.strictEqual(failure.field, "claims[2].root_hash")
    assert.match(failure.reason, /^length beyond the input at byte \d+$/)
  })

  it("names the number of a field that it does not know", () => {
    assert.strictEqual(refusal(session, join(tag(1000, 2), varint(9n), repeated(0, 3))).field, "#1000")
  })

  it("names none where a tag of the message itself cannot be read", () => {
    assert.strictEqual(refusal(session, new Uint8Array([0x80])).field, "")
  })
})

describe("the search for the field", () => {
  const samples = loadVectors<ReadonlyArray<{ readonly type: string; readonly bytes_hex: string }>>("queries")

  it("finds nothing in what can be read", () => {
    for (const { type, bytes_hex } of samples) {
      assert.isTrue(failingField(messageType(type)!, hex(bytes_hex))._tag === "None", type)
    }
  })

  it("finds a field of each message whose end is missing, at or before the cut", () => {
    let found = 0
    for (const { type, bytes_hex } of samples) {
      const bytes = hex(bytes_hex)
      for (let cut = 1; cut < bytes.length; cut += 1 + (cut >> 3)) {
        const shorter = bytes.subarray(0, cut)
        if (Result.isSuccess(decodeQuery(messageType(type)!, shorter))) continue
        const failure = failingField(messageType(type)!, shorter)
        if (failure._tag === "None") assert.fail(`${type} cut at ${cut}`)
        assert.isAtMost(failure.value.offset, cut)
        found++
      }
    }
    assert.isAbove(found, 500)
  })

  it("meets each byte once, whatever a peer sends", () => {
    const flood = Uint8Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? 0x0a : 0))
    // Each message holds the rest of the input.
    let nested = new Uint8Array(0)
    for (let i = 0; i < 1_000; i++) nested = join(tag(1, 2), varint(BigInt(nested.length)), nested) as typeof nested
    for (const type of new Set(samples.map((sample) => sample.type))) {
      for (const bytes of [flood, nested, repeated(0xff, 20_000), repeated(0x0b, 20_000), bytesField(1, flood)]) {
        const { work } = countWireWork(() => failingField(messageType(type)!, bytes))
        assert.isAtMost(work.fields, bytes.length + 1, type)
        assert.isAtMost(work.bytes, 2 * bytes.length, type)
      }
    }
  })
})
