/**
 * Sends transaction bytes. Building, signing and the durable intent are the domain's; an adapter only carries bytes
 * and classifies the chain's refusals once. Every call answers or fails within a bound of the adapter's, well below a
 * block.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { ChainUnavailable } from "./Blocks.ts"

/**
 * What a refusal asks for. The source texts and codes are in `domain/tx/TxRefusal.ts`.
 * `known`: these very bytes are already in the node's cache: wait for them. `retry`: the same bytes may be sent later.
 * `expired`: time-out passed or too far: rebuild. `nonce_used`: time-out already used: look for the first, then
 * rebuild. `sequence`: an ordered transaction out of its turn: rebuild with the sequence that is expected. `ordered_only`:
 * the chain takes no unordered transactions: rebuild with a sequence. `gas`: rebuild with more gas. `message`: one message failed, see `messageIndex` and `rejection`. `operator`:
 * funds, key, account or node settings: a human has to act. `malformed`: the bytes are wrong: a defect of ours.
 */
export const TxRefusalReason = Schema.Literals([
  "known",
  "retry",
  "expired",
  "nonce_used",
  "sequence",
  "ordered_only",
  "gas",
  "message",
  "operator",
  "malformed"
])
export type TxRefusalReason = typeof TxRefusalReason.Type

/** Why one message of a batch was refused by its handler. */
export const MessageRejection = Schema.Literals([
  "claim_window",
  "proof_window",
  "session",
  "supplier_not_in_session",
  "service",
  "compute_units",
  "root",
  "claim_missing",
  "proof_not_required",
  "proof_invalid",
  "insufficient_funds",
  "other"
])
export type MessageRejection = typeof MessageRejection.Type

/** A refusal by CheckTx, by simulation, or of an included transaction. */
export class TxRefused extends Schema.TaggedError<TxRefused>()("TxRefused", {
  reason: TxRefusalReason,
  codespace: Schema.String,
  code: Schema.Int,
  log: Schema.String,
  /** Index of the first failing message, from 0. */
  messageIndex: Schema.optionalKey(Schema.Int),
  rejection: Schema.optionalKey(MessageRejection),
  /** Another node may have taken the bytes, its answer was lost: nothing is known, as after `ChainUnavailable`. */
  isDoubtful: Schema.optionalKey(Schema.Literal(true))
}) {
  override get message(): string {
    return `transaction refused (${this.codespace} ${this.code}): ${this.log}`
  }
}

/** A transaction that is in a block, successful or not. */
export interface IncludedTx {
  readonly height: bigint
  /** 0 = all messages took effect; otherwise none did, but fee and nonce are spent. */
  readonly refusal: Option.Option<TxRefused>
}

/** Carries signed bytes to a node and tells what became of them; holds no keys and no state. */
export class ChainTx extends Context.Service<
  ChainTx,
  {
    /** Chain id that goes into the sign document. */
    readonly chainId: string
    /**
     * Gas used by these bytes when run on the last committed state. Handlers run at that height, see `transactions.md`
     * §4.
     */
    readonly simulate: (txBytes: Uint8Array) => Effect.Effect<bigint, TxRefused | ChainUnavailable>
    /**
     * Hands the bytes to a node's mempool and waits for CheckTx only. Success means "pending", no more. Idempotent:
     * the same bytes again are `known`. After `ChainUnavailable` nothing is known: look up the hash or send the same bytes.
     */
    readonly broadcast: (txBytes: Uint8Array) => Effect.Effect<void, TxRefused | ChainUnavailable>
    /** Looks a transaction up by the upper-case hex of its SHA-256; none while it is not in a committed block. */
    readonly find: (txHash: string) => Effect.Effect<Option.Option<IncludedTx>, ChainUnavailable>
  }
>()("relaymill/domain/ports/ChainTx") {}
