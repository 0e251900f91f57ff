/**
 * The gas price at which nodes take transactions: the configured one, until it is refused as too low with the fee that is
 * wanted. Then that one counts for a while, as long as the fee is small against what is at stake, and people are told.
 */
import { Clock, Duration, Effect, Option, Result } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { TxRefused } from "../ports/ChainTx.ts"
import type { TxIntent } from "../ports/SupplierStore.ts"
import { CREATE_CLAIM, SUBMIT_PROOF } from "../tx/ProofMessages.ts"
import { decodeTx } from "../tx/TxDecode.ts"
import { feeAmount, formatGasPrice, type GasPrice, gasPriceOf } from "../tx/TxFee.ts"
import { requiredFee } from "../tx/TxRefusal.ts"
import type { Batch } from "./ClaimBatch.ts"
import { outweighs } from "./Replacement.ts"
import type { SharedNotes } from "./SharedNotes.ts"
import type { SubmissionKind } from "./Submission.ts"
import { SubmissionMemory } from "./SubmissionMemory.ts"

/** After so long the configured price is tried again: a refused transaction costs nothing. */
const ASKED_FOR = Duration.minutes(10)

/** Longest wait for what others paid, which is only told. */
const COMPARISON = Duration.seconds(1)

/** Price of a transaction of the batch: what is asked, where the batch is worth that, otherwise what is configured. */
export const gasPriceFor = Effect.fnUntraced(function* (kind: SubmissionKind, batch: Batch, gas: bigint) {
  const { gasPrice } = (yield* MinerSettings).submission
  const { chain } = yield* SubmissionMemory
  const asked = chain.askedPrice
  if (asked === undefined || (yield* Clock.monotonicTimeNanos) >= asked.until) return gasPrice
  if (asked.price.scaled <= gasPrice.scaled) return gasPrice
  return (yield* isWorth(kind, batch, feeAmount(gas, asked.price))) ? asked.price : gasPrice
})

/** Takes from a refusal of the batch's transaction which price is asked. */
export const notePrice = Effect.fnUntraced(function* (
  kind: SubmissionKind,
  refused: TxRefused,
  { txBytes }: Pick<TxIntent, "txBytes">
) {
  const { gasPrice } = (yield* MinerSettings).submission
  const { chain } = yield* SubmissionMemory
  const required = requiredFee(refused, gasPrice.denom)
  const tx = decodeTx(txBytes)
  if (required === undefined || Result.isFailure(tx) || tx.success.fee === undefined) return
  const price = gasPriceOf(required, tx.success.fee.gasLimit, gasPrice.denom)
  if (price === undefined) return
  const now = yield* Clock.monotonicTimeNanos
  const isNews = chain.askedPrice === undefined || now >= chain.askedPrice.until
  chain.askedPrice = { price, until: now + nanosOf(ASKED_FOR) }
  if (!isNews) return
  const paid = yield* ChainQuery.use((query) => query.recentFee(kind === "claim" ? CREATE_CLAIM : SUBMIT_PROOF)).pipe(
    Effect.timeoutOption(COMPARISON),
    Effect.map(Option.flatten),
    Effect.catchTag("ChainUnavailable", () => Effect.succeedNone)
  )
  yield* Effect.logWarning(sentenceOf(price, gasPrice)).pipe(
    Effect.annotateLogs({
      refusal: refused.log,
      // Somebody's batch, of any size: a hint whether the node asks what others pay.
      newestFeeOnChain: Option.match(paid, { onNone: () => "not known", onSome: (fee) => `${fee}${gasPrice.denom}` })
    })
  )
})

/** Was the batch refused for a fee that it is worth? Then it is built again at once. */
export const isWorthAsked = Effect.fnUntraced(function* (kind: SubmissionKind, batch: Batch, refused: TxRefused) {
  const { gasPrice } = (yield* MinerSettings).submission
  const required = requiredFee(refused, gasPrice.denom)
  return required !== undefined && (yield* isWorth(kind, batch, required))
})

/** What a person should know of the price now; empty while the configured one is not refused. */
export const priceNotices = Effect.fnUntraced(function* ({ askedPrice }: SharedNotes, gasPrice: GasPrice) {
  const isAsked = askedPrice !== undefined && (yield* Clock.monotonicTimeNanos) < askedPrice.until
  const notices: ReadonlyArray<string> = isAsked ? [sentenceOf(askedPrice.price, gasPrice)] : []
  return notices
})

/** Without its proof a session loses its reward and a part of the stake. */
const isWorth = Effect.fnUntraced(function* (kind: SubmissionKind, batch: Batch, fee: bigint) {
  const stake = batch.reduce((sum, { worth }) => sum + worth, 0n)
  if (kind === "claim" || outweighs(stake, fee)) return outweighs(stake, fee)
  const { proofMissingPenalty } = yield* ChainQuery.use((chain) => chain.proofParams)
  return outweighs(stake + proofMissingPenalty * BigInt(batch.length), fee)
})

const sentenceOf = (asked: GasPrice, configured: GasPrice): string =>
  `nodes take no transaction below a gas price of ${formatGasPrice(asked)}, configured is ${formatGasPrice(configured)}:` +
  " it is paid where what is at stake is ten times the fee; set transaction.gas_price, or use other nodes"
