/** Worth and proof requirement of claims on the simulated chain agree with the chain's vectors. */
import { assert, describe, it } from "@effect/vitest"
import { appendBlockHash } from "../../../adapters/simchain/BlockHashes.ts"
import { figuresOf, requirementOf } from "../../../adapters/simchain/ClaimFacts.ts"
import { genesis } from "../../../adapters/simchain/Genesis.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { proofSeedHeight } from "../../../domain/session/SessionWindow.ts"
import { decodeClaim } from "../../../domain/tx/ProofMessages.ts"
import { Result } from "effect"
import { hex, loadVectors } from "../../vectors/load.ts"

interface ClaimCase {
  readonly name: string
  readonly claim_hex: string
  readonly compute_units: string
  readonly num_relays: string
  readonly target_hash_hex: string
  readonly params: Readonly<Record<string, string>>
  readonly estimated_compute_units: string
  readonly estimated_relays: string
  readonly claimed_upokt: string
  readonly seed_block_hash_hex: string
  readonly proof_request_probability: string | number
  readonly proof_requirement_threshold: string
  readonly requirement: string
}

const { claims } = loadVectors<{ readonly claims: ReadonlyArray<ClaimCase> }>("claims")

const camel = (key: string): string => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

describe("claims of the vectors", () => {
  it("are worth the same on the simulated chain, and need a proof in the same cases", () => {
    const verifiers = rememberingVerifiers()
    assert.isAbove(claims.length, 20)
    for (const expected of claims) {
      const claim = Result.getOrThrow(decodeClaim(hex(expected.claim_hex)))
      const shared = Object.fromEntries(
        Object.entries(expected.params).map(([key, value]) => [camel(key), BigInt(value)])
      )
      const state = genesis({
        params: {
          shared,
          proof: {
            proofRequestProbability: Number(expected.proof_request_probability),
            proofRequirementThreshold: BigInt(expected.proof_requirement_threshold)
          }
        },
        services: [
          {
            id: claim.sessionHeader!.serviceId,
            computeUnitsPerRelay: 1n,
            targetHash: hex(expected.target_hash_hex)
          }
        ]
      })
      assert.deepStrictEqual(
        figuresOf(state, claim),
        {
          numRelays: BigInt(expected.num_relays),
          numClaimedComputeUnits: BigInt(expected.compute_units),
          numEstimatedComputeUnits: BigInt(expected.estimated_compute_units),
          numEstimatedRelays: BigInt(expected.estimated_relays),
          claimedUpokt: BigInt(expected.claimed_upokt)
        },
        expected.name
      )
      const seedHeight = proofSeedHeight(state.params.shared.live, claim.sessionHeader!.sessionEndBlockHeight)
      const seed = hex(expected.seed_block_hash_hex)
      const seeded = {
        ...state,
        blockHashes: appendBlockHash({ first: seedHeight, length: 0, hashes: [] }, seed)
      }
      assert.strictEqual(requirementOf(seeded, claim, verifiers).toUpperCase(), expected.requirement, expected.name)
    }
  })
})
