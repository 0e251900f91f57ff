/**
 * Invariant 1 at the seal: before the last height to wait (`D`), no session is sealed while entries of it that were in the
 * log when it could be sealed first are not folded, or while a relayer announces relays of it; and no relay leaves a spool
 * before its relayer has announced it.
 */
import { Result } from "effect"
import { living } from "../../adapters/memory/MemoryStores.ts"
import { sharedAt } from "../../adapters/simchain/ChainState.ts"
import type { RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import type { SessionCommit } from "../../domain/ports/SupplierStore.ts"
import { decodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import type { Step } from "./Gate.ts"
import { foldOf } from "./SessionFold.ts"
import type { RunView } from "./RunView.ts"

/** What the log showed when the owner last read its state. */
interface Look {
  /** Sessions of entries not acknowledged, with the moment at which the entry was appended. */
  readonly entries: ReadonlyArray<{ readonly session: string; readonly appendedAt: number }>
  /** Lowest session end announced by a relayer. */
  readonly announced: bigint | undefined
}

export class SealConduct {
  readonly #view: RunView
  /** By `replica#incarnation|supplier`. */
  readonly #looks = new Map<string, Look>()
  /** Moment of each block. */
  readonly #blocks = new Map<bigint, number>()
  readonly #sessions = new WeakMap<Uint8Array, string>()
  /** Moment of each entry, by `supplier|id`. */
  readonly #appended = new Map<string, number>()

  /** Moment of the first entry of each session, by `supplier|session`. */
  readonly #first = new Map<string, number>()

  constructor(view: RunView) {
    this.#view = view
  }

  block(height: bigint): void {
    this.#blocks.set(height, this.#view.now())
  }

  logged(supplier: string, id: string, data: Uint8Array): void {
    this.#appended.set(`${supplier}|${id}`, this.#view.now())
    const key = `${supplier}|${this.#sessionOf(data)}`
    if (!this.#first.has(key)) this.#first.set(key, this.#view.now())
  }

  /** Whether the first relay of the session came into the log when sealing could not wait any more. */
  cameTooLate(supplier: string, session: string, end: bigint): boolean {
    const due = this.#blocks.get(this.#heights(end).latest)
    const first = this.#first.get(`${supplier}|${session}`)
    return due === undefined || first === undefined || first >= due
  }

  /** The owner has read the state of the log. */
  looked(step: Step, supplier: string): void {
    const { stores, clock } = this.#view
    const announced = [...living(stores.spools, clock()).values()]
    this.#looks.set(lookKey(step, supplier), {
      entries: stores
        .supplier(supplier)
        .log.entries()
        .map(({ id, data }) => ({
          session: this.#sessionOf(data),
          appendedAt: this.#appended.get(`${supplier}|${id}`) ?? 0
        })),
      announced: announced.length === 0 ? undefined : announced.reduce((a, b) => (a < b ? a : b))
    })
  }

  /** A commit of the owner has taken effect. */
  committed(step: Step, supplier: string, commit: SessionCommit): void {
    const sealed = commit.events.find((event) => event._tag === "SessionSealed")
    const session = this.#view.stores.supplier(supplier).sessions.get(commit.session)
    if (sealed === undefined || session === undefined) return
    const end = foldOf(session).header.sessionEndBlockHeight
    const { first, latest } = this.#heights(end)
    const openedAt = this.#blocks.get(first)
    if (openedAt === undefined) {
      return this.#view.violate("S1", `${commit.session} was sealed before height ${first}`)
    }
    const patience = PATIENCE_MILLIS
    const mustWait = sealed.height < latest || (first === latest && this.#view.now() < openedAt + patience)
    if (!mustWait) return
    const look = this.#looks.get(lookKey(step, supplier))
    const waiting = look?.entries.filter((entry) => entry.session === commit.session && entry.appendedAt < openedAt)
    if (look === undefined || waiting === undefined || waiting.length > 0) {
      this.#view.violate(
        "S1",
        `${commit.session} was sealed at height ${sealed.height} (may wait to ${latest}) with ${waiting?.length} entries in the log`
      )
    } else if (look.announced !== undefined && look.announced <= end) {
      this.#view.violate(
        "S1",
        `${commit.session} was sealed at height ${sealed.height} (may wait to ${latest}) while a spool is announced`
      )
    }
  }

  /** A relayer is about to append. */
  appending(step: Step, { relay }: RelayLogEntry): void {
    const spool = this.#view.spools.get(step.replica)
    const isReplay = [...(spool?.values() ?? [])].some((kept) => kept.relay === relay)
    if (!isReplay) return
    const announced = living(this.#view.stores.spools, this.#view.clock()).get(step.replica)
    if (announced === undefined || announced > relay.sessionEndHeight) {
      this.#view.violate("S1", `${step.replica} replays a relay of ${relay.sessionId} that it has not announced`)
    }
  }

  /** First height at which the session may be sealed, and the last to which sealing may wait. */
  #heights(end: bigint): { readonly first: bigint; readonly latest: bigint } {
    const params = sharedAt(this.#view.chain(), end)
    const opens = end + params.claimWindowOpenOffsetBlocks + 1n
    const closes = opens + params.claimWindowCloseOffsetBlocks
    const latest = closes === opens ? opens - 1n : closes - 2n > opens ? closes - 2n : opens
    return { first: latest < opens ? latest : opens, latest }
  }

  #sessionOf(data: Uint8Array): string {
    let session = this.#sessions.get(data)
    if (session === undefined) {
      session = Result.match(decodeMinedRelay(data), { onFailure: () => "", onSuccess: ({ sessionId }) => sessionId })
      this.#sessions.set(data, session)
    }
    return session
  }
}

/** Shorter than the settings' patience by the time that calls take. */
const PATIENCE_MILLIS = 900

const lookKey = ({ replica, incarnation }: Step, supplier: string): string => `${replica}#${incarnation}|${supplier}`
