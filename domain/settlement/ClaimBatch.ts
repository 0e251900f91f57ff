/** How messages share transactions, and how one that the chain refuses is told from its neighbours. Claims and proofs alike. */
import type { TxRefused } from "../ports/ChainTx.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import { type SliceBounds, slices } from "../mining/Slices.ts"
import type { PackedMessage } from "../tx/UnorderedTx.ts"

/** A message of one session. */
export interface Outgoing {
  readonly session: SessionId
  /** Sealed root that the message claims or proves. */
  readonly root: Uint8Array
  readonly message: PackedMessage
  /** uPOKT at stake: what is worth more goes first. */
  readonly worth: bigint
  /** A transaction was recorded for it before: that one may have been refused by a block, for reasons that still hold. */
  readonly wasSent: boolean
}

/** Messages of one transaction, the most valuable first. */
export type Batch = ReadonlyArray<Outgoing>

/**
 * Transactions for these messages, the most valuable first. A session in `alone` was refused before: it shares no
 * transaction with others until it has succeeded.
 */
export const planBatches = (
  messages: ReadonlyArray<Outgoing>,
  alone: ReadonlySet<SessionId>,
  bounds: SliceBounds
): ReadonlyArray<Batch> => {
  const sorted = [...messages].sort((a, b) => (a.worth === b.worth ? 0 : a.worth > b.worth ? -1 : 1))
  const shared = sorted.filter(({ session }) => !alone.has(session))
  const single = sorted.filter(({ session }) => alone.has(session))
  return [...slices(shared, bounds, ({ message }) => message.value.length), ...single.map((message) => [message])]
}

/** What follows from a refused batch. */
export interface Bisection {
  /** The session that the refusal is about; undefined while it is not known. */
  readonly blamed: Outgoing | undefined
  /** What to try again, apart. */
  readonly rest: ReadonlyArray<Batch>
}

/** Takes the message out that the chain names; halves the batch where it names none. */
export const bisect = (batch: Batch, refused: TxRefused): Bisection => {
  const index = batch.length === 1 ? 0 : refused.messageIndex
  const blamed = index === undefined ? undefined : batch[index]
  if (blamed !== undefined) {
    const rest = batch.filter((message) => message !== blamed)
    return { blamed, rest: rest.length === 0 ? [] : [rest] }
  }
  const middle = Math.ceil(batch.length / 2)
  return { blamed: undefined, rest: [batch.slice(0, middle), batch.slice(middle)] }
}
