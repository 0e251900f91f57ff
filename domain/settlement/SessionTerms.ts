/** What the chain lays down for one session: its heights from the params at its end, its prices from those at its start. */
import { Effect, Result } from "effect"
import { type ChainUnavailable } from "../ports/Blocks.ts"
import { ChainQuery, type ServiceNotFound } from "../ports/ChainQuery.ts"
import { ServiceId } from "../protocol/Identifiers.ts"
import { multiplier } from "../relay/RelayDifficulty.ts"
import type { SessionHeader } from "../relay/SessionHeader.ts"
import {
  claimWindow,
  type HeightRange,
  proofSeedHeight,
  proofWindow,
  settlementHeight
} from "../session/SessionWindow.ts"
import type { ClaimTerms } from "./ClaimPlan.ts"

/** The heights of one session. */
export interface SessionHeights {
  readonly claim: HeightRange
  readonly proof: HeightRange
  /** The block whose hash decides about the proof. */
  readonly seed: bigint
  /** The block at whose end the claim is settled. */
  readonly settlement: bigint
}

/** Heights of the session that ends at `sessionEnd`. */
export const sessionHeights = (sessionEnd: bigint): Effect.Effect<SessionHeights, ChainUnavailable, ChainQuery> =>
  Effect.map(
    ChainQuery.use((chain) => chain.sharedParamsAt(sessionEnd)),
    (params) => ({
      claim: claimWindow(params, sessionEnd),
      proof: proofWindow(params, sessionEnd),
      seed: proofSeedHeight(params, sessionEnd),
      settlement: settlementHeight(params, sessionEnd)
    })
  )

/** The prices of a session. */
export type SessionPrices = Pick<ClaimTerms, "price" | "multiplier" | "computeUnitsPerRelay"> & {
  /** 32 bytes: the hash of a relay that counts is below. */
  readonly target: Uint8Array
}

/** Prices at the session's start. A target that the chain could not have stored is a defect of the adapter. */
export const sessionPrices = Effect.fnUntraced(function* (
  header: SessionHeader
): Effect.fn.Return<SessionPrices, ChainUnavailable | ServiceNotFound, ChainQuery> {
  const chain = yield* ChainQuery
  const service = ServiceId.make(header.serviceId)
  const start = header.sessionStartBlockHeight
  const [price, target, computeUnitsPerRelay] = yield* Effect.all(
    [
      chain.sharedParamsAt(start),
      chain.difficultyTargetAt(service, start),
      chain.computeUnitsPerRelayAt(service, start)
    ],
    { concurrency: 3 }
  )
  return { price, target, computeUnitsPerRelay, multiplier: Result.getOrThrow(multiplier(target)) }
})
