/**
 * Whether the miners could have done what they did not do. A supplier is able at a height when its owner had it, and
 * nothing kept the owner from its work, for long enough before the next block. What was due and is missing although the
 * supplier was able at the last heights of the window is the miner's own fault, whatever reason it gives.
 */
import { type Exit } from "effect"
import type { NodeFaults } from "../../adapters/simchain/NodeFaults.ts"
import { sharedAt } from "../../adapters/simchain/ChainState.ts"
import type { CommittedBlock } from "../../adapters/simchain/CommittedBlock.ts"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { TxRefused } from "../../domain/ports/ChainTx.ts"
import type { SessionEvent } from "../../domain/session/SessionEvent.ts"
import { windowOf } from "./ChainConduct.ts"
import type { Directive, Step } from "./Gate.ts"
import { ALL_MINERS } from "./Injection.ts"
import type { RunView } from "./RunView.ts"
import { BLOCK_MILLIS } from "./Scenario.ts"

/**
 * Undisturbed milliseconds before the next block that are enough: the pause after a failed look, the patience of a seal,
 * and the calls of one look.
 */
const ENOUGH_MILLIS = 3_600

/** Heights at the end of a window at which a miner that is able sends what is due. */
const LAST_HEIGHTS = 2

type Kind = "CreateClaim" | "SubmitProof"

/** Something that kept a replica from its work until a moment. */
interface Disturbance {
  readonly until: number
  readonly kinds: ReadonlyArray<Kind>
}

interface Tenure {
  readonly replica: string
  readonly nonce: string
  readonly since: number
}

const BOTH: ReadonlyArray<Kind> = ["CreateClaim", "SubmitProof"]

export class Ability {
  readonly #view: RunView
  readonly #disturbances = new Map<string, Array<Disturbance>>()
  readonly #tenures = new Map<string, Tenure>()
  /** `kind|supplier|height`. */
  readonly #able = new Set<string>()
  /** Moments at which a miner's chain did not answer, and at which it refused something. */
  readonly #unanswered: Array<number> = []
  readonly #refused: Array<number> = []

  constructor(view: RunView) {
    this.#view = view
    for (const fault of view.scenario.faults) {
      if (fault._tag !== "Node" || !LASTING.some((name) => name in fault.faults)) continue
      const until = fault.span.from + fault.span.millis + BLOCK_MILLIS
      this.#spans.push({ replica: fault.replica, from: fault.span.from, until })
    }
  }

  readonly #spans: Array<{ readonly replica: string; readonly from: number; readonly until: number }> = []

  /** A call was made, and this is what becomes of it. */
  begin({ replica, operation }: Step, { failure, delayBefore = 0, delayAfter = 0 }: Directive): void {
    if (!replica.startsWith("miner")) return
    const now = this.#view.now()
    if (delayBefore + delayAfter > EVERYDAY_MILLIS) this.#disturb(replica, now + delayBefore + delayAfter, BOTH)
    if (failure === undefined) return
    if (failure.error instanceof ChainUnavailable) this.#unanswered.push(now)
    if (failure.error instanceof TxRefused) this.#refused.push(now)
    const late = typeof failure.effect === "number" ? failure.effect : 0
    // A refusal is taken at its word until the next block.
    const until = failure.error instanceof TxRefused ? NEXT_BLOCK : now + late
    const kinds = INDISPENSABLE[operation] ?? BOTH
    this.#disturb(replica, until, kinds)
  }

  /** A broadcast or simulation has reached the replica's node; `before` and `after` are its switches. */
  answered({ replica }: Step, before: NodeFaults, after: NodeFaults, exit: Exit.Exit<unknown, unknown>): void {
    const now = this.#view.now()
    if (exit._tag === "Failure") {
      const [reason] = exit.cause.reasons
      const error = reason?._tag === "Fail" ? reason.error : undefined
      if (error instanceof ChainUnavailable) this.#unanswered.push(now)
      if (error instanceof TxRefused) this.#refused.push(now)
    }
    if (before.loseReplies > after.loseReplies) this.#disturb(replica, now, BOTH)
    if (before.refusals.length > after.refusals.length) {
      const [refusal] = before.refusals
      const isRetried = refusal !== undefined && "code" in refusal && refusal.code === MEMPOOL_FULL
      this.#disturb(replica, isRetried ? now : NEXT_BLOCK, BOTH)
    }
    // One that stays in the cache of what was lost is "known" to every node, also to that of the supplier's next owner.
    if (before.dropAccepted > after.dropAccepted) {
      this.#disturb(before.dropKeepsCache ? ALL_MINERS : replica, NEXT_BLOCK, BOTH)
    }
  }

  /** A block is committed: what it refused was refused too. */
  committed(txs: CommittedBlock["txs"]): void {
    if (txs.some(({ result }) => result.code !== 0)) this.#refused.push(this.#view.now())
  }

  /** Who has the supplier now, by the store and in its own eyes; undefined when they differ. */
  owned(supplier: string, replica: string | undefined, nonce: string | undefined): void {
    if (replica === undefined || nonce === undefined) {
      this.#tenures.delete(supplier)
      return
    }
    const tenure = this.#tenures.get(supplier)
    if (tenure?.replica === replica && tenure.nonce === nonce) return
    this.#tenures.set(supplier, { replica, nonce, since: this.#view.now() })
  }

  /** The block after `height` is about to be committed. */
  block(height: bigint): void {
    const now = this.#view.now()
    const from = now - ENOUGH_MILLIS
    for (const [supplier, { replica, since }] of this.#tenures) {
      if (since > from || this.#view.heightOf(replica) !== height) continue
      if (this.#spans.some((span) => span.replica === replica && span.from <= now && span.until > from)) continue
      for (const kind of BOTH) {
        const isAble = ![replica, ALL_MINERS].some((name) =>
          this.#disturbances.get(name)?.some(({ until, kinds }) => until > from && kinds.includes(kind))
        )
        if (isAble) this.#able.add(`${kind}|${supplier}|${height}`)
      }
    }
    for (const [replica, all] of this.#disturbances) {
      this.#disturbances.set(
        replica,
        all.map((one) => (one.until === NEXT_BLOCK ? { ...one, until: now } : one))
      )
    }
  }

  /** Is a node behind or slow with blocks, so that what it lets through may be too late? */
  isBehind(supplier: string): boolean {
    const replica = this.#tenures.get(supplier)?.replica
    const now = this.#view.now()
    return this.#spans.some(
      (span) => span.replica === replica && span.from <= now && span.until > now - 2 * BLOCK_MILLIS
    )
  }

  /** Judges what is missing of one session. `end` is the session's last height. */
  judge(supplier: string, session: string, end: bigint, events: ReadonlyArray<SessionEvent>): void {
    const what = `${session} of ${supplier}`
    for (const event of events) {
      switch (event._tag) {
        case "ClaimMissed":
          this.#judgeMiss(supplier, what, "CreateClaim", end, `${event._tag} (${event.reason})`)
          this.#judgeReason(what, event.reason, event._tag)
          break
        case "ProofMissed":
          this.#judgeReason(what, event.reason, event._tag)
          break
        case "Expired":
          this.#judgeMiss(supplier, what, "SubmitProof", end, event._tag)
          break
        case "SettlementUnknown":
        case "RootMismatch":
          this.#view.violate("L4", `${event._tag} in ${what}: nothing of the kind happened`)
          break
        case "Skipped":
          if (event.reason !== "empty" && event.reason !== "unprofitable") {
            this.#view.violate("L4", `${what} was skipped (${event.reason})`)
          }
      }
    }
  }

  #judgeMiss(supplier: string, what: string, kind: Kind, end: bigint, miss: string): void {
    const { opens, closes } = windowOf(kind, sharedAt(this.#view.chain(), end), end)
    const heights: Array<bigint> = []
    for (let height = closes - 1n; height >= opens && heights.length < LAST_HEIGHTS; height--) heights.push(height)
    if (heights.length === 0) heights.push(opens - 1n)
    if (heights.every((height) => this.#able.has(`${kind}|${supplier}|${height}`))) {
      this.#view.violate("L4", `${miss} in ${what}, though nothing kept the miner from it at heights ${heights.join()}`)
    }
  }

  /** The reason has to name something that happened. */
  #judgeReason(what: string, reason: string, tag: string): void {
    const isTrue =
      reason === "window_closed" ||
      (reason === "no_chain" && (this.#unanswered.length > 0 || this.#spans.length > 0)) ||
      ((reason === "rejected" || reason === "claim_missing") && this.#refused.length > 0)
    if (!isTrue) this.#view.violate("L4", `${tag} (${reason}) in ${what}: nothing of the kind happened`)
  }

  #disturb(replica: string, until: number, kinds: ReadonlyArray<Kind>): void {
    const all = this.#disturbances.get(replica)
    if (all === undefined) this.#disturbances.set(replica, [{ until, kinds }])
    else all.push({ until, kinds })
  }
}

/** The end of what lasts until the next block, however long that takes. */
const NEXT_BLOCK = Number.POSITIVE_INFINITY

/** More than this is not the latency of every day. */
const EVERYDAY_MILLIS = 80

/** Code of a full mempool: the same bytes are sent again within the block. */
const MEMPOOL_FULL = 20

/** Switches of a node that work as long as they are on. The others are used up by what they do. */
const LASTING: ReadonlyArray<keyof NodeFaults> = [
  "lagBlocks",
  "queryLagBlocks",
  "blocksStalled",
  "queriesFail",
  "txsFail",
  "inclusionDelayBlocks"
]

/**
 * Calls that a miner can do without: at its last heights a message goes out although its simulation got no answer, and a
 * claim is sent although the claims on chain cannot be read.
 */
const INDISPENSABLE: Readonly<Record<string, ReadonlyArray<Kind>>> = {
  "ChainTx.simulate": [],
  "ChainQuery.claims": ["SubmitProof"]
}
