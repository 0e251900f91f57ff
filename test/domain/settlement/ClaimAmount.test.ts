import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { multiplier } from "../../../domain/relay/RelayDifficulty.ts"
import { claimedUpokt, claimFigures } from "../../../domain/settlement/ClaimAmount.ts"
import { rootCount, rootDigest, rootSum, validateRoot } from "../../../domain/settlement/ClaimRoot.ts"
import { proofPath, proofRequirement, proofSample } from "../../../domain/settlement/ProofRequirement.ts"
import { ClaimProofStatus, decodeClaim, encodeClaim } from "../../../domain/tx/ProofMessages.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"
import { paramsOf, someParams, type VectorParams } from "../protocol/VectorParams.ts"
import { headerOf, type HeaderVector } from "../relay/RelayVectors.ts"

interface ClaimCase {
  readonly name: string
  readonly claim: {
    readonly supplier_operator_address: string
    readonly session_header: HeaderVector
    readonly root_hash_hex: string
  }
  readonly claim_hex: string
  readonly claim_hash_hex: string
  readonly compute_units: string
  readonly num_relays: string
  readonly target_hash_hex: string
  readonly params: VectorParams
  readonly estimated_compute_units: string
  readonly estimated_relays: string
  readonly claimed_upokt: string
  readonly seed_block_hash_hex: string
  readonly sample: number
  readonly sample_bits_hex: string
  readonly proof_request_probability: number
  readonly proof_request_probability_bits_hex: string
  readonly proof_requirement_threshold: string
  readonly requirement: string
  readonly proof_path_hex: string
}
interface Cases {
  readonly claims: ReadonlyArray<ClaimCase>
  readonly roots: ReadonlyArray<{ readonly root_hash_hex: string; readonly validate_basic: string }>
}

const cases = loadVectors<Cases>("claims")
/** IEEE 754, big-endian hex. */
const bits = (value: number): string => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value)
  return toHex(bytes)
}

describe("claims", () => {
  for (const vector of cases.claims) {
    const root = hex(vector.claim.root_hash_hex)
    const seed = hex(vector.seed_block_hash_hex)
    const claimHash = hex(vector.claim_hash_hex)

    it(`${vector.name}: the stored claim is written and read byte for byte`, () => {
      const claim = {
        supplierOperatorAddress: vector.claim.supplier_operator_address,
        sessionHeader: headerOf(vector.claim.session_header),
        rootHash: root,
        proofValidationStatus: ClaimProofStatus.pending
      }
      assert.strictEqual(toHex(encodeClaim(claim)), vector.claim_hex)
      assert.deepStrictEqual(Result.getOrThrow(decodeClaim(hex(vector.claim_hex))), claim)
    })

    it(`${vector.name}: amounts agree with the chain`, () => {
      assert.strictEqual(toHex(rootDigest(root)), vector.claim.root_hash_hex.slice(0, 64))
      const figures = claimFigures(
        root,
        Result.getOrThrow(multiplier(hex(vector.target_hash_hex))),
        paramsOf(vector.params)
      )
      assert.deepStrictEqual(
        Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, String(value)])),
        {
          numRelays: vector.num_relays,
          numClaimedComputeUnits: vector.compute_units,
          numEstimatedComputeUnits: vector.estimated_compute_units,
          numEstimatedRelays: vector.estimated_relays,
          claimedUpokt: vector.claimed_upokt
        }
      )
    })

    it(`${vector.name}: requirement and path agree with the chain`, () => {
      assert.strictEqual(toHex(sha256(hex(vector.claim_hex))), vector.claim_hash_hex)
      assert.strictEqual(proofSample(claimHash, seed), vector.sample)
      assert.strictEqual(bits(proofSample(claimHash, seed)), vector.sample_bits_hex)
      // The probability is compared as a double: its decimal text has to give the bits that the chain compares.
      assert.strictEqual(bits(vector.proof_request_probability), vector.proof_request_probability_bits_hex)
      assert.strictEqual(
        proofRequirement({
          claimedUpokt: BigInt(vector.claimed_upokt),
          claimHash,
          seed,
          params: {
            proofRequestProbability: vector.proof_request_probability,
            proofRequirementThreshold: BigInt(vector.proof_requirement_threshold)
          }
        }),
        vector.requirement.toLowerCase()
      )
      assert.strictEqual(toHex(proofPath(seed, vector.claim.session_header.session_id)), vector.proof_path_hex)
    })
  }

  cases.roots.forEach(({ root_hash_hex, validate_basic }, index) => {
    it(`root ${index}: ${validate_basic.slice(0, 40)}`, () => {
      const result = validateRoot(hex(root_hash_hex))
      assert.strictEqual(Result.isSuccess(result) ? "ok" : result.failure.message, validate_basic)
    })
  })

  it("sum and count are read from a view into a larger buffer", () => {
    const bytes = Uint8Array.from({ length: 60 }, (_, index) => (index === 46 ? 3 : index === 54 ? 2 : 0))
    const root = bytes.subarray(7, 55)
    assert.strictEqual(rootSum(root), 3n)
    assert.strictEqual(rootCount(root), 2n)
  })

  it.prop(
    "a claim is worth no less with more compute units or a harder target",
    {
      units: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 2n ** 64n - 1n })),
      more: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 1_000_000n })),
      factor: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: 1_000_000n }))
    },
    ({ units, more, factor }) => {
      const price = someParams({})
      const base = { numerator: 1n, denominator: 1n }
      const harder = { numerator: factor, denominator: 1n }
      assert.isTrue(claimedUpokt(units, base, price) <= claimedUpokt(units + more, base, price))
      assert.strictEqual(claimedUpokt(units, harder, price), claimedUpokt(units * factor, base, price))
    }
  )
})

describe("proof requirement", () => {
  const input = { claimHash: new Uint8Array(32), seed: new Uint8Array(0) }
  const at = (proofRequestProbability: number, claimedUpokt: bigint) =>
    proofRequirement({ ...input, claimedUpokt, params: { proofRequestProbability, proofRequirementThreshold: 10n } })

  it("the threshold and the probability are inclusive", () => {
    const drawn = proofSample(input.claimHash, input.seed)
    assert.strictEqual(at(0, 10n), "threshold")
    assert.strictEqual(at(0, 9n), "not_required")
    assert.strictEqual(at(drawn, 9n), "probabilistic")
    assert.strictEqual(at(drawn - Number.EPSILON, 9n), "not_required")
    assert.strictEqual(at(1, 9n), "probabilistic")
  })
})
