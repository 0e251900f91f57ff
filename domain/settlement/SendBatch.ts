/**
 * Makes transactions of messages and hands them to the chain: simulate and take refused messages out, sign, store the
 * intent, record it for each session, broadcast. After a crash or a lost answer the stored bytes are sent again: a second
 * transaction could pay a second fee (`Inclusion`, `Replacement`).
 */
import { Effect, Option, Result } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import * as Metrics from "../mining/MinerMetrics.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { type Block, Blocks } from "../ports/Blocks.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import { ChainTx, type TxRefused } from "../ports/ChainTx.ts"
import { KeyNotHeld, SupplierKeys } from "../ports/SupplierKeys.ts"
import { type IntentRefused, type StoreUnavailable, SupplierStore, type TxIntent } from "../ports/SupplierStore.ts"
import { canLandInWindow } from "../session/SessionWindow.ts"
import { decodeTx } from "../tx/TxDecode.ts"
import { feeAmount, gasLimit, UNCOUNTED_GAS } from "../tx/TxFee.ts"
import { remainingWindow, reserveTimeout } from "../tx/TxTimeout.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { assembleTx, prepareTx, SIMULATION_FEE, type TxDraft, type TxFee } from "../tx/UnorderedTx.ts"
import { gasPriceFor, isWorthAsked, notePrice } from "./AskedGasPrice.ts"
import { type Batch, bisect, type Outgoing } from "./ClaimBatch.ts"
import { learnOrder, nextSequence, noAccount } from "./TxOrder.ts"
import {
  countFailedStep,
  type NodeAnswer,
  noteAnswer,
  noteObstacle,
  type Obstacle,
  SubmissionMemory
} from "./SubmissionMemory.ts"
import { knownLimits, type Submission, submitCommand } from "./Submission.ts"
import { mayPassSimulation, type SendMode } from "./SubmissionTiming.ts"

/**
 * Sends a batch at `block`, refused messages taken out. A message that cannot be sent now leaves an obstacle. `attempt`
 * counts how often it was built anew for what a refusal taught about the order of transactions.
 */
export const sendBatch: (
  submission: Submission,
  batch: Batch,
  block: Block,
  mode: Extract<SendMode, "simulated" | "blind">,
  attempt?: number
) => Effect.Effect<void, SendFailed, SendNeeds> = Effect.fnUntraced(function* (
  submission,
  batch,
  block,
  mode,
  attempt = 0
) {
  yield* signedIntent(submission, batch, block, mode).pipe(
    Effect.flatMap(({ intent, sequence }) =>
      Effect.andThen(
        saveIntent(intent),
        deliverIntent(submission, intent).pipe(
          Effect.tap((answer) => noteTurn(sequence, answer)),
          Effect.tapErrorTag("TxRefused", (refused) =>
            dropIntent(intent).pipe(
              Effect.andThen(refused.reason === "gas" ? raiseGas(submission.kind, intent) : Effect.void),
              Effect.andThen(notePrice(submission.kind, refused, intent))
            )
          )
        )
      )
    ),
    Effect.catchTag("TxRefused", (refused) =>
      Effect.flatMap(attempt < ATTEMPTS ? learns(submission, batch, refused) : Effect.succeed(false), (isKnown) =>
        isKnown
          ? sendBatch(submission, batch, block, mode, attempt + 1)
          : answerRefusal(submission, batch, block, mode, refused)
      )
    )
  )
})

/** A batch is built anew so often at once: for an ordered transaction, for its price, for a sequence that was used. */
const ATTEMPTS = 3

/** Does the refusal tell how the same messages are taken? */
const learns = Effect.fnUntraced(function* ({ kind }: Submission, batch: Batch, refused: TxRefused) {
  return (yield* learnOrder(refused)) || (yield* isWorthAsked(kind, batch, refused))
})

/** The next ordered transaction has the sequence after one that a node has. */
const noteTurn = (sequence: bigint | undefined, answer: NodeAnswer | undefined) =>
  Effect.map(SubmissionMemory, (memory) => {
    if (sequence !== undefined && (answer === "taken" || answer === "known")) memory.sequence = sequence + 1n
  })

/** Before it is sent. A call that fails may have saved it. */
const saveIntent = Effect.fnUntraced(function* (intent: TxIntent) {
  const { lease } = yield* SessionLedger
  const memory = yield* SubmissionMemory
  memory.hasIntents = true
  yield* SupplierStore.use((store) => store.saveIntent(lease, intent))
})

/** Forgets a transaction whose fate is known. */
export const dropIntent = Effect.fnUntraced(function* ({ txHash }: Pick<TxIntent, "txHash">) {
  const { lease } = yield* SessionLedger
  const memory = yield* SubmissionMemory
  yield* SupplierStore.use((store) => store.dropIntent(lease, txHash))
  memory.sentAt.delete(txHash)
})

/** A transaction of the batch, not stored yet. */
const signedIntent = Effect.fnUntraced(function* (
  submission: Submission,
  batch: Batch,
  block: Block,
  mode: Extract<SendMode, "simulated" | "blind">
) {
  const draft = yield* draftTx(submission, batch, block, yield* nextSequence)
  const gas = yield* fittingGas(batch, yield* chosenGas(submission, batch, draft, block, mode))
  const gasPrice = yield* gasPriceFor(submission.kind, batch, gas)
  const tx = yield* sign(draft, { gasLimit: gas, amount: feeAmount(gas, gasPrice), denom: gasPrice.denom })
  const intent: TxIntent = {
    txHash: tx.hash,
    kind: submission.kind,
    sessions: batch.map(({ session, root }) => ({ session, root })),
    sessionEnd: submission.sessionEnd,
    windowCloses: submission.window.closes,
    timeoutUnixNano: draft.timeoutUnixNano,
    txBytes: tx.txBytes
  }
  return { intent, sequence: draft.sequence }
})

/** Refused as a whole, or because of one message: that one is told apart and the others are sent on. */
const answerRefusal = Effect.fnUntraced(function* (
  submission: Submission,
  batch: Batch,
  block: Block,
  mode: Extract<SendMode, "simulated" | "blind">,
  refused: TxRefused
) {
  yield* Metrics.add(Metrics.refusals, { kind: submission.kind, reason: refused.reason })
  if (!isAboutMessages(refused, batch)) {
    yield* noteRefusal(batch, refused, false)
    if (refused.reason === "sequence" || isAboutTime(refused)) yield* countFailedStep
    return
  }
  const { blamed, rest } = bisect(batch, refused)
  if (blamed !== undefined) {
    yield* noteRefusal([blamed], refused, true)
    yield* Effect.logWarning("message refused, its neighbours are sent without it").pipe(
      Effect.annotateLogs({ session: blamed.session, kind: submission.kind, log: refused.log })
    )
  }
  yield* Effect.forEach(rest, (part) => sendBatch(submission, part, block, mode), { discard: true })
})

/** A refusal that smaller batches may not meet: of a message, of the size, of the gas of all together. */
const isAboutMessages = (refused: TxRefused, batch: Batch): boolean =>
  (refused.reason === "message" && !isAboutTime(refused)) ||
  (batch.length > 1 && (refused.code === TX_TOO_LARGE || refused.code === GAS_ABOVE_BLOCK))

/** The window is open by the blocks that were shown: a node that says otherwise is behind, and no message is to blame. */
const isAboutTime = ({ rejection }: TxRefused): boolean => rejection === "claim_window" || rejection === "proof_window"

/** Codes of codespace `sdk`: above the node's `max_tx_bytes`; gas limit above the block's. */
const TX_TOO_LARGE = 21
const GAS_ABOVE_BLOCK = 41

/** Remembers a refusal for sessions: what they end with if their window closes over it. */
export const noteRefusal = (sessions: ReadonlyArray<Pick<Outgoing, "session">>, refused: TxRefused, alone: boolean) =>
  Effect.forEach(sessions, ({ session }) => noteObstacle(session, obstacleOf(refused), alone), { discard: true })

const obstacleOf = (refused: TxRefused): Obstacle => ({
  reason:
    refused.rejection === "insufficient_funds" || (refused.codespace === "sdk" && FUNDS_CODES.has(refused.code))
      ? "insufficient_funds"
      : refused.rejection === "claim_missing"
        ? "claim_missing"
        : "rejected",
  detail: refused.log,
  ...(refused.rejection === undefined ? {} : { rejection: refused.rejection })
})

/** `insufficient funds`, and an account that was never funded. */
const FUNDS_CODES: ReadonlySet<number> = new Set([5, 9])

/**
 * Records the transaction for its sessions and broadcasts its stored bytes. Idempotent: for a new intent, and again for
 * one whose answer was lost. A session that needs it no more does not stop the others; outside of the window nothing is
 * sent and there is no answer. What no node has taken for certain counts as a failed step, so that the bytes are sent
 * again within the block; so does what one node refused while another's answer was lost, which is "refused" as an answer
 * and kept. Fails with a refusal that leaves no doubt.
 */
export const deliverIntent = Effect.fnUntraced(function* (
  submission: Pick<Submission, "kind" | "window">,
  intent: TxIntent
) {
  const ledger = yield* SessionLedger
  const blocks = yield* Blocks
  const tx = yield* ChainTx
  const { step, note } = yield* StepTracer
  const { height } = yield* blocks.latest
  yield* note(() => ({ attributes: { "relaymill.transaction": intent.txHash } }))
  const recorded = yield* Effect.forEach(
    intent.sessions,
    ({ session, root }) =>
      ledger.record(session, submitCommand(submission, { txHash: intent.txHash, root, height })).pipe(
        Effect.as(true),
        Effect.catchTag("CommandRefused", () => Effect.succeed(false)),
        // A span for each session, so that a session's id finds the batch that it was sent with.
        step(submission.kind, {
          attributes: { "relaymill.session": session, "relaymill.transaction": intent.txHash }
        })
      ),
    { concurrency: RECORD_CONCURRENCY }
  )
  const now = yield* blocks.latest
  if (!recorded.includes(true) || !canLandInWindow(submission.window, now.height)) return undefined
  // Only what a node has is left alone until the next block.
  const noteSent = (answer: NodeAnswer) => noteAnswer(intent.txHash, { height: now.height, answer })
  // A broadcast may take longer than a block.
  const noteTaken = Effect.flatMap(blocks.latest, ({ height: takenAt }) =>
    noteAnswer(intent.txHash, { height: now.height, answer: "taken", takenAt })
  )
  const sendAgain = (refused: TxRefused, answer: NodeAnswer) =>
    Effect.logWarning("transaction is sent again", refused).pipe(Effect.andThen(countFailedStep), Effect.as(answer))
  return yield* tx.broadcast(intent.txBytes).pipe(
    Effect.andThen(noteTaken),
    Effect.catchTag("TxRefused", (refused): Effect.Effect<NodeAnswer, TxRefused, SubmissionMemory> => {
      switch (refused.reason) {
        case "known":
        case "nonce_used":
          return noteSent("known")
        case "retry":
          return sendAgain(refused, "not_ready")
        case "expired":
          return sendAgain(refused, "expired")
        default:
          return refused.isDoubtful
            ? Metrics.add(Metrics.refusals, { kind: submission.kind, reason: refused.reason }).pipe(
                Effect.andThen(noteRefusal(intent.sessions, refused, false)),
                Effect.andThen(sendAgain(refused, "refused"))
              )
            : Effect.fail(refused)
      }
    })
  )
})

/** Sessions of one batch that are committed at the same time. */
const RECORD_CONCURRENCY = 8

/**
 * Everything that is signed except gas and fee, with a time-out that no other transaction of this signer has. Without a
 * `sequence` it is unordered.
 */
const draftTx = Effect.fnUntraced(function* (
  submission: Submission,
  batch: Batch,
  block: Block,
  sequence: bigint | undefined
) {
  const { lease } = yield* SessionLedger
  const { submission: settings } = yield* MinerSettings
  const memory = yield* SubmissionMemory
  const { chainId } = yield* ChainTx
  const publicKey = yield* SupplierKeys.use((keys) => keys.publicKey(lease.supplier))
  if (Option.isNone(publicKey)) return yield* new KeyNotHeld({ supplier: lease.supplier })
  const account = yield* ChainQuery.use((chain) => chain.account(lease.supplier))
  if (Option.isNone(account)) return yield* noAccount
  const blockTime = nanosOf(settings.blockTime)
  const [timeoutUnixNano, timeouts] = reserveTimeout(
    memory.timeouts,
    lease.supplier,
    block.timeUnixNano,
    remainingWindow(submission.window.closes, block.height, blockTime),
    settings.timeouts
  )
  memory.timeouts = timeouts
  const draft: TxDraft = {
    messages: batch.map(({ message }) => message),
    timeoutUnixNano,
    publicKey: publicKey.value,
    chainId,
    accountNumber: account.value.accountNumber,
    ...(sequence === undefined ? {} : { sequence })
  }
  return draft
})

/**
 * Gas limit of the batch: fixed, assumed, or simulated; what was simulated is assumed from then on. A message that was sent
 * or refused before is simulated even where gas is fixed, so that it pays no fee at every height or under every owner, and
 * so is everything until fixed gas was seen to be enough; what is assumed is not below it, nor below what the last refusal
 * for gas showed to be needed.
 */
const chosenGas = Effect.fnUntraced(function* (
  { kind, window }: Submission,
  batch: Batch,
  draft: TxDraft,
  block: Block,
  mode: Extract<SendMode, "simulated" | "blind">
) {
  const { submission: settings } = yield* MinerSettings
  const memory = yield* SubmissionMemory
  const messages = BigInt(batch.length)
  const fixed = settings.fixedGasPerMessage
  const least = greater((fixed ?? 0n) * messages, memory.leastGas[kind] * messages)
  const isTrusted = yield* isGasTrusted(kind, batch.length)
  const assumed = isTrusted
    ? least
    : gasLimit((yield* likelyGas(kind, batch.length)) * messages, settings.gasAdjustment)
  const isDoubted = batch.some(({ session, wasSent }) => wasSent || memory.alone.has(session))
  if (mode === "blind" && !(isDoubted && block.height >= window.opens)) return greater(assumed, least)
  const simulated = yield* simulatedGas(draft).pipe(
    // A refusal counts at any height: only a chain that does not answer is passed over, and only near the end.
    Effect.asSome,
    Effect.catchTag("ChainUnavailable", (unavailable) =>
      mayPassSimulation(window, block.height) ? Effect.succeedNone : Effect.fail(unavailable)
    )
  )
  if (Option.isNone(simulated)) return greater(assumed, least)
  memory.gas = { ...memory.gas, [kind]: simulated.value / messages }
  memory.simulatedMessages = { ...memory.simulatedMessages, [kind]: batch.length }
  if (fixed !== undefined && simulated.value + UNCOUNTED_GAS <= least) {
    memory.enoughFrom = { ...memory.enoughFrom, [kind]: Math.min(memory.enoughFrom[kind], batch.length) }
    return least
  }
  return greater(gasLimit(simulated.value, settings.gasAdjustment), least)
})

/** One message alone gets at most what a block can hold: its gas may be enough all the same. */
const fittingGas = (batch: Batch, gas: bigint) =>
  Effect.map(knownLimits, ({ maxGas }) => (batch.length === 1 && maxGas !== undefined && gas > maxGas ? maxGas : gas))

/**
 * Gas of one message among so many where it cannot be simulated. In a smaller transaction than the one that was simulated
 * what all messages share weighs more: there it is not below what is configured.
 */
const likelyGas = Effect.fnUntraced(function* (kind: Submission["kind"], messages: number) {
  const { submission } = yield* MinerSettings
  const { gas, simulatedMessages } = yield* SubmissionMemory
  const configured = kind === "claim" ? submission.claimGas : submission.proofGas
  return messages < simulatedMessages[kind] ? greater(gas[kind], configured) : gas[kind]
})

const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** Is gas set by the operator, and was it seen to be enough for a transaction of so many messages, or of any number? */
export const isGasTrusted = Effect.fnUntraced(function* (kind: Submission["kind"], messages = Number.MAX_VALUE) {
  const { submission } = yield* MinerSettings
  const memory = yield* SubmissionMemory
  return submission.fixedGasPerMessage !== undefined && memory.enoughFrom[kind] <= messages
})

/** Remembers that the transaction's gas was not enough: the next ones get at least half as much again for each message. */
export const raiseGas = (kind: Submission["kind"], { txBytes }: Pick<TxIntent, "txBytes">) =>
  Effect.map(SubmissionMemory, (memory) => {
    const tx = decodeTx(txBytes)
    if (Result.isFailure(tx) || tx.success.fee === undefined) return
    const raised = (tx.success.fee.gasLimit * 3n) / (2n * BigInt(tx.success.messages.length)) + 1n
    memory.leastGas = { ...memory.leastGas, [kind]: greater(memory.leastGas[kind], raised) }
    memory.enoughFrom = { ...memory.enoughFrom, [kind]: Number.POSITIVE_INFINITY }
  })

/** Gas used by the transaction in a simulation, which takes any signature but counts its size. */
const simulatedGas = Effect.fnUntraced(function* (draft: TxDraft) {
  const { txBytes } = yield* sign(draft, SIMULATION_FEE)
  return yield* ChainTx.use((tx) => tx.simulate(txBytes))
})

const sign = Effect.fnUntraced(function* (draft: TxDraft, fee: TxFee) {
  const { lease } = yield* SessionLedger
  const unsigned = prepareTx(draft, fee)
  const signature = yield* SupplierKeys.use((keys) => keys.sign(lease.supplier, unsigned.signDocBytes))
  return assembleTx(unsigned, signature)
})

type SendNeeds =
  | SupplierStore
  | Effect.Services<ReturnType<typeof signedIntent>>
  | Effect.Services<ReturnType<typeof deliverIntent>>

type SendFailed =
  | Exclude<Effect.Error<ReturnType<typeof signedIntent>> | Effect.Error<ReturnType<typeof deliverIntent>>, TxRefused>
  | IntentRefused
  | StoreUnavailable
