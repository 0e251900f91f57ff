import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { validateCreateClaim, validateSubmitProof } from "../../../domain/tx/ProofMessageValidation.ts"
import {
  type Claim,
  CREATE_CLAIM,
  decodeClaim,
  decodeCreateClaim,
  decodeSubmitProof,
  encodeAny,
  encodeClaim,
  encodeCreateClaim,
  encodeSubmitProof,
  type MsgCreateClaim,
  type MsgSubmitProof,
  packCreateClaim,
  packSubmitProof,
  SUBMIT_PROOF
} from "../../../domain/tx/ProofMessages.ts"
import { WireError } from "../../../domain/wire/WireError.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface MessageCase {
  readonly name: string
  readonly type_url: string
  readonly claim: {
    readonly supplier_operator_address: string
    readonly session_header: {
      readonly application_address: string
      readonly service_id: string
      readonly session_id: string
      readonly session_start_block_height: string
      readonly session_end_block_height: string
    }
    readonly root_hash_hex: string
  }
  readonly proof_hex?: string
  readonly bytes_hex: string
  readonly any_hex: string
}

const cases = loadVectors<ReadonlyArray<MessageCase>>("messages")

const headerOf = (vector: MessageCase): SessionHeader => ({
  applicationAddress: vector.claim.session_header.application_address,
  serviceId: vector.claim.session_header.service_id,
  sessionId: vector.claim.session_header.session_id,
  sessionStartBlockHeight: BigInt(vector.claim.session_header.session_start_block_height),
  sessionEndBlockHeight: BigInt(vector.claim.session_header.session_end_block_height)
})

const createClaim = (vector: MessageCase): MsgCreateClaim => ({
  supplierOperatorAddress: vector.claim.supplier_operator_address,
  sessionHeader: headerOf(vector),
  rootHash: hex(vector.claim.root_hash_hex)
})

const submitProof = (vector: MessageCase): MsgSubmitProof => ({
  supplierOperatorAddress: vector.claim.supplier_operator_address,
  sessionHeader: headerOf(vector),
  proof: hex(vector.proof_hex)
})

const claims = cases.filter((vector) => vector.type_url === CREATE_CLAIM)
const proofs = cases.filter((vector) => vector.type_url === SUBMIT_PROOF)

describe("claim and proof messages", () => {
  it("covers both messages", () => {
    assert.strictEqual(claims.length + proofs.length, 40)
    assert.isTrue(claims.length > 0 && proofs.length > 0)
  })

  for (const vector of claims) {
    it(`writes, wraps and reads ${vector.name}`, () => {
      const message = createClaim(vector)
      assert.strictEqual(toHex(encodeCreateClaim(message)), vector.bytes_hex)
      assert.strictEqual(toHex(encodeAny(packCreateClaim(message))), vector.any_hex)
      assert.deepStrictEqual(Result.getOrThrow(decodeCreateClaim(hex(vector.bytes_hex))), message)
      assert.isTrue(Result.isSuccess(validateCreateClaim(message)))
    })
  }

  for (const vector of proofs) {
    it(`writes, wraps and reads ${vector.name}`, () => {
      assert.strictEqual(vector.claim.root_hash_hex, "", "a proof names no root")
      const message = submitProof(vector)
      assert.strictEqual(toHex(encodeSubmitProof(message)), vector.bytes_hex)
      assert.strictEqual(toHex(encodeAny(packSubmitProof(message))), vector.any_hex)
      assert.deepStrictEqual(Result.getOrThrow(decodeSubmitProof(hex(vector.bytes_hex))), message)
      assert.isTrue(Result.isSuccess(validateSubmitProof(message)))
    })
  }

  it("a stored claim is the message plus its status, absent when 0", () => {
    for (const vector of claims) {
      const pending: Claim = { ...createClaim(vector), proofValidationStatus: 0 }
      assert.strictEqual(toHex(encodeClaim(pending)), vector.bytes_hex)
      for (const proofValidationStatus of [1, 2, 7, -1]) {
        const claim = { ...pending, proofValidationStatus }
        assert.deepStrictEqual(Result.getOrThrow(decodeClaim(encodeClaim(claim))), claim)
      }
      assert.strictEqual(toHex(encodeClaim({ ...pending, proofValidationStatus: 2 })), `${vector.bytes_hex}2002`)
    }
  })

  it("keep the presence of an empty header and drop unknown fields", () => {
    const bare = { supplierOperatorAddress: "", sessionHeader: undefined, rootHash: new Uint8Array(0) }
    assert.strictEqual(toHex(encodeCreateClaim(bare)), "")
    const present = Result.getOrThrow(decodeCreateClaim(hex("1200f83f01")))
    assert.isDefined(present.sessionHeader)
    assert.strictEqual(toHex(encodeCreateClaim(present)), "1200")
  })

  it("do not keep the bytes they were read from", () => {
    const bytes = hex(claims[0]!.bytes_hex)
    const message = Result.getOrThrow(decodeCreateClaim(bytes))
    bytes.fill(0)
    assert.strictEqual(toHex(message.rootHash), claims[0]!.claim.root_hash_hex)
  })

  it("refuse every truncation inside a field, hostile lengths and wrong wire types with a typed error", () => {
    const bytes = hex(claims[0]!.bytes_hex)
    const boundaries = new Set([0, 2 + bytes[1]!, bytes.length - 50])
    for (let cut = 0; cut < bytes.length; cut++) {
      const result = decodeCreateClaim(bytes.subarray(0, cut))
      assert.strictEqual(Result.isSuccess(result), boundaries.has(cut), `cut at ${cut}`)
      if (Result.isFailure(result)) assert.instanceOf(result.failure, WireError)
    }
    for (const bad of ["0affffffffffffffffff01", "0affffffff07", "1a05aabb", "0801", "1801", "2201", "00", "07"]) {
      assert.isTrue(Result.isFailure(decodeClaim(hex(bad))), bad)
    }
  })
})

describe("basic validation", () => {
  const claim = createClaim(claims[0]!)
  const proof = submitProof(proofs[0]!)
  const header = headerOf(claims[0]!)
  const root = (sum: number, count: number) => {
    const bytes = new Uint8Array(48)
    bytes[39] = sum
    bytes[47] = count
    return bytes
  }

  const claimRefusals: ReadonlyArray<readonly [Partial<MsgCreateClaim>, string, number, string]> = [
    [{ supplierOperatorAddress: "" }, "proof", 1101, ": invalid address"],
    [{ supplierOperatorAddress: "pokt1x" }, "proof", 1101, "pokt1x: invalid address"],
    [{ sessionHeader: undefined }, "proof", 1115, "session header is nil: invalid session header"],
    [
      { sessionHeader: { ...header, applicationAddress: "" } },
      "proof",
      1115,
      `invalid session header: ""; (empty address string is not allowed): invalid application address for session: invalid session header`
    ],
    [
      { sessionHeader: { ...header, sessionId: "" } },
      "proof",
      1115,
      `invalid session header: "": invalid sessionId: invalid session header`
    ],
    [
      { sessionHeader: { ...header, serviceId: "" } },
      "proof",
      1115,
      "invalid session header: empty service ID: invalid service ID: invalid session header"
    ],
    [
      { sessionHeader: { ...header, serviceId: "a b" } },
      "proof",
      1115,
      "invalid session header: service ID 'a b' contains invalid characters: invalid service ID: invalid session header"
    ],
    [
      { sessionHeader: { ...header, serviceId: "x".repeat(43) } },
      "proof",
      1115,
      `invalid session header: service ID '${"x".repeat(43)}' exceeds maximum length: 42: invalid service ID: invalid session header`
    ],
    [
      { sessionHeader: { ...header, sessionStartBlockHeight: 0n } },
      "proof",
      1115,
      "invalid session header: sessions can only start at height 1 or greater: invalid block height for session: invalid session header"
    ],
    [
      { sessionHeader: { ...header, sessionEndBlockHeight: header.sessionStartBlockHeight } },
      "proof",
      1115,
      "invalid session header: session end block height cannot be less than or equal to session start block height: invalid block height for session: invalid session header"
    ],
    [
      { rootHash: new Uint8Array(40) },
      "proof",
      1104,
      "expecting root hash to be 48 bytes, got 40 bytes: invalid root hash"
    ],
    [
      { rootHash: root(1, 0) },
      "proof",
      1104,
      `has zero count in Merkle root (hex) ${toHex(root(1, 0))}: invalid root hash`
    ],
    [
      { rootHash: root(0, 1) },
      "proof",
      1104,
      `has zero sum in Merkle root (hex) ${toHex(root(0, 1))}: invalid root hash`
    ],
    // The count is looked at first.
    [
      { rootHash: root(0, 0) },
      "proof",
      1104,
      `has zero count in Merkle root (hex) ${toHex(root(0, 0))}: invalid root hash`
    ]
  ]

  for (const [change, codespace, code, log] of claimRefusals) {
    it(`refuses a claim: ${log}`, () => {
      const result = validateCreateClaim({ ...claim, ...change })
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) {
        assert.deepStrictEqual(
          { codespace: result.failure.codespace, code: result.failure.code, log: result.failure.log },
          { codespace, code, log }
        )
      }
    })
  }

  const proofRefusals: ReadonlyArray<readonly [Partial<MsgSubmitProof>, string, number, string]> = [
    [
      { supplierOperatorAddress: "" },
      "sdk",
      7,
      `supplier operator address "", error: empty address string is not allowed: invalid address`
    ],
    [{ sessionHeader: undefined }, "proof", 1115, "session header is nil: invalid session header"],
    [
      { sessionHeader: { ...header, sessionStartBlockHeight: -5n } },
      "proof",
      1115,
      "sessions can only start at height 1 or greater: invalid block height for session: invalid session header"
    ],
    [{ proof: new Uint8Array(0) }, "proof", 1108, "proof cannot be empty: invalid proof"]
  ]

  for (const [change, codespace, code, log] of proofRefusals) {
    it(`refuses a proof: ${log}`, () => {
      const result = validateSubmitProof({ ...proof, ...change })
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) {
        assert.deepStrictEqual(
          { codespace: result.failure.codespace, code: result.failure.code, log: result.failure.log },
          { codespace, code, log }
        )
      }
    })
  }

  it("reads a root that is a view into other bytes", () => {
    const padded = new Uint8Array(100)
    padded.set(root(1, 1), 7)
    assert.isTrue(Result.isSuccess(validateCreateClaim({ ...claim, rootHash: padded.subarray(7, 55) })))
  })
})
