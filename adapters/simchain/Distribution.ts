/**
 * Pays a settled amount: burn from the application's stake, mint, rewards, and the inflation that the application
 * reimburses. Gives the moves, changes nothing. Source: poktroll `x/tokenomics/token_logic_module`.
 */
import { Result } from "effect"
import type { Application } from "../../domain/chain/Application.ts"
import type { Service } from "../../domain/chain/Service.ts"
import type { Supplier } from "../../domain/chain/Supplier.ts"
import type { TokenomicsParams } from "../../domain/protocol/TokenomicsParams.ts"
import { activeConfig } from "../../domain/session/SupplierConfigs.ts"
import {
  inflationUpokt,
  mintedUpokt,
  payRevenueShares,
  type RewardParts,
  splitReward
} from "../../domain/settlement/RewardDistribution.ts"
import type { BankMove } from "./BankMoves.ts"

/** Who takes part in a claim. */
export interface ClaimParties {
  readonly application: Application
  readonly supplier: Supplier
  readonly service: Service
}

/** What a settled claim moves. Amounts in uPOKT. */
export interface Distribution {
  readonly moves: ReadonlyArray<BankMove>
  /** Stake of the application afterwards. */
  readonly applicationStake: bigint
  readonly minted: bigint
}

/** Reason for which a claim is discarded, without the chain's final text. */
export type DiscardReason = string

/** Distributes `settled` > 0 at `height`. */
export const distribute = (
  parties: ClaimParties,
  settled: bigint,
  height: bigint,
  params: TokenomicsParams,
  validatorAddress: string
): Result.Result<Distribution, DiscardReason> =>
  Result.gen(function* () {
    const { application, supplier, service } = parties
    const minted = mintedUpokt(settled, params.mintRatio)
    if (minted === 0n) return yield* Result.fail(`minted amount of ${settled}upokt is zero`)
    const inflation =
      params.globalInflationPerClaim.numerator === 0n ? 0n : inflationUpokt(settled, params.globalInflationPerClaim)
    const applicationStake = application.stake - settled - inflation
    if (applicationStake < 0n) {
      return yield* Result.fail(
        `application ${application.address} stake ${application.stake}upokt cannot be reduced to a negative amount`
      )
    }
    const pay = (parts: RewardParts, reasons: RewardReasons) =>
      payParts(parts, reasons, { application, supplier, service, height, params, validatorAddress })
    const relayMoves = yield* pay(splitReward(minted, params.mintEqualsBurnClaimDistribution), RELAY_REASONS)
    const globalMoves =
      inflation === 0n
        ? []
        : [
            move("mint", "tokenomics", "tokenomics", "TLM_GLOBAL_MINT_INFLATION", inflation),
            ...(yield* pay(splitReward(inflation, params.mintAllocationPercentages), GLOBAL_REASONS)),
            move(
              "mod_to_mod",
              "application",
              "tokenomics",
              "TLM_GLOBAL_MINT_REIMBURSEMENT_REQUEST_ESCROW_MODULE_TRANSFER",
              inflation
            ),
            move(
              "mod_to_acct",
              "tokenomics",
              params.daoRewardAddress,
              "TLM_GLOBAL_MINT_REIMBURSEMENT_REQUEST_ESCROW_DAO_TRANSFER",
              inflation
            )
          ]
    return {
      moves: [
        move("burn", "application", "", "TLM_RELAY_BURN_EQUALS_MINT_APPLICATION_STAKE_BURN", settled),
        move("mint", "tokenomics", "tokenomics", "TLM_RELAY_BURN_EQUALS_MINT_TOKENOMICS_MINT", minted),
        ...relayMoves,
        ...globalMoves
      ],
      applicationStake,
      minted
    }
  })

interface RewardReasons {
  readonly supplier: string
  readonly supplierModule: string
  readonly proposer: string
  readonly sourceOwner: string
  readonly application: string
  readonly dao: string
}

const RELAY_REASONS: RewardReasons = {
  supplier: "TLM_RELAY_BURN_EQUALS_MINT_SUPPLIER_SHAREHOLDER_RD",
  supplierModule: "TLM_RELAY_BURN_EQUALS_MINT_SUPPLIER_REWARD_MODULE_TRANSFER",
  proposer: "TLM_RELAY_BURN_EQUALS_MINT_VALIDATOR_RD",
  sourceOwner: "TLM_RELAY_BURN_EQUALS_MINT_SOURCE_OWNER_RD",
  application: "TLM_RELAY_BURN_EQUALS_MINT_APPLICATION_RD",
  dao: "TLM_RELAY_BURN_EQUALS_MINT_DAO_REWARD_DISTRIBUTION"
}

const GLOBAL_REASONS: RewardReasons = {
  supplier: "TLM_GLOBAL_MINT_SUPPLIER_SHAREHOLDER_REWARD_DISTRIBUTION",
  supplierModule: "TLM_GLOBAL_MINT_SUPPLIER_SHAREHOLDER_REWARD_MODULE_TRANSFER",
  proposer: "TLM_GLOBAL_MINT_VALIDATOR_REWARD_DISTRIBUTION",
  sourceOwner: "TLM_GLOBAL_MINT_SOURCE_OWNER_REWARD_DISTRIBUTION",
  application: "TLM_GLOBAL_MINT_APPLICATION_REWARD_DISTRIBUTION",
  dao: "TLM_GLOBAL_MINT_DAO_REWARD_DISTRIBUTION"
}

/** Is this the reason of a reward of validators? */
export const isProposerReason = (opReason: string): boolean =>
  opReason === RELAY_REASONS.proposer || opReason === GLOBAL_REASONS.proposer

const payParts = (
  parts: RewardParts,
  reasons: RewardReasons,
  to: ClaimParties & {
    readonly height: bigint
    readonly params: TokenomicsParams
    readonly validatorAddress: string
  }
): Result.Result<ReadonlyArray<BankMove>, DiscardReason> => {
  const moves: Array<BankMove> = []
  const pay = (recipient: string, opReason: string, amount: bigint) => {
    if (amount > 0n) moves.push(move("mod_to_acct", "tokenomics", recipient, opReason, amount))
  }
  if (parts.supplier > 0n) {
    const config = activeConfig(to.supplier, to.service.id, to.height)
    if (config === undefined) {
      return Result.fail(
        `service ${to.service.id} is not among the active configs of supplier ${to.supplier.operatorAddress} at height ${to.height}`
      )
    }
    moves.push(move("mod_to_mod", "tokenomics", "supplier", reasons.supplierModule, parts.supplier))
    for (const share of payRevenueShares(parts.supplier, config.revShare, to.supplier.ownerAddress)) {
      moves.push(move("mod_to_acct", "supplier", share.address, reasons.supplier, share.amount))
    }
  }
  pay(to.validatorAddress, reasons.proposer, parts.proposer)
  pay(to.service.ownerAddress, reasons.sourceOwner, parts.sourceOwner)
  pay(to.application.address, reasons.application, parts.application)
  pay(to.params.daoRewardAddress, reasons.dao, parts.dao)
  return Result.succeed(moves)
}

const move = (
  opType: BankMove["opType"],
  senderModule: string,
  recipient: string,
  opReason: string,
  amount: bigint
): BankMove => ({ opType, senderModule, recipient, opReason, amount })
