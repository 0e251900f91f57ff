/**
 * How transactions of one signer are told apart. Unordered ones by their time-outs, as the Go fleet sends them; on a chain
 * that takes none, by the account's sequence, one after the other. The looks at a supplier's sessions are one fiber, so
 * its transactions are made in turn; what another program signs for the account shows in a refusal that names the
 * sequence expected.
 */
import { Clock, Duration, Effect, Option } from "effect"
import { readFresh } from "../cache/FreshRead.ts"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import { TxRefused } from "../ports/ChainTx.ts"
import { expectedSequence } from "../tx/TxRefusal.ts"
import { SubmissionMemory } from "./SubmissionMemory.ts"

/** A chain that refused an unordered transaction is tried with one again after so long. */
const ORDERED_FOR = Duration.minutes(10)

/** The supplier's account does not exist: nothing can be signed for it. */
export const noAccount = new TxRefused({
  reason: "operator",
  codespace: "sdk",
  code: 9,
  log: "the supplier's account does not exist on chain"
})

/** Sequence of the supplier's next transaction; undefined: it is unordered. Asks the chain where nothing is known. */
export const nextSequence = Effect.gen(function* () {
  const memory = yield* SubmissionMemory
  if ((yield* Clock.monotonicTimeNanos) >= memory.chain.orderedUntil) return undefined
  if (memory.sequence !== undefined) return memory.sequence
  const { supplier } = (yield* SessionLedger).lease
  const account = yield* readFresh(ChainQuery.use((chain) => chain.account(supplier)))
  if (Option.isNone(account)) return yield* noAccount
  memory.sequence = account.value.sequence
  return memory.sequence
})

/** Takes from a refusal what it says about the order of transactions; true if the same messages may be sent at once. */
export const learnOrder = Effect.fnUntraced(function* ({ reason, log }: TxRefused) {
  const memory = yield* SubmissionMemory
  if (reason === "sequence") {
    memory.sequence = expectedSequence(log)
    return true
  }
  if (reason !== "ordered_only") return false
  const { chain } = memory
  const now = yield* Clock.monotonicTimeNanos
  if (now >= chain.orderedUntil) {
    chain.orderedUntil = now + nanosOf(ORDERED_FOR)
    yield* Effect.logWarning("the chain takes no unordered transactions: account sequences are used")
  }
  return true
})
