/** Proof bytes that nobody honest sends: decoding and verification answer with a typed refusal, at bounded cost. */
import { assert, describe, it } from "@effect/vitest"
import { concatBytes } from "@noble/hashes/utils.js"
import { Result } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { proveClosest } from "../../../domain/smst/ClosestProof.ts"
import { compact, type CompactProof, ProofRefused } from "../../../domain/smst/CompactProof.ts"
import * as GobProof from "../../../domain/smst/GobProof.ts"
import { GobError, GobReader } from "../../../domain/smst/GobReader.ts"
import { verify } from "../../../domain/smst/ProofVerification.ts"
import { Trie } from "../../../domain/smst/Trie.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { leavesBetween, seededNumbers } from "./leaves.ts"
import { NodeStore } from "./nodeStore.ts"

const aSession = (leaves: number) => {
  const trie = Trie.empty()
  const store = new NodeStore()
  store.write(Result.getOrThrow(trie.insertBatch(leavesBetween(0, leaves))).writes)
  store.apply(trie.commit())
  const proof = (seed: number): CompactProof =>
    compact(Result.getOrThrow(proveClosest(trie, sha256(Uint8Array.of(seed)), store.read)))
  return { root: trie.root(), proof }
}

const { proof, root } = aSession(100)
const valid = GobProof.encode(proof(1))

/**
 * Decodes and verifies. Anything but a value or a typed refusal fails the test, and so does work or memory beyond a
 * few times the input.
 */
const judge = (bytes: Uint8Array): string => {
  const reader = new GobReader(bytes)
  const decoded = GobProof.decodeFrom(reader, GobProof.defaultLimits)
  assert.isAtMost(reader.reads, bytes.length + 8)
  assert.isAtMost(reader.copied, bytes.length)
  if (Result.isFailure(decoded)) {
    assert.instanceOf(decoded.failure, GobError)
    assert.isAtMost(decoded.failure.offset, bytes.length)
    return "undecodable"
  }
  let hashes = 0
  const result = verify(decoded.success, root, (input) => {
    hashes++
    assert.isAtMost(input.length, bytes.length + 200)
    return sha256(input)
  })
  assert.isAtMost(hashes, 520)
  if (Result.isFailure(result)) {
    assert.instanceOf(result.failure, ProofRefused)
    return "refused"
  }
  return String(result.success)
}

/** Gob pieces for descriptors of our own. */
const uint = (value: number): Uint8Array =>
  value < 128 ? Uint8Array.of(value) : Uint8Array.of(0xfc, value >>> 24, value >>> 16, value >>> 8, value)
const int = (value: number) => uint(value >= 0 ? value * 2 : -value * 2 - 1)
const text = (value: string) => concatBytes(uint(value.length), new TextEncoder().encode(value))
const message = (...body: ReadonlyArray<Uint8Array>) => {
  const whole = concatBytes(...body)
  return concatBytes(uint(whole.length), whole)
}
const of = (...bytes: ReadonlyArray<number>) => Uint8Array.of(...bytes)
/** Common part of a descriptor without its final zero: id only. */
const common = (id: number) => concatBytes(of(1, 2), int(id), of(0))
const structType = (id: number, fields: ReadonlyArray<readonly [string, number]>) =>
  message(
    int(-id),
    of(3),
    common(id),
    of(1),
    uint(fields.length),
    ...fields.map(([name, fieldId]) => concatBytes(of(1), text(name), of(1), int(fieldId), of(0))),
    of(0, 0)
  )
const sliceType = (id: number, element: number) => message(int(-id), of(2), common(id), of(1), int(element), of(0, 0))
const arrayType = (id: number, element: number, length: number) =>
  message(int(-id), of(1), common(id), of(1), int(element), of(1), int(length), of(0, 0))
const mapType = (id: number, key: number, element: number) =>
  message(int(-id), of(4), common(id), of(1), int(key), of(1), int(element), of(0, 0))
const ownType = (id: number, kind: number) => message(int(-id), of(kind + 1), common(id), of(0, 0))

/** A stream whose top struct has `Path` and an unknown field `X` of the given type, and then its value. */
const withUnknown = (fieldId: number, types: ReadonlyArray<Uint8Array>, value: Uint8Array) =>
  concatBytes(
    ...types,
    structType(64, [
      ["X", fieldId],
      ["Path", 5]
    ]),
    message(int(64), of(1), value, of(1, 2, 7, 7, 0))
  )

const pathOf = (bytes: Uint8Array) => {
  const reader = new GobReader(bytes)
  const decoded = GobProof.decodeFrom(reader, GobProof.defaultLimits)
  assert.isAtMost(reader.reads, bytes.length + 8)
  return Result.isSuccess(decoded) ? toHex(decoded.success.path) : decoded.failure.reason
}

describe("hostile proof bytes", () => {
  it("are refused when a valid proof is cut at any length", () => {
    assert.strictEqual(judge(valid), "true")
    const verdicts = new Set(Array.from({ length: valid.length }, (_, size) => judge(valid.slice(0, size))))
    assert.deepStrictEqual(verdicts, new Set(["undecodable"]))
  })

  it("are refused when the cut lies inside the last message whose length is corrected", () => {
    const start = 286
    const header = valid.slice(0, start)
    const body = valid.slice(start + 3)
    assert.strictEqual(toHex(valid.slice(start, start + 1)), "fe")
    let verified = 0
    for (let size = 1; size < body.length - 2; size++) {
      const bytes = concatBytes(header, message(body.slice(0, size)))
      if (judge(bytes) !== "true") continue
      // The neighbour's encoding comes last and is optional.
      const inner = Result.getOrThrow(GobProof.decode(bytes)).closestProof!
      assert.strictEqual(inner.siblingData.length, 0)
      verified++
    }
    assert.strictEqual(verified, 1)
  })

  it("never verify with a changed byte unless that byte is not looked at", () => {
    const original = Result.getOrThrow(GobProof.decode(valid))
    for (let at = 0; at < valid.length; at++) {
      for (const change of [1, 0x80, 0xff]) {
        const bytes = valid.map((byte, i) => (i === at ? byte ^ change : byte))
        if (judge(bytes) !== "true") continue
        const decoded = Result.getOrThrow(GobProof.decode(bytes))
        // What verifies has the leaf that was proven; only names of types, ids and unchecked parts may differ.
        assert.strictEqual(toHex(decoded.closestValueHash), toHex(original.closestValueHash))
        assert.strictEqual(toHex(decoded.closestPath.slice(0, 32)), toHex(original.closestPath))
      }
    }
  })

  it("are refused when random bytes replace, enter or leave a valid proof, or two proofs are spliced", () => {
    const other = GobProof.encode(proof(2))
    const next = seededNumbers(11)
    const counts = new Map<string, number>()
    for (let round = 0; round < 6000; round++) {
      const at = next(valid.length)
      const size = next(5)
      const noise = Uint8Array.from({ length: next(9) }, () => (next(2) === 0 ? next(256) : 248 + next(8)))
      const bytes =
        round % 4 === 0
          ? concatBytes(valid.slice(0, at), other.slice(next(other.length)))
          : concatBytes(valid.slice(0, at), noise, valid.slice(at + size))
      const verdict = judge(bytes)
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1)
    }
    assert.isAbove(counts.get("undecodable") ?? 0, 1000)
    assert.isAbove(counts.get("refused") ?? 0, 10)
  })

  it("are refused when they are noise", () => {
    const next = seededNumbers(12)
    for (let round = 0; round < 3000; round++) {
      const bytes = Uint8Array.from({ length: next(60) }, () => (next(3) === 0 ? next(256) : next(8)))
      assert.include(["undecodable", "refused"], judge(bytes))
    }
  })

  it("never allocate for a length that the input does not have", () => {
    const lengths = [128, 65_536, 2 ** 31 - 1].map(uint)
    const huge = [hex("f8ffffffffffffffff"), hex("f87fffffffffffffff"), hex("f90100000000000000"), ...lengths]
    const prefix = valid.slice(0, 286)
    for (const length of huge) {
      assert.strictEqual(judge(length), "undecodable")
      assert.strictEqual(judge(concatBytes(prefix, length, of(0xff, 0x80))), "undecodable")
      for (const field of [1, 2, 3, 4, 5]) {
        const value = message(of(0xff, 0x80, field), length, of(1, 2, 3))
        assert.strictEqual(judge(concatBytes(prefix, value)), "undecodable")
      }
      assert.strictEqual(judge(message(int(-64), of(3, 1, 1), length)), "undecodable")
      assert.strictEqual(judge(message(int(-64), of(3, 2), length)), "undecodable")
    }
    assert.strictEqual(judge(hex("f7010000000000000000")), "undecodable")
  })

  it("keep to the limits of types, fields, entries, nesting and size", () => {
    const types = (count: number) => Array.from({ length: count }, (_, i) => structType(65 + i, [["A", 2]]))
    const value = of(4)
    assert.strictEqual(pathOf(withUnknown(2, types(31), value)), "0707")
    assert.strictEqual(pathOf(withUnknown(2, types(32), value)), "too many types")
    const fields = (count: number) => Array.from({ length: count }, (_, i) => [`F${i}`, 2] as const)
    assert.strictEqual(pathOf(withUnknown(65, [structType(65, fields(64))], of(0))), "0707")
    assert.strictEqual(pathOf(withUnknown(65, [structType(65, fields(65))], of(0))), "too many fields")
    const list = (count: number) => concatBytes(uint(count), new Uint8Array(count))
    assert.strictEqual(pathOf(withUnknown(65, [sliceType(65, 2)], list(65_536))), "0707")
    assert.strictEqual(pathOf(withUnknown(65, [sliceType(65, 2)], list(65_537))), "too many list entries")
    const nested = (structs: number) => concatBytes(new Uint8Array(structs - 1).fill(1), new Uint8Array(structs))
    const recursive = structType(65, [["Next", 65]])
    assert.strictEqual(pathOf(withUnknown(65, [recursive], nested(17))), "0707")
    assert.strictEqual(pathOf(withUnknown(65, [recursive], nested(18))), "nested too deeply")
    assert.strictEqual(pathOf(withUnknown(65, [recursive], nested(5000))), "nested too deeply")
    assert.strictEqual(pathOf(withUnknown(65, [sliceType(65, 65)], new Uint8Array(5000).fill(1))), "nested too deeply")
    const limited = GobProof.decode(valid, { ...GobProof.defaultLimits, maxBytes: valid.length - 1 })
    assert.isTrue(Result.isFailure(limited))
  })

  it("pass over unknown fields of every type and refuse interfaces and types that are not described", () => {
    const cases: ReadonlyArray<readonly [number, ReadonlyArray<Uint8Array>, Uint8Array]> = [
      [1, [], of(1)],
      [2, [], of(0xff, 0x80)],
      [3, [], of(5)],
      [4, [], hex("fef03f")],
      [5, [], of(2, 9, 9)],
      [6, [], of(0)],
      [7, [], of(1, 2)],
      [65, [sliceType(65, 6)], of(2, 1, 9, 0)],
      [65, [arrayType(65, 2, 3)], of(3, 1, 2, 3)],
      [65, [mapType(65, 6, 2)], of(1, 1, 9, 4)],
      [65, [structType(65, [["A", 2]])], of(1, 4, 0)],
      [65, [ownType(65, 4)], of(2, 9, 9)],
      [65, [ownType(65, 5)], of(2, 9, 9)],
      [65, [ownType(65, 6)], of(2, 9, 9)]
    ]
    for (const [index, [id, types, value]] of cases.entries()) {
      assert.strictEqual(pathOf(withUnknown(id, types, value)), "0707", `case ${index}`)
    }
    assert.strictEqual(pathOf(withUnknown(8, [], of(0))), "interface value")
    assert.strictEqual(pathOf(withUnknown(66, [], of(0))), "undefined type 66")
    assert.strictEqual(pathOf(withUnknown(65, [sliceType(65, 70)], of(0))), "undefined type 70")
    assert.strictEqual(pathOf(withUnknown(65, [message(int(-65), of(0))], of(0))), "undefined type 65")
    assert.strictEqual(pathOf(withUnknown(65, [arrayType(65, 2, 3)], of(2, 1, 2))), "array of another length")
  })

  it("are matched by name and checked by type even where nothing is sent", () => {
    const sent = (fields: ReadonlyArray<readonly [string, number]>, ...types: ReadonlyArray<Uint8Array>) =>
      pathOf(concatBytes(...types, structType(70, fields), message(int(70), of(1, 1, 8, 0, 99), of(99))))
    assert.strictEqual(sent([["Path", 5]]), "08")
    assert.strictEqual(sent([["Path", 6]]), "field is not bytes")
    assert.strictEqual(
      sent([
        ["Path", 5],
        ["Depth", 2]
      ]),
      "field is not bytes"
    )
    assert.strictEqual(
      sent([
        ["Path", 5],
        ["FlippedBits", 5]
      ]),
      "field is not a list of bytes"
    )
    assert.strictEqual(
      sent(
        [
          ["Path", 5],
          ["FlippedBits", 65]
        ],
        sliceType(65, 6)
      ),
      "field is not a list of bytes"
    )
    assert.strictEqual(
      sent(
        [
          ["Path", 5],
          ["ClosestProof", 65]
        ],
        sliceType(65, 5)
      ),
      "value is not a struct"
    )
    assert.strictEqual(
      sent(
        [
          ["Path", 5],
          ["ClosestProof", 65]
        ],
        structType(65, [["NumSideNodes", 3]])
      ),
      "field is not an integer"
    )
    assert.strictEqual(
      sent(
        [
          ["Path", 5],
          ["ClosestProof", 65]
        ],
        structType(65, [["Other", 3]])
      ),
      "08"
    )
    assert.strictEqual(
      sent([
        ["Path", 5],
        ["", 2]
      ]),
      "field without name"
    )
    assert.strictEqual(sent([["Other", 5]]), "no field of a proof")
    assert.strictEqual(
      sent([
        ["Path", 5],
        ["Other", 99]
      ]),
      "undefined type 99"
    )
    assert.strictEqual(
      pathOf(concatBytes(structType(64, [["Path", 5]]), structType(64, [["Path", 5]]))),
      "type id is taken"
    )
    assert.strictEqual(pathOf(structType(63, [["Path", 5]])), "type id is taken")
  })
})

describe("hostile proofs", () => {
  const { proof: small } = aSession(3)
  const base = small(4)
  const inner = base.closestProof!
  const refusal = (changed: Partial<CompactProof>, changedInner: Partial<typeof inner> = {}) => {
    const altered: CompactProof = { ...base, closestProof: { ...inner, ...changedInner }, ...changed }
    const result = verify(altered, root)
    return Result.isFailure(result) ? result.failure.field : String(result.success)
  }
  const bytes = (size: number) => new Uint8Array(size)

  it("that make the chain's library panic are refused", () => {
    assert.strictEqual(refusal({ closestProof: undefined }), "closestProof")
    assert.strictEqual(refusal({ closestPath: bytes(31) }), "closestPath")
    assert.strictEqual(refusal({ closestPath: bytes(0) }), "closestPath")
    assert.strictEqual(refusal({ flippedBits: [of(1, 0)], depth: of(1, 0) }), "flippedBits")
    assert.strictEqual(refusal({ closestValueHash: bytes(15) }), "closestValueHash")
    assert.strictEqual(refusal({}, { siblingData: bytes(15) }), "siblingData")
    assert.strictEqual(refusal({}, { siblingData: of(2) }), "siblingData")
    assert.strictEqual(refusal({}, { siblingData: concatBytes(of(2, 0, 9), bytes(40)) }), "siblingData")
    assert.strictEqual(refusal({}, { siblingData: concatBytes(of(2, 0, 9), bytes(48 + 15)) }), "siblingData")
    const padded = inner.bitMask.map((byte) => byte | 1)
    const sideNodes = inner.sideNodes.slice(1)
    assert.strictEqual(refusal({}, { bitMask: padded, sideNodes }), "bitMask")
    assert.strictEqual(
      refusal({ closestValueHash: bytes(0) }, { nonMembershipLeafData: bytes(49).fill(1) }),
      "nonMembershipLeafData"
    )
  })

  it("that break a size are refused by the name of the field", () => {
    assert.strictEqual(refusal({ path: bytes(31) }), "path")
    assert.strictEqual(refusal({ path: bytes(33) }), "path")
    assert.strictEqual(refusal({ depth: bytes(3) }), "depth")
    assert.strictEqual(refusal({ depth: of(1, 1) }), "depth")
    assert.strictEqual(refusal({ flippedBits: [bytes(3)] }), "flippedBits")
    assert.strictEqual(refusal({ flippedBits: [of(200)] }), "flippedBits")
    for (const numSideNodes of [-1, 257, 2 ** 40, Number.MAX_VALUE]) {
      assert.strictEqual(refusal({}, { numSideNodes }), "numSideNodes")
    }
    assert.strictEqual(refusal({}, { bitMask: bytes(33) }), "bitMask")
    assert.strictEqual(refusal({}, { sideNodes: [] }), "sideNodes")
    assert.strictEqual(refusal({}, { sideNodes: inner.sideNodes.map(() => bytes(47)) }), "sideNodes")
    assert.strictEqual(refusal({}, { nonMembershipLeafData: bytes(32) }), "nonMembershipLeafData")
    assert.strictEqual(refusal({ path: base.path.map((byte) => byte ^ 0xff) }), "closestPath")
  })

  it("have no more hashes than levels, however many flipped bits and extras they bring", () => {
    const flippedBits = Array.from({ length: 60_000 }, () => of(0))
    let hashes = 0
    const result = verify({ ...base, flippedBits: [...base.flippedBits, ...flippedBits] }, root, (input) => {
      hashes++
      return sha256(input)
    })
    assert.isTrue(Result.isSuccess(result))
    assert.isAtMost(hashes, 10)
  })
})
