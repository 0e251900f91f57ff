/**
 * Settlement of the claims whose proof window closes with this block: expiry, cap by the application's stake, rewards,
 * slashes, and the new relay mining difficulty. Source: poktroll `x/tokenomics/keeper`.
 */
import { Result } from "effect"
import { ChainEvent } from "../../domain/chain/ChainEvents.ts"
import { toText } from "../../domain/protocol/Decimal.ts"
import { unstakeApplication } from "../../domain/session/ApplicationConfigs.ts"
import { sessionEnd } from "../../domain/session/SessionGrid.ts"
import { pendingSessions, settlementHeight } from "../../domain/session/SessionWindow.ts"
import type { ClaimFigures } from "../../domain/settlement/ClaimAmount.ts"
import { capClaim, sessionBudget, type SessionBudget } from "../../domain/settlement/ClaimCap.ts"
import { rootCount, rootSum } from "../../domain/settlement/ClaimRoot.ts"
import { type ProofRequirement, proofRequirementNumber } from "../../domain/settlement/ProofRequirement.ts"
import { type Claim, ClaimProofStatus } from "../../domain/tx/ProofMessages.ts"
import { type BankMove, batchEvents, executeMoves, totalMoves } from "./BankMoves.ts"
import { type BlockContext, type ChainState, claimKey, sharedAt, sharedLive, withKey } from "./ChainState.ts"
import { claimFields, usageFields } from "./ClaimEvents.ts"
import { figuresOf, headerOf, requirementOf } from "./ClaimFacts.ts"
import { computeUnitsPerRelay, mismatchText } from "./CreateClaim.ts"
import { updateDifficulties } from "./DifficultyStep.ts"
import {
  type ClaimParties,
  type DiscardReason,
  distribute,
  type Distribution,
  isProposerReason
} from "./Distribution.ts"
import { slashExpired } from "./Slashing.ts"
import type { Verifiers } from "./Verifiers.ts"

/** A claim that is due, with what decides its end. */
interface DueClaim {
  readonly claim: Claim
  readonly figures: ClaimFigures
  readonly requirement: ProofRequirement
  /** Expires instead of being settled. */
  readonly expires: boolean
}

/** Settles what is due in `block`; events in the chain's order. */
export const settleClaims = (
  state: ChainState,
  block: BlockContext,
  verifiers: Verifiers
): { readonly state: ChainState; readonly events: ReadonlyArray<ChainEvent> } => {
  const due = dueClaims(state, block, verifiers)
  if (due.length === 0) return { state, events: [] }
  const budgets = sessionBudgets(state, due)
  const events: Array<ChainEvent> = []
  const moves: Array<BankMove> = []
  const relays = new Map<string, bigint>()
  let current = state
  for (const entry of due) {
    const { claim, figures } = entry
    const parties = findParties(current, claim)
    if (Result.isFailure(parties)) {
      events.push(discarded(claim, parties.failure))
      continue
    }
    if (entry.expires) {
      events.push(expired(entry))
      continue
    }
    const settled = settleOne(current, entry, parties.success, budgets.get(budgetKey(claim)), block)
    if (Result.isFailure(settled)) {
      events.push(discarded(claim, settled.failure))
      continue
    }
    events.push(...settled.success.events)
    moves.push(...settled.success.moves)
    current = settled.success.state
    const { serviceId } = headerOf(claim)
    relays.set(serviceId, (relays.get(serviceId) ?? 0n) + figures.numRelays)
  }
  const totals = totalMoves(moves)
  current = executeMoves(withoutClaims(current, due), totals)
  events.push(...batchEvents(totals, headerOf(due[0]?.claim ?? NO_CLAIM).sessionEndBlockHeight))
  const slashed = slashExpired(
    current,
    due.filter((entry) => entry.expires).map(({ claim }) => claim),
    block
  )
  return { state: updateDifficulties(slashed.state, relays, block), events: [...events, ...slashed.events] }
}

/** Claims whose settlement height, by the params at their session's end, is this block; by session id, then supplier. */
const dueClaims = (state: ChainState, block: BlockContext, verifiers: Verifiers): ReadonlyArray<DueClaim> =>
  [...state.claims]
    .filter(([, claim]) => {
      const end = headerOf(claim).sessionEndBlockHeight
      return settlementHeight(sharedAt(state, end), end) === block.height
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, claim]) => {
      const requirement = requirementOf(state, claim, verifiers)
      return {
        claim,
        figures: figuresOf(state, claim),
        requirement,
        expires: requirement !== "not_required" && claim.proofValidationStatus !== ClaimProofStatus.validated
      }
    })

const budgetKey = (claim: Claim): string => claimKey(headerOf(claim).sessionId, headerOf(claim).applicationAddress)

/** What each application may spend in each session, by its stake before this block. */
const sessionBudgets = (state: ChainState, due: ReadonlyArray<DueClaim>): ReadonlyMap<string, SessionBudget> => {
  const groups = new Map<string, Array<DueClaim>>()
  for (const entry of due) {
    const key = budgetKey(entry.claim)
    groups.set(key, [...(groups.get(key) ?? []), entry])
  }
  const budgets = new Map<string, SessionBudget>()
  for (const [key, entries] of groups) {
    const header = headerOf(entries[0]?.claim ?? NO_CLAIM)
    const application = state.applications.get(header.applicationAddress)
    if (application === undefined) continue
    const params = sharedAt(state, header.sessionEndBlockHeight)
    budgets.set(
      key,
      sessionBudget({
        stake: application.stake,
        spendLimit: application.perSessionSpendLimit,
        pendingSessions: pendingSessions(params),
        claimCount: BigInt(entries.length),
        settlingAmounts: entries.filter((entry) => !entry.expires).map(({ figures }) => figures.claimedUpokt),
        inflation: state.params.tokenomics.globalInflationPerClaim
      })
    )
  }
  return budgets
}

const findParties = (state: ChainState, claim: Claim): Result.Result<ClaimParties, DiscardReason> => {
  const header = headerOf(claim)
  const service = state.services.get(header.serviceId)
  if (service === undefined) return Result.fail(`service ${header.serviceId} not found: service not found`)
  const application = state.applications.get(header.applicationAddress)
  if (application === undefined) {
    return Result.fail(`application address ${header.applicationAddress}: application not found`)
  }
  const supplier = state.suppliers.get(claim.supplierOperatorAddress)
  return supplier === undefined
    ? Result.fail(`supplier address ${claim.supplierOperatorAddress}: supplier not found`)
    : Result.succeed({ service, application, supplier })
}

const settleOne = (
  state: ChainState,
  entry: DueClaim,
  parties: ClaimParties,
  budget: SessionBudget | undefined,
  block: BlockContext
): Result.Result<
  { readonly state: ChainState; readonly events: ReadonlyArray<ChainEvent>; readonly moves: ReadonlyArray<BankMove> },
  DiscardReason
> =>
  Result.gen(function* () {
    const { claim, figures } = entry
    const header = headerOf(claim)
    const price = yield* Result.mapError(computeUnitsPerRelay(state, header), ({ description }) => description)
    const [sum, count] = [rootSum(claim.rootHash), rootCount(claim.rootHash)]
    if (sum !== BigInt.asUintN(64, count * price)) {
      return yield* Result.fail(mismatchText(sum, count, price, header.serviceId))
    }
    // Every claim whose application exists has a budget.
    if (budget === undefined) return yield* Result.fail("no budget")
    const { tokenomics } = state.params
    const { settledUpokt, overserviced } = capClaim(budget, figures.claimedUpokt, {
      inflation: tokenomics.globalInflationPerClaim,
      bonusMultiplier: tokenomics.overservicingBonusMultiplier
    })
    const paid: Distribution =
      settledUpokt === 0n
        ? { moves: [], applicationStake: parties.application.stake, minted: 0n }
        : yield* distribute(parties, settledUpokt, block.height, tokenomics, state.validatorAddress)
    const events: Array<ChainEvent> = []
    if (overserviced !== undefined) {
      events.push(
        ChainEvent.cases.ApplicationOverserviced.make({
          applicationAddr: header.applicationAddress,
          supplierOperatorAddr: claim.supplierOperatorAddress,
          ...overserviced,
          serviceId: header.serviceId,
          sessionEndBlockHeight: header.sessionEndBlockHeight,
          spendLimitExceeded: budget.spendLimitExceeded
        })
      )
    }
    events.push(settledEvent(state, entry, parties, settledUpokt, paid))
    return { state: withApplicationStake(state, parties, paid.applicationStake, block), events, moves: paid.moves }
  })

/** Below the minimum an application unstakes at the end of the current session. */
const withApplicationStake = (
  state: ChainState,
  { application }: ClaimParties,
  stake: bigint,
  block: BlockContext
): ChainState => {
  const unstakes = stake < state.params.application.minStake && application.unstakeSessionEndHeight === 0n
  const paid = { ...application, stake }
  const next = unstakes ? unstakeApplication(paid, sessionEnd(sharedLive(state), block.height)) : paid
  return { ...state, applications: withKey(state.applications, application.address, next) }
}

const settledEvent = (
  state: ChainState,
  entry: DueClaim,
  parties: ClaimParties,
  settledUpokt: bigint,
  paid: Distribution
): ChainEvent => {
  const { claim, figures, requirement } = entry
  // Proposer rewards are distributed once for the whole block and are not part of a claim's list.
  const rewards = paid.moves.filter(({ opType, opReason }) => opType === "mod_to_acct" && !isProposerReason(opReason))
  const byAddress = new Map<string, bigint>()
  for (const { recipient, amount } of rewards) byAddress.set(recipient, (byAddress.get(recipient) ?? 0n) + amount)
  return ChainEvent.cases.ClaimSettled.make({
    ...claimFields(claim),
    ...usageFields(figures),
    proofRequirementInt: proofRequirementNumber[requirement],
    settledUpokt,
    mintedUpokt: paid.minted,
    overservicingLossUpokt: figures.claimedUpokt - settledUpokt,
    deflationLossUpokt: settledUpokt - paid.minted,
    mintRatio: toText(state.params.tokenomics.mintRatio),
    sessionId: headerOf(claim).sessionId,
    supplierOwnerAddress: parties.supplier.ownerAddress,
    rewardDistribution: Object.fromEntries(byAddress),
    rewardDistributionDetailed: rewards.map(({ recipient, opReason, amount }) => ({
      recipientAddress: recipient,
      opReason,
      amount
    }))
  })
}

const expired = ({ claim, figures }: DueClaim): ChainEvent =>
  ChainEvent.cases.ClaimExpired.make({
    ...claimFields(claim),
    ...usageFields(figures),
    expirationReason: claim.proofValidationStatus === ClaimProofStatus.invalid ? "PROOF_INVALID" : "PROOF_MISSING"
  })

const discarded = (claim: Claim, reason: DiscardReason): ChainEvent =>
  ChainEvent.cases.ClaimDiscarded.make({
    ...claimFields(claim),
    error: `${reason}: internal claim settlement error`
  })

const withoutClaims = (state: ChainState, due: ReadonlyArray<DueClaim>): ChainState => {
  const claims = new Map(state.claims)
  for (const { claim } of due) claims.delete(claimKey(headerOf(claim).sessionId, claim.supplierOperatorAddress))
  return { ...state, claims }
}

const NO_CLAIM: Claim = {
  supplierOperatorAddress: "",
  sessionHeader: undefined,
  rootHash: new Uint8Array(48),
  proofValidationStatus: 0
}
