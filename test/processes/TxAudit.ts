/** What came of claims and proofs as transactions: what nodes were handed, what landed, and what it cost. */
import { Effect, Schema } from "effect"
import type { SessionAudit } from "./Audit.ts"

const Amount = Schema.BigIntFromString

/** One transaction of the devnet's `GET /transactions`. */
const JournalledTx = Schema.Struct({
  hash: Schema.String,
  fee: Amount,
  messages: Schema.Array(
    Schema.Struct({ kind: Schema.Literals(["claim", "proof"]), supplier: Schema.String, session: Schema.String })
  ),
  height: Amount,
  /** By nodes. */
  taken: Schema.Int,
  /** By codespace and code. */
  refused: Schema.Record(Schema.String, Schema.Int),
  landed: Schema.NullOr(Schema.Struct({ height: Amount, code: Schema.Int }))
})
type JournalledTx = typeof JournalledTx.Type

const Journal = Schema.Struct({ feesCollected: Amount, transactions: Schema.Array(JournalledTx) })
/** Everything that the devnet's nodes were handed, and the fees that the chain has taken. */
export type Journal = typeof Journal.Type

/** Claims or proofs, counted by session and supplier. */
export interface Counted {
  readonly due: number
  /** A node was handed a transaction with it. */
  readonly sent: number
  readonly included: number
}

/** Numbers of a scenario. */
export interface TxTotals {
  readonly claims: Counted
  readonly settled: number
  readonly proofs: Counted
  /** Distinct transactions that nodes were handed. */
  readonly txs: number
  /** Of these, those that are in a block. */
  readonly landed: number
  /** Landed ones that failed, or held nothing but what an earlier one had brought. */
  readonly useless: number
  /** Broadcasts that a node refused, for anything but having the transaction already. */
  readonly refusals: number
  /** Of all landed ones, uPOKT. */
  readonly fees: bigint
  readonly uselessFees: bigint
  /** Sentences; empty when the sums agree. */
  readonly problems: ReadonlyArray<string>
}

const decode = Schema.decodeUnknownEffect(Journal)

/** Reads the journal of the devnet with this control surface. */
export const readJournal = (controlUrl: string) =>
  Effect.flatMap(
    Effect.promise(async (): Promise<unknown> => (await fetch(`${controlUrl}/transactions`)).json()),
    decode
  )

/** Counts what sessions were due, and the transactions of the journal. */
export const txTotals = (sessions: ReadonlyArray<SessionAudit>, { feesCollected, transactions }: Journal): TxTotals => {
  const sent = (kind: "claim" | "proof") =>
    new Set(transactions.flatMap(({ messages }) => messages.filter((one) => one.kind === kind).map(nameOf)))
  const due = sessions.filter(({ inTrie }) => inTrie > 0n)
  const landed = transactions
    .filter((tx): tx is LandedTx => tx.landed !== null)
    .toSorted((a, b) => Number(a.landed.height - b.landed.height))
  const useless = uselessOf(landed)
  const fees = sumFees(landed)
  return {
    claims: {
      due: due.length,
      sent: sent("claim").size,
      included: due.filter(({ claims }) => claims > 0).length
    },
    settled: due.filter(({ settled }) => settled > 0n).length,
    proofs: {
      due: due.filter(({ needsProof }) => needsProof).length,
      sent: sent("proof").size,
      included: due.filter(({ proofs }) => proofs > 0).length
    },
    txs: transactions.length,
    landed: landed.length,
    useless: useless.length,
    refusals: transactions.reduce((sum, { refused }) => sum + refusalsIn(refused), 0),
    fees,
    uselessFees: sumFees(useless),
    problems: fees === feesCollected ? [] : [`landed transactions paid ${fees} uPOKT, the chain took ${feesCollected}`]
  }
}

type LandedTx = JournalledTx & { readonly landed: NonNullable<JournalledTx["landed"]> }

const nameOf = ({ session, supplier }: { readonly session: string; readonly supplier: string }) =>
  `${session} ${supplier}`

/** Transactions, in the order of their blocks, that changed nothing. */
const uselessOf = (landed: ReadonlyArray<LandedTx>): ReadonlyArray<LandedTx> => {
  const brought = new Set<string>()
  return landed.filter((tx) => {
    if (tx.landed.code !== 0) return true
    const names = tx.messages.map((message) => `${message.kind} ${nameOf(message)}`)
    const isNews = names.some((name) => !brought.has(name))
    for (const name of names) brought.add(name)
    return !isNews
  })
}

/** The answer of a node that has the transaction already: each is handed to all nodes. */
const KNOWN = "sdk 19"

const refusalsIn = (refused: JournalledTx["refused"]): number =>
  Object.entries(refused).reduce((sum, [code, times]) => (code === KNOWN ? sum : sum + times), 0)

const sumFees = (txs: ReadonlyArray<JournalledTx>): bigint => txs.reduce((sum, { fee }) => sum + fee, 0n)
