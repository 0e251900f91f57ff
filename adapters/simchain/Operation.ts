/**
 * Administrative operations: what actors and governance do to the chain by transactions of their own (stake, unstake,
 * delegate, update params). Here they are functions on the state, executed at the head of the next block.
 */
import { Result, Schema } from "effect"
import { SECP256K1_TYPE_URL } from "../../domain/chain/Account.ts"
import { addressOf } from "../../domain/keys/Address.ts"
import { nextSessionStart, sessionEnd } from "../../domain/session/SessionGrid.ts"
import { balanceOf, type BlockContext, type ChainState, credit, sharedLive, withKey } from "./ChainState.ts"

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

/** A refusal. */
export const refuseOperation = (
  operation: string,
  subject: string,
  reason: string
): Result.Result<never, OperationRefused> => Result.fail(new OperationRefused({ operation, subject, reason }))

/** Several operations as one: all or none. */
export const allOf =
  (...operations: ReadonlyArray<Operation>): Operation =>
  (state, block) =>
    operations.reduce<Result.Result<ChainState, OperationRefused>>(
      (current, operation) => Result.flatMap(current, (next) => operation(next, block)),
      Result.succeed(state)
    )

/** Last height of the session in which `block` lies, by the live params: when unstaking actors stop. */
export const currentSessionEnd = (state: ChainState, block: BlockContext): bigint =>
  sessionEnd(sharedLive(state), block.height)

/** First height of the session after the one in which `block` lies, by the live params: when configs change. */
export const upcomingSessionStart = (state: ChainState, block: BlockContext): bigint =>
  nextSessionStart(sharedLive(state), block.height)

/**
 * Takes `amount` uPOKT (negative: gives back) from an account for a stake or a fee. Refused when the balance is smaller.
 */
export const payFrom = (
  state: ChainState,
  operation: string,
  address: string,
  amount: bigint
): Result.Result<ChainState, OperationRefused> => {
  const balance = balanceOf(state, address)
  return balance < amount
    ? refuseOperation(operation, address, `balance of ${balance}upokt is smaller than ${amount}upokt`)
    : Result.succeed(amount === 0n ? state : credit(state, address, -amount))
}

/** Mints uPOKT into the account of a public key (33 bytes) and puts the key on record. The one operation no chain has. */
export const fund =
  (publicKey: Uint8Array, amount: bigint): Operation =>
  (state) => {
    const address = addressOf(publicKey)
    const funded = credit(state, address, amount)
    const account = funded.accounts.get(address)
    return Result.succeed(
      account === undefined
        ? funded
        : {
            ...funded,
            accounts: withKey(funded.accounts, address, { ...account, publicKey, publicKeyType: SECP256K1_TYPE_URL })
          }
    )
  }

/** Sends uPOKT from one account to another. */
export const send =
  (from: string, to: string, amount: bigint): Operation =>
  (state) =>
    Result.map(payFrom(state, "send", from, amount), (paid) => credit(paid, to, amount))
