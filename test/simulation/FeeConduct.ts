/**
 * Fees: for each session and kind of message one transaction takes effect, and one is paid for. A second one is built only
 * when the first can land no more, or as the last chance of its window (`domain/settlement/Replacement.ts`); one that a
 * block refuses is paid for in vain.
 */
import { type Exit, Result } from "effect"
import { sharedAt } from "../../adapters/simchain/ChainState.ts"
import type { CommittedBlock } from "../../adapters/simchain/CommittedBlock.ts"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { TxRefused } from "../../domain/ports/ChainTx.ts"
import { type DecodedTx, decodeTx } from "../../domain/tx/TxDecode.ts"
import { txHash } from "../../domain/tx/UnorderedTx.ts"
import { windowOf } from "./ChainConduct.ts"
import type { Step } from "./Gate.ts"
import type { RunView } from "./RunView.ts"
import { foldOf } from "./SessionFold.ts"

/** A transaction that carries a message of some session. */
interface Attempt {
  readonly hash: string
  readonly tag: "CreateClaim" | "SubmitProof"
  readonly supplier: string
  readonly session: string
  /** Chain time, nanoseconds, after which no block takes it. */
  readonly timeout: bigint
  /** Broadcasts that were begun, and those that a node refused without a doubt. */
  begun: number
  refused: number
  /** A block refused it. */
  failed: boolean
  /** Built as the last chance of its window while another one could still land. */
  readonly isLastChance: boolean
}

export class FeeConduct {
  readonly #view: RunView
  /** By kind, session and supplier. */
  readonly #attempts = new Map<string, Array<Attempt>>()
  readonly #byHash = new Map<string, Set<Attempt>>()
  /** Messages that took effect, by the same key. */
  readonly #landed = new Map<string, number>()
  /** Transactions paid for in vain: a node that is behind lets them through. */
  readonly #excusesVain: (supplier: string) => boolean

  constructor(view: RunView, excusesVain: (supplier: string) => boolean) {
    this.#view = view
    this.#excusesVain = excusesVain
  }

  /** A broadcast begins. */
  broadcast(step: Step, bytes: Uint8Array): void {
    const decoded = decodeTx(bytes)
    if (Result.isFailure(decoded)) return
    const hash = txHash(bytes)
    const known = this.#byHash.get(hash)
    if (known !== undefined) {
      for (const attempt of known) attempt.begun++
      return
    }
    const attempts = new Set<Attempt>()
    this.#byHash.set(hash, attempts)
    const timeout = decoded.success.timeoutUnixNano ?? 0n
    for (const message of decoded.success.messages) {
      const end = message.message.sessionHeader?.sessionEndBlockHeight ?? 0n
      const { closes } = windowOf(message._tag, sharedAt(this.#view.chain(), end), end)
      const key = keyOf(message)
      const earlier = this.#attempts.get(key) ?? []
      const open = earlier.filter((attempt) => this.#canLand(attempt))
      const isLastChance = open.length > 0
      if (isLastChance && closes - this.#view.heightOf(step.replica) > LAST_BLOCKS) {
        this.#view.violate("fees", `${step.replica} builds a second ${key} while the first can land`)
      }
      if (open.length > 1) this.#view.violate("fees", `${step.replica} builds a third ${key}`)
      const attempt: Attempt = {
        hash,
        tag: message._tag,
        supplier: message.message.supplierOperatorAddress,
        session: message.message.sessionHeader?.sessionId ?? "",
        timeout,
        begun: 1,
        refused: 0,
        failed: false,
        isLastChance
      }
      attempts.add(attempt)
      this.#attempts.set(key, [...earlier, attempt])
    }
  }

  /** A broadcast has reached its node, which answered. */
  answered(bytes: Uint8Array, exit: Exit.Exit<unknown, unknown>): void {
    if (exit._tag === "Success") return
    const [reason] = exit.cause.reasons
    const error = reason?._tag === "Fail" ? reason.error : undefined
    if (error instanceof ChainUnavailable || !(error instanceof TxRefused) || DOUBTFUL.has(error.reason)) return
    for (const attempt of this.#byHash.get(txHash(bytes)) ?? []) attempt.refused++
  }

  /** The owner has forgotten a transaction. */
  dropped(hash: string): void {
    for (const attempt of this.#byHash.get(hash) ?? []) {
      const { tag, supplier, session } = attempt
      const stored = this.#view.stores.supplier(supplier).sessions.get(session)
      const status = stored === undefined ? "unopened" : foldOf(stored).status
      const isDue = status === (tag === "CreateClaim" ? "sealed" : "proof_required")
      if (isDue && this.#canLand(attempt)) {
        this.#view.violate("fees", `${tag} of ${session}/${supplier} is forgotten while it can land`)
      }
    }
  }

  /** A block is committed. */
  block(txs: CommittedBlock["txs"]): void {
    for (const { hash, bytes, result } of txs) {
      const decoded = decodeTx(bytes)
      if (Result.isFailure(decoded)) continue
      const attempts = this.#byHash.get(hash) ?? new Set()
      if (result.code !== 0) for (const attempt of attempts) attempt.failed = true
      for (const message of decoded.success.messages) {
        if (result.code !== 0) {
          // Broadcast in time (S4 sees to it) and not in the window's last block: the chain's doing.
          const cameLate = TOO_LATE.test(result.log)
          if (!cameLate && !this.#excusesVain(message.message.supplierOperatorAddress)) {
            this.#view.violate("fees", `a block refused ${keyOf(message)}: ${result.log.slice(0, 120)}`)
          }
          continue
        }
        const key = keyOf(message)
        const landed = (this.#landed.get(key) ?? 0) + 1
        this.#landed.set(key, landed)
        const all = this.#attempts.get(key) ?? []
        if (landed > 1 && !all.some(({ isLastChance }) => isLastChance)) {
          this.#view.violate("fees", `${key} took effect ${landed} times`)
        }
      }
    }
  }

  #canLand({ begun, refused, failed, timeout }: Attempt): boolean {
    return !failed && begun > refused && this.#view.chain().timeUnixNano <= timeout
  }
}

/** A block's refusal of a message whose window has closed. */
const TOO_LATE = /current block height \(\d+\) is greater than/

/** Blocks before the end of a window in which a transaction may get a successor. */
const LAST_BLOCKS = 2n

/** Answers after which the bytes may still land. */
const DOUBTFUL = new Set(["known", "nonce_used", "expired"])

const keyOf = ({ _tag, message }: DecodedTx["messages"][number]): string =>
  `${_tag} of ${message.sessionHeader?.sessionId ?? ""}/${message.supplierOperatorAddress}`
