/** What the chain derives from a stored claim: its worth and whether it needs a proof. */
import { Result } from "effect"
import { emptySessionHeader, type SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { BASE_TARGET, type DifficultyMultiplier, multiplier } from "../../domain/relay/RelayDifficulty.ts"
import { proofSeedHeight } from "../../domain/session/SessionWindow.ts"
import { type ClaimFigures, claimFigures } from "../../domain/settlement/ClaimAmount.ts"
import { difficultyAt } from "../../domain/settlement/DifficultyUpdate.ts"
import { type ProofRequirement, proofRequirement } from "../../domain/settlement/ProofRequirement.ts"
import { type Claim, encodeClaim } from "../../domain/tx/ProofMessages.ts"
import { type ChainState, hashAt, sharedAt } from "./ChainState.ts"
import type { Verifiers } from "./Verifiers.ts"

/** Header of a stored claim, which the basic checks have seen. */
export const headerOf = (claim: Claim): SessionHeader => claim.sessionHeader ?? emptySessionHeader()

/** 32-byte relay mining target of a service at `height`; the base target for an unknown service. */
export const targetAt = (state: ChainState, serviceId: string, height: bigint): Uint8Array => {
  const service = state.services.get(serviceId)
  return service === undefined
    ? BASE_TARGET
    : difficultyAt(service.difficulty, height, state.params.service.targetNumRelays).targetHash
}

/** Worth of a claim by difficulty and price at its session's start. */
export const figuresOf = (state: ChainState, claim: Claim): ClaimFigures => {
  const { serviceId, sessionStartBlockHeight: start } = headerOf(claim)
  return claimFigures(claim.rootHash, multiplierOf(targetAt(state, serviceId, start)), sharedAt(state, start))
}

/** Hash of the block before the first proof of a session that ends at `sessionEnd`; empty while unknown. */
export const proofSeed = (state: ChainState, sessionEnd: bigint): Uint8Array =>
  hashAt(state, proofSeedHeight(sharedAt(state, sessionEnd), sessionEnd))

/** Does the claim need a proof, with its present status? Live proof params. */
export const requirementOf = (state: ChainState, claim: Claim, verifiers: Verifiers): ProofRequirement =>
  proofRequirement(
    {
      claimedUpokt: figuresOf(state, claim).claimedUpokt,
      claimHash: verifiers.sha256(encodeClaim(claim)),
      seed: proofSeed(state, headerOf(claim).sessionEndBlockHeight),
      params: state.params.proof
    },
    verifiers.sha256
  )

/** The state's targets have 32 bytes and are not 0. */
const multiplierOf = (target: Uint8Array): DifficultyMultiplier =>
  Result.getOrElse(multiplier(target), () => ({ numerator: 1n, denominator: 1n }))
