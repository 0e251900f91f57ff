/** Floods of signatures that somebody makes to cost the verifier time or memory: everything is counted, nothing is timed. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { makeRingVerificationNative } from "../../../adapters/crypto/RingVerificationNative.ts"
import { loadSecp256k1Native, type Secp256k1Native } from "../../../adapters/crypto/Secp256k1Native.ts"
import { publicKeyOf } from "../../../domain/keys/PrivateKey.ts"
import { decodePoint } from "../../../domain/ring/CurvePoint.ts"
import type { RingSignature } from "../../../domain/ring/RingSignature.ts"
import { verify } from "../../../domain/ring/RingVerification.ts"
import { ORDER, scalarFromBytes } from "../../../domain/ring/Scalar.ts"
import { bytesOf, signWith } from "../../domain/ring/RingSignatureCases.ts"

const FLOOD = 300
const CAPACITY = 16
const native = loadSecp256k1Native()

const scalar = (label: string) => scalarFromBytes(bytesOf(label))
const pointOf = (label: string) => publicKeyOf(bytesOf(label))
const message = bytesOf("hostile message")
/** A valid ring of the application and its gateway, as an honest gateway sends it again and again. */
const honest = signWith(message, [scalar("app"), scalar("gateway")], 1, scalar("nonce"), [
  scalar("decoy"),
  0n
]).signature

/** A verifier over the library with every call counted: of the library, of the pure verifier, and of its multiplications. */
const counted = (library: Secp256k1Native) => {
  const count = { library: 0, pure: 0, pureMembers: 0 }
  const counting = Object.fromEntries(
    Object.entries(library).map(([name, call]) => [
      name,
      typeof call !== "function"
        ? call
        : (...args: ReadonlyArray<unknown>) => {
            count.library++
            return Reflect.apply(call, library, args)
          }
    ])
  ) as unknown as Secp256k1Native // The same functions under the same names.
  const verifier = makeRingVerificationNative(counting, {
    memberCapacity: CAPACITY,
    fallback: (message, signature) => {
      count.pure++
      return verify(message, signature, {
        members: {
          get: () => {
            count.pureMembers++
            return undefined
          }
        }
      })
    }
  })
  return { ...verifier, count }
}

/** Most calls of the library for each member without tables: a recovery, two products, a sum; with edges some more. */
const CALLS_PER_MEMBER = 8

describe.runIf(Result.isSuccess(native))("RingVerificationNative under hostile load", () => {
  const library = Result.getOrThrow(native)
  const floods: ReadonlyArray<readonly [name: string, make: (index: number) => RingSignature]> = [
    ["fresh key images", (index) => ({ ...honest, image: pointOf(`image ${index}`) })],
    [
      "fresh members",
      (index) => ({ ...honest, members: honest.members.map((_, i) => pointOf(`member ${index} ${i}`)) })
    ],
    ["fresh scalars", (index) => ({ ...honest, scalars: honest.scalars.map((_, i) => scalar(`s ${index} ${i}`)) })],
    ["fresh challenges", (index) => ({ ...honest, challenge: scalar(`c ${index}`) })],
    ["zero and extreme scalars", (index) => ({ ...honest, scalars: [[0n, 1n, ORDER - 1n][index % 3]!, 0n] })],
    ["a zero challenge", () => ({ ...honest, challenge: 0n })],
    ["repeated members", () => ({ ...honest, members: Array.from({ length: 16 }, () => honest.members[0]!) })],
    ["members off the curve", (index) => ({ ...honest, members: [honest.members[0]!, offCurve(`member ${index}`)] })],
    ["members that are no points", (index) => ({ ...honest, members: [bytesOf(`m ${index}`), honest.members[1]!] })],
    ["images off the curve", (index) => ({ ...honest, image: offCurve(`image ${index}`) })],
    ["images that are no points", (index) => ({ ...honest, image: Uint8Array.from([4, ...bytesOf(`i ${index}`)]) })]
  ]

  for (const [name, make] of floods) {
    it(`builds no table, keeps to its bounds and never takes the slow way for ${name}`, () => {
      const { count, fill, verify } = counted(library)
      for (let index = 0; index < FLOOD; index++) {
        const signature = make(index)
        const before = count.library
        assert.isFalse(verify(message, signature))
        assert.isAtMost(count.library - before, 2 + CALLS_PER_MEMBER * signature.members.length)
      }
      assert.isAtMost(fill().members, CAPACITY)
      assert.deepStrictEqual({ ...fill(), members: 0 }, { members: 0, memberTables: 0, imageTables: 0 })
      // The pure verifier is asked about images that no library decodes, and stops at the image.
      assert.strictEqual(count.pure, name.startsWith("images") ? FLOOD : 0)
      assert.strictEqual(count.pureMembers, 0)
    })
  }

  it("builds no table for signers that come once, valid as they are", () => {
    const { count, fill, verify } = counted(library)
    for (let index = 0; index < 80; index++) {
      const keys = [scalar(`app ${index}`), scalar(`gateway ${index}`)]
      const { signature } = signWith(message, keys, 1, scalar(`n ${index}`), [scalar(`d ${index}`), 0n])
      assert.isTrue(verify(message, signature))
    }
    assert.deepStrictEqual(fill(), { members: CAPACITY, memberTables: 0, imageTables: 0 })
    assert.strictEqual(count.pure, 0)
  })

  it("keeps the tables of honest signers through a flood", () => {
    const { count, fill, verify } = counted(library)
    for (let i = 0; i < 400; i++) assert.isTrue(verify(message, honest))
    const held = fill()
    assert.deepStrictEqual([held.memberTables, held.imageTables], [2, 1])
    const cost = () => {
      const before = count.library
      assert.isTrue(verify(message, honest))
      return count.library - before
    }
    const calls = cost()
    for (const [, make] of floods) for (let index = 0; index < 40; index++) verify(message, make(index))
    assert.deepStrictEqual({ ...fill(), members: 0 }, { ...held, members: 0 })
    assert.strictEqual(cost(), calls)
  })
})

/** `02` and an x that no point has. */
const offCurve = (label: string): Uint8Array => {
  for (let attempt = 0; ; attempt++) {
    const bytes = Uint8Array.from([2, ...bytesOf(`${label} ${attempt}`)])
    if (decodePoint(bytes) === undefined) return bytes
  }
}
