/**
 * Amounts that a settlement moves. They are gathered claim by claim, summed by kind and reason, and executed together;
 * the chain reports each sum as one event. Source: poktroll `x/tokenomics/keeper/settle_pending_claims_aggregation.go`.
 */
import { ChainEvent } from "../../domain/chain/ChainEvents.ts"
import { type ChainState, credit } from "./ChainState.ts"

/** One amount, uPOKT, above 0. Module names stand where no account is meant. */
export interface BankMove {
  readonly opType: "mint" | "mod_to_mod" | "mod_to_acct" | "burn"
  readonly senderModule: string
  /** Account for `mod_to_acct`, module for `mint` and `mod_to_mod`, empty for `burn`. */
  readonly recipient: string
  /** `SettlementOpReason` of the chain. */
  readonly opReason: string
  readonly amount: bigint
}

/** Moves of one kind, sender, recipient and reason. */
export interface BankTotal extends BankMove {
  readonly numClaims: number
}

/** Sums of the moves, in the chain's order: mints, module to module, module to account, burns; each by key. */
export const totalMoves = (moves: ReadonlyArray<BankMove>): ReadonlyArray<BankTotal> => {
  const totals = new Map<string, BankTotal>()
  for (const move of moves) {
    const key = `${ORDER.indexOf(move.opType)}|${move.senderModule}|${move.recipient}|${move.opReason}`
    const total = totals.get(key)
    totals.set(key, {
      ...move,
      amount: move.amount + (total?.amount ?? 0n),
      numClaims: 1 + (total?.numClaims ?? 0)
    })
  }
  return [...totals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, total]) => total)
}

/** Credits every account of the totals. Mints and burns balance out with stakes, which the settlement has changed. */
export const executeMoves = (state: ChainState, totals: ReadonlyArray<BankTotal>): ChainState =>
  totals.reduce(
    (current, total) => (total.opType === "mod_to_acct" ? credit(current, total.recipient, total.amount) : current),
    state
  )

/** The events that report the totals of sessions that end at `sessionEnd`. */
export const batchEvents = (totals: ReadonlyArray<BankTotal>, sessionEnd: bigint): ReadonlyArray<ChainEvent> =>
  totals.map((total) =>
    ChainEvent.cases.SettlementBatch.make({
      sessionEndBlockHeight: sessionEnd,
      senderModule: total.senderModule,
      recipient: total.recipient,
      opReason: total.opReason,
      totalAmount: total.amount,
      numClaims: total.numClaims,
      opType: total.opType
    })
  )

const ORDER: ReadonlyArray<BankMove["opType"]> = ["mint", "mod_to_mod", "mod_to_acct", "burn"]
