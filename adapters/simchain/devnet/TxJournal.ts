/** Every transaction that nodes of a devnet were handed, once: how often, with which answers, and where it landed. */
import { Result } from "effect"
import { decodeTx, type TxMessage } from "../../../domain/tx/TxDecode.ts"
import { txHash } from "../../../domain/tx/UnorderedTx.ts"
import type { Sha256 } from "../../../domain/crypto/Sha256.ts"
import { UPOKT } from "../../../domain/chain/Coin.ts"
import type { TxRefusal } from "../ChainErrors.ts"
import type { UncodedRefusal } from "../Mempool.ts"

/** A transaction as it was first handed to a node, and what it was answered since. */
export interface JournalledTx {
  /** Upper-case hex. */
  readonly hash: string
  /** uPOKT that it offers. */
  readonly fee: bigint
  readonly messages: ReadonlyArray<{
    readonly kind: "claim" | "proof"
    readonly supplier: string
    readonly session: string
  }>
  /** Height of the chain when a node first got it. */
  readonly height: bigint
  /** Nodes that took it into their pool, one and the same node again included. */
  taken: number
  /** Refusals by codespace and code, or by text where there is no code. `sdk 19` says that the node has it already. */
  readonly refused: Record<string, number>
}

/** The journal of one devnet. Everything is synchronous. */
export interface TxJournal {
  /** CheckTx answered these bytes: the refusal, or nothing when it took them. Bytes that do not decode are left out. */
  readonly note: (bytes: Uint8Array, height: bigint, refusal: TxRefusal | UncodedRefusal | undefined) => void
  /** In the order in which they were first seen. */
  readonly all: () => ReadonlyArray<JournalledTx>
}

/** Transactions that are kept; the oldest makes room. */
export const MAX_JOURNALLED_TXS = 20_000

/** An empty journal. */
export const makeTxJournal = (sha256: Sha256): TxJournal => {
  const journal = new Map<string, JournalledTx>()
  const entryOf = (bytes: Uint8Array, height: bigint): JournalledTx | undefined => {
    const hash = txHash(bytes, sha256)
    const known = journal.get(hash)
    if (known !== undefined) return known
    const decoded = decodeTx(bytes)
    if (Result.isFailure(decoded)) return undefined
    const { fee, messages } = decoded.success
    const entry: JournalledTx = {
      hash,
      fee: (fee?.amount ?? []).reduce((sum, { amount, denom }) => (denom === UPOKT ? sum + amount : sum), 0n),
      messages: messages.map(aboutOf),
      height,
      taken: 0,
      refused: {}
    }
    const [oldest] = journal.keys()
    if (oldest !== undefined && journal.size >= MAX_JOURNALLED_TXS) journal.delete(oldest)
    journal.set(hash, entry)
    return entry
  }
  return {
    note: (bytes, height, refusal) => {
      const entry = entryOf(bytes, height)
      if (entry === undefined) return
      if (refusal === undefined) {
        entry.taken++
        return
      }
      const name = "text" in refusal ? refusal.text : `${refusal.codespace} ${refusal.code}`
      entry.refused[name] = (entry.refused[name] ?? 0) + 1
    },
    all: () => [...journal.values()]
  }
}

const aboutOf = ({ _tag, message }: TxMessage): JournalledTx["messages"][number] => ({
  kind: _tag === "CreateClaim" ? "claim" : "proof",
  supplier: message.supplierOperatorAddress,
  session: message.sessionHeader?.sessionId ?? ""
})
