/**
 * Administrative operations: what actors and governance do to the chain by transactions of their own (stake, unstake,
 * delegate, update params). Here they are functions on the state, executed at the head of the next block.
 */
import { type Result, Schema } from "effect"
import type { BlockContext, ChainState } from "./ChainState.ts"

/** The chain would refuse the operation's transaction. */
export class OperationRefused extends Schema.TaggedError<OperationRefused>()("OperationRefused", {
  operation: Schema.String,
  subject: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.operation} of ${this.subject} refused: ${this.reason}`
  }
}

/** `block` is the block in which the operation is executed. */
export type Operation = (state: ChainState, block: BlockContext) => Result.Result<ChainState, OperationRefused>
