/** The miner's `transaction` section: gas, batches, time-outs, resending. */
import { Duration, Result, Schema } from "effect"
import { type GasPrice, parseGasPrice } from "../../domain/tx/TxFee.ts"
import { joinPlace, key, section, type ValueOf, withDefault } from "./ConfigReader.ts"
import { amount, count, decimal, flag, millis, seconds, withoutEffect } from "./KeyKinds.ts"
import { textCodec, type TextCodec } from "./TextCodec.ts"

/** `0.000001upokt`; an empty text is Go's older default, ten times as much. */
const GasPriceText: TextCodec<GasPrice> = textCodec(
  Schema.Struct({ scaled: Schema.BigInt, denom: Schema.String }),
  (text) =>
    Result.mapError(
      parseGasPrice(text === "" ? "0.00001upokt" : text),
      () => "expected a decimal and a denomination; write for example 0.000001upokt"
    ),
  (price) => `${price.scaled / 10n ** 18n}.${String(price.scaled % 10n ** 18n).padStart(18, "0")}${price.denom}`
)

/** `transaction` of the miner. Gas in units, prices in uPOKT for each unit. */
export const transaction = section(
  {
    gasLimit: key("gas_limit", amount("0", "Gas of one claim or proof, a transaction has their sum; 0: simulated.")),
    gasPrice: key(
      "gas_price",
      withDefault("0.000001upokt", {
        codec: GasPriceText,
        type: "decimal and denomination",
        meaning: "Price of one unit of gas; an empty text is `0.00001upokt`."
      })
    ),
    gasAdjustment: key(
      "gas_adjustment",
      decimal({ fallback: "1.7", least: 0, unset: "zero" }, "Simulated gas is multiplied by this.")
    ),
    disableClaimBatching: key("disable_claim_batching", flag(false, "One transaction for each claim.")),
    disableProofBatching: key("disable_proof_batching", flag(false, "One transaction for each proof.")),
    disablePreProofClaimVerification: key(
      "disable_pre_proof_claim_verification",
      withoutEffect(
        flag(false, "Send proofs without reading their claims."),
        "the claims on chain are always read before a proof is sent"
      )
    ),
    disableInclusionReconciler: key(
      "disable_inclusion_reconciler",
      withoutEffect(
        flag(false, "Do not look for claims and proofs on chain."),
        "claims and proofs are always looked for on chain"
      )
    ),
    inclusionMaxConcurrent: key(
      "inclusion_reconciler_max_concurrent",
      count({ fallback: "64", unset: "below one" }, "Suppliers whose claims are read from the chain at one time.")
    ),
    inclusionTimeout: key(
      "inclusion_reconciler_per_group_timeout_ms",
      millis({ fallback: "10000", unset: "below one" }, "Longest wait for the claims of one supplier.")
    ),
    maxRebroadcasts: key(
      "max_rebroadcasts",
      count({ fallback: "2", least: 0 }, "Second transactions for a message whose first may be lost; 0: none.")
    ),
    rebroadcastSafetyBlocks: key(
      "rebroadcast_safety_blocks",
      count({ fallback: "0", least: 0 }, "No second transaction with this many blocks of the window left, or fewer.")
    ),
    timeoutMin: key("tx_timeout_min_seconds", seconds({ fallback: "120", unset: "below one" }, "Shortest time-out.")),
    timeoutMax: key(
      "tx_timeout_max_seconds",
      seconds({ fallback: "590", most: 599, unset: "below one" }, "Longest time-out; the chain allows 10 minutes.")
    ),
    timeoutDefault: key(
      "tx_timeout_default_seconds",
      seconds({ fallback: "120", unset: "below one" }, "Time-out where no window is known.")
    ),
    timeoutClockSkew: key(
      "tx_timeout_clock_skew_buffer_seconds",
      seconds({ fallback: "60", unset: "below one" }, "Kept free before the end of a window.")
    )
  },
  {
    check: (value, place, node, findings) => {
      if (value.timeoutMin === undefined || value.timeoutMax === undefined) return
      if (Duration.isLessThanOrEqualTo(value.timeoutMin, value.timeoutMax)) return
      findings.problem(
        joinPlace(place, "tx_timeout_min_seconds"),
        node?.entries.get("tx_timeout_min_seconds") ?? node,
        `is above tx_timeout_max_seconds (${Duration.toSeconds(value.timeoutMax)}); lower it`
      )
    }
  }
)
/** Value of `transaction`. */
export type TransactionConfig = ValueOf<typeof transaction>
