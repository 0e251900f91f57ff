/** Gas limit and fee of a transaction, exact where the chain is exact. Settings come from configuration, gas from simulation. */
import { Result, Schema } from "effect"

/** Places a gas price may have after the point (Cosmos `LegacyDec`). */
export const GAS_PRICE_PLACES = 18

/** Gas that a simulation with an empty fee does not count (fee transfer 17 789, nonce 3 870), rounded up. */
export const UNCOUNTED_GAS = 25_000n

/** Price of one unit of gas: `scaled` is the decimal times 10¹⁸. */
export interface GasPrice {
  readonly scaled: bigint
  readonly denom: string
}

/** A configured gas price is not `<decimal><denomination>` with at most 18 places. */
export class InvalidGasPrice extends Schema.TaggedError<InvalidGasPrice>()("InvalidGasPrice", {
  text: Schema.String
}) {
  override get message(): string {
    return `gas price "${this.text}" is not a decimal with at most ${GAS_PRICE_PLACES} places and a denomination, such as 0.000001upokt`
  }
}

/** Parses a price such as `0.000001upokt`. Source: cosmos-sdk `types/dec_coin.go`, ParseDecCoin. */
export const parseGasPrice = (text: string): Result.Result<GasPrice, InvalidGasPrice> => {
  const parts = /^([0-9]{0,60})(?:\.([0-9]{1,18}))?\s*([a-zA-Z][a-zA-Z0-9/:._-]{2,127})$/.exec(text.trim())
  const [, whole = "", places = "", denom] = parts ?? []
  if (denom === undefined || whole + places === "") return Result.fail(new InvalidGasPrice({ text }))
  return Result.succeed({ scaled: BigInt(whole + places.padEnd(GAS_PRICE_PLACES, "0")), denom })
}

/** Fee in whole units of the price's denomination: gas limit × price, rounded up. 0 means that no coin is written. */
export const feeAmount = (gasLimit: bigint, price: GasPrice): bigint => (gasLimit * price.scaled + SCALE - 1n) / SCALE

/**
 * Highest price at which so much gas costs the fee, so not below that of whoever asks for it: prices have 18 places.
 * Undefined for no gas.
 */
export const gasPriceOf = (fee: bigint, gasLimit: bigint, denom: string): GasPrice | undefined =>
  gasLimit <= 0n ? undefined : { scaled: (fee * SCALE) / gasLimit, denom }

/** A price as it is configured, such as `0.000001upokt`. */
export const formatGasPrice = ({ denom, scaled }: GasPrice): string => {
  const digits = scaled.toString().padStart(GAS_PRICE_PLACES + 1, "0")
  const places = digits.slice(-GAS_PRICE_PLACES).replace(/0+$/, "")
  return `${digits.slice(0, -GAS_PRICE_PLACES)}${places === "" ? "" : "."}${places}${denom}`
}

/**
 * Gas limit from simulated gas: ⌊gas × adjustment⌋ in IEEE double, as the reference computes it, at most 2⁶⁴ − 1.
 * `adjustment` is finite and positive (a checked setting, default 1.7).
 */
export const adjustedGas = (simulated: bigint, adjustment: number): bigint => {
  const limit = BigInt(Math.floor(Number(simulated) * adjustment))
  return limit < MAX_UINT64 ? limit : MAX_UINT64
}

/** Gas limit to send: the adjusted gas, but never below what a simulation with an empty fee leaves out. */
export const gasLimit = (simulated: bigint, adjustment: number): bigint => {
  const adjusted = adjustedGas(simulated, adjustment)
  return adjusted < simulated + UNCOUNTED_GAS ? simulated + UNCOUNTED_GAS : adjusted
}

const SCALE = 10n ** 18n
const MAX_UINT64 = 2n ** 64n - 1n
