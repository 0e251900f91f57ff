/** A node's port with every broadcast noted: what is sent, how often, and what of it a block holds. */
import { Effect, Option, Result } from "effect"
import { Blocks, ChainUnavailable } from "../../../domain/ports/Blocks.ts"
import { ChainTx, type TxRefused } from "../../../domain/ports/ChainTx.ts"
import { decodeTx } from "../../../domain/tx/TxDecode.ts"

export type Kind = "CreateClaim" | "SubmitProof"

/** A broadcast as a node's client makes it. */
export interface Sent {
  readonly kind: Kind
  readonly hash: string
  readonly height: bigint
}

/** The port with every broadcast noted; `before` runs first and may fail in the node's place. */
export const noted = (
  sent: Array<Sent>,
  before: (broadcast: Sent) => Effect.Effect<void, ChainUnavailable | TxRefused> = () => Effect.void
) =>
  Effect.gen(function* () {
    const tx = yield* ChainTx
    const blocks = yield* Blocks
    return ChainTx.of({
      ...tx,
      broadcast: (bytes) =>
        Effect.gen(function* () {
          const { hash, messages } = Result.getOrThrow(decodeTx(bytes))
          const { height } = yield* blocks.latest
          const broadcast: Sent = { kind: messages[0]!._tag, hash, height }
          sent.push(broadcast)
          yield* before(broadcast)
          yield* tx.broadcast(bytes)
        })
    })
  })

export const unavailable = (operation: string) => new ChainUnavailable({ operation, cause: "reset" })

export const hashesOf = (sent: ReadonlyArray<Sent>, kind: Kind) =>
  new Set(sent.filter((broadcast) => broadcast.kind === kind).map(({ hash }) => hash))

/** Transactions of a kind that blocks hold: each has paid its fee. */
export const paidFor = (sent: ReadonlyArray<Sent>, kind: Kind) =>
  Effect.gen(function* () {
    const tx = yield* ChainTx
    const found = yield* Effect.forEach(hashesOf(sent, kind), (hash) => tx.find(hash))
    return found.filter(Option.isSome).length
  })
