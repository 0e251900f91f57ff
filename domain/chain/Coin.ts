/** Amounts of the chain. Programs hold uPOKT as a bare `bigint`; a `Coin` appears where the denomination is not known. */
import { Result, Schema } from "effect"
import type { Coin as CoinMessage } from "./proto/cosmos/coin_pb.ts"

/** Denomination of every amount the protocol's own messages carry. */
export const UPOKT = "upokt"

/** An amount of one denomination, never negative. */
export interface Coin {
  readonly denom: string
  readonly amount: bigint
}

/** A chain record that a query returned cannot be used: the field that is missing or malformed and its content. */
export class InvalidChainRecord extends Schema.TaggedError<InvalidChainRecord>()("InvalidChainRecord", {
  record: Schema.String,
  field: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.record}.${this.field}: ${this.reason}`
  }
}

/** Reads the decimal text of a coin. Refuses signs, blanks and more than 80 digits (Go's `math.Int` holds 256 bits). */
export const fromMessage = (
  message: CoinMessage,
  record: string,
  field: string
): Result.Result<Coin, InvalidChainRecord> =>
  /^[0-9]{1,80}$/.test(message.amount)
    ? Result.succeed({ denom: message.denom, amount: BigInt(message.amount) })
    : Result.fail(new InvalidChainRecord({ record, field, reason: `amount "${message.amount}" is not a number` }))

/** Amount in uPOKT. An absent coin is 0 (Go's nil pointer); another denomination is refused unless its amount is 0. */
export const upoktFromMessage = (
  message: CoinMessage | undefined,
  record: string,
  field: string
): Result.Result<bigint, InvalidChainRecord> =>
  message === undefined
    ? Result.succeed(0n)
    : Result.flatMap(fromMessage(message, record, field), (coin) =>
        coin.denom === UPOKT || coin.amount === 0n
          ? Result.succeed(coin.amount)
          : Result.fail(new InvalidChainRecord({ record, field, reason: `denomination "${coin.denom}" is not upokt` }))
      )

/** Fields of the wire message of an amount in uPOKT. */
export const upoktToMessage = (amount: bigint): { readonly denom: string; readonly amount: string } => ({
  denom: UPOKT,
  amount: amount.toString()
})
