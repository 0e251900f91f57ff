/**
 * CPU time of one ring verification with two members: native (before and after its tables are built) against noble without
 * tables. Run with `node test/bench/RingBench.ts`; the rounds alternate, so a busy machine disturbs both alike.
 *
 * linux-x64, 2 shared cores, Node 24.21: noble 4.7 ms, pure verifier 3.9 ms, with tables 1.9 ms,
 * native 0.24 ms, with tables 0.19 ms.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { Result } from "effect"
import { makeRingVerificationNative } from "../../adapters/crypto/RingVerificationNative.ts"
import { loadSecp256k1Native } from "../../adapters/crypto/Secp256k1Native.ts"
import { decodePoint, encodePoint } from "../../domain/ring/CurvePoint.ts"
import { hashToCurve } from "../../domain/ring/HashToCurve.ts"
import { decode } from "../../domain/ring/RingSignature.ts"
import { challenge, makeMemberPoints, verify } from "../../domain/ring/RingVerification.ts"
import { makeRingVerificationPure } from "../../domain/ring/RingVerifierPure.ts"
import { ringVectors } from "../domain/ring/RingSignatureCases.ts"
import { hex } from "../vectors/load.ts"

const vector = ringVectors.valid.find(({ pubkeys_hex }) => pubkeys_hex.length === 2)!
const message = hex(vector.message_hex)
const signature = Result.getOrThrow(decode(hex(vector.signature_hex), 16))
const native = Result.getOrThrow(loadSecp256k1Native())
const noTables = { capacity: 0, promoteAfter: 0, idlePasses: 0 }
const members = makeMemberPoints(16)

const key = signature.members.map((member) => decodePoint(member)!)
const hashed = signature.members.map((member) => hashToCurve(member)!.point)
const image = decodePoint(signature.image)!

/** The baseline: eight plain multiplications. */
const noble = (): boolean => {
  let c = signature.challenge
  signature.members.forEach((_, i) => {
    const s = signature.scalars[i]!
    const left = secp256k1.Point.BASE.multiplyUnsafe(s).add(key[i]!.multiplyUnsafe(c))
    const right = hashed[i]!.multiplyUnsafe(s).add(image.multiplyUnsafe(c))
    c = challenge(message, encodePoint(left), encodePoint(right))!
  })
  return c === signature.challenge
}

const plain = makeRingVerificationNative(native, { memberCapacity: 16, memberTables: noTables, imageTables: noTables })
const tabled = makeRingVerificationNative(native, { memberCapacity: 16 })
const { verify: tabledPure } = makeRingVerificationPure({ memberCapacity: 16 })
const contenders: ReadonlyArray<readonly [name: string, runs: number, body: () => boolean]> = [
  ["noble", 40, noble],
  ["pure", 40, () => verify(message, signature, { members })],
  ["pure with tables", 80, () => tabledPure(message, signature)],
  ["native", 500, () => plain.verify(message, signature)],
  ["native with tables", 500, () => tabled.verify(message, signature)]
]

/** User and system time for one run, µs. */
const cpu = (runs: number, body: () => boolean): number => {
  const start = process.cpuUsage()
  for (let i = 0; i < runs; i++) if (!body()) throw new Error("a valid signature was refused")
  const { user, system } = process.cpuUsage(start)
  return (user + system) / runs
}

const best = new Map<string, number>()
for (let round = 0; round < 5; round++) {
  for (const [name, runs, body] of contenders) best.set(name, Math.min(best.get(name) ?? Infinity, cpu(runs, body)))
}
for (const [name, µs] of best)
  console.log(`${name}: ${µs.toFixed(0)} µs, ${(µs / best.get("noble")!).toFixed(3)} of noble`)
