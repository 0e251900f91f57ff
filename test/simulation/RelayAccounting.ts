/**
 * Invariant 1: a relay that was answered or logged is in the log, a spool, its trie or set aside, or it is counted as late,
 * until its session ends. Totals are those of the distinct leaves. A sealed root is the root of its leaves and stays.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import type { MemorySession } from "../../adapters/memory/MemorySession.ts"
import type { SessionCommit } from "../../domain/ports/SupplierStore.ts"
import { decodeMinedRelay, type MinedRelay } from "../../domain/relay/MinedRelay.ts"
import { replay } from "../../domain/session/SessionState.ts"
import { Trie } from "../../domain/smst/Trie.ts"
import { bytesEqual, LEAF_TAG, leafPath, pathOf } from "../../domain/smst/TrieSpec.ts"
import { foldOf } from "./SessionFold.ts"
import type { RunView } from "./RunView.ts"

/** A relay that must not be lost. */
export interface KnownRelay {
  /** Hex of its path in the trie. */
  readonly path: string
  readonly session: string
  readonly supplier: string
  readonly computeUnits: bigint
  /** Whether a gateway has its answer. */
  answered: boolean
}

/** What a session was when it was sealed. */
export interface SealedSession {
  readonly root: Uint8Array
  readonly leaves: ReadonlySet<string>
}

export class RelayAccounting {
  readonly #view: RunView
  /** By `supplier|path`. */
  readonly #known = new Map<string, KnownRelay>()
  readonly #bySession = new Map<string, Array<KnownRelay>>()
  readonly #leaves = new WeakMap<MemorySession, { readonly stamp: string; readonly paths: ReadonlySet<string> }>()
  readonly #paths = new WeakMap<Uint8Array, string>()
  readonly #eventCounts = new WeakMap<MemorySession, number>()
  /** By `supplier|session`. */
  readonly sealed = new Map<string, SealedSession>()
  /** Every delivery that a log has ever held, by `supplier|id`. */
  readonly #deliveries = new Map<string, Uint8Array>()

  constructor(view: RunView) {
    this.#view = view
  }

  /** All relays that must not be lost. */
  get known(): Iterable<KnownRelay> {
    return this.#known.values()
  }

  /** A gateway got its answer, or the relay entered a log. */
  remember(relay: MinedRelay, answered: boolean): void {
    const path = bytesToHex(pathOf(nodeSha256(relay.relayBytes), nodeSha256))
    const key = `${relay.supplierOperatorAddress}|${path}`
    const known = this.#known.get(key)
    if (known !== undefined) {
      known.answered ||= answered
      return
    }
    const fresh: KnownRelay = {
      path,
      session: relay.sessionId,
      supplier: relay.supplierOperatorAddress,
      computeUnits: relay.computeUnitsPerRelay,
      answered
    }
    this.#known.set(key, fresh)
    const group = `${fresh.supplier}|${fresh.session}`
    this.#bySession.set(group, [...(this.#bySession.get(group) ?? []), fresh])
  }

  /** An entry is in the supplier's log. */
  logged(supplier: string, id: string, data: Uint8Array): void {
    this.#deliveries.set(`${supplier}|${id}`, data)
  }

  /** Checks one supplier: everything that its stores say now. */
  check(supplier: string): void {
    const state = this.#view.stores.supplier(supplier)
    for (const [id, session] of state.sessions) this.#checkSession(supplier, id, session)
    const elsewhere = this.#outsideTries(supplier)
    for (const [group, relays] of this.#bySession) {
      if (!group.startsWith(`${supplier}|`)) continue
      const session = state.sessions.get(group.slice(supplier.length + 1))
      const folded = session === undefined ? undefined : foldOf(session)
      if (folded?.end !== undefined) continue
      const leaves = session === undefined ? NONE : this.leavesOf(session)
      const missing = relays.filter(({ path }) => !leaves.has(path) && !elsewhere.has(path))
      const late = Number(folded?.late.count ?? 0n)
      if (missing.length > late) {
        this.#view.violate(
          "S1",
          `${missing.length} relays of ${group} are nowhere, ${late} are counted as late; first ${missing[0]?.path}`
        )
      }
    }
  }

  /** Checks what a commit that took effect acknowledged: each entry is a leaf now, or counted in it. */
  committed(supplier: string, commit: SessionCommit): void {
    const session = this.#view.stores.supplier(supplier).sessions.get(commit.session)
    if (session === undefined) return
    const before = replay(session.events.slice(0, session.events.length - commit.events.length))
    const acknowledged = new Set(
      commit.acknowledged.map((id) => {
        const data = this.#deliveries.get(`${supplier}|${id}`)
        return data === undefined ? `unknown ${id}` : this.#pathOf(data)
      })
    )
    const leaves = this.leavesOf(session)
    const outside = [...acknowledged].filter((path) => !leaves.has(path)).length
    let counted = 0
    for (const event of commit.events) if (event._tag === "RelaysLate") counted += Number(event.count)
    if (before.end !== undefined) {
      if (counted < acknowledged.size) {
        this.#view.violate("S1", `${commit.session}: ${acknowledged.size} relays after its end, ${counted} counted`)
      }
    } else if (counted !== outside) {
      this.#view.violate(
        "S1",
        `${commit.session}: ${outside} acknowledged entries are no leaves, ${counted} are counted as late`
      )
    }
  }

  /** Hex paths of the session's stored leaves. */
  leavesOf(session: MemorySession): ReadonlySet<string> {
    const stamp = `${session.version}/${session.nodes.size}`
    const known = this.#leaves.get(session)
    if (known?.stamp === stamp) return known.paths
    const paths = new Set<string>()
    for (const { encoding } of session.nodes.values()) {
      if (encoding[0] === LEAF_TAG) paths.add(this.#leafPath(encoding))
    }
    this.#leaves.set(session, { stamp, paths })
    return paths
  }

  #checkSession(supplier: string, id: string, session: MemorySession): void {
    const seen = this.#eventCounts.get(session) ?? 0
    if (session.events.length < seen) this.#view.violate("S1", `${id} has lost events`)
    const fresh = session.events.slice(seen)
    this.#eventCounts.set(session, session.events.length)
    const key = `${supplier}|${id}`
    for (const event of fresh) {
      if (event._tag !== "SessionSealed") continue
      if (this.sealed.has(key)) this.#view.violate("S1", `${id} was sealed twice`)
      const leaves = this.leavesOf(session)
      this.sealed.set(key, { root: event.root, leaves })
      this.#checkSealedRoot(id, session, event.root)
    }
    const sealed = this.sealed.get(key)
    if (sealed !== undefined && !bytesEqual(sealed.root, session.root)) {
      this.#view.violate("S1", `the root of ${id} changed after it was sealed`)
    }
    if (foldOf(session).end !== undefined) return
    const leaves = this.leavesOf(session)
    const price = session.events.find((event) => event._tag === "SessionOpened")?.computeUnitsPerRelay ?? 0n
    if (session.count !== BigInt(leaves.size) || session.sum !== BigInt(leaves.size) * price) {
      this.#view.violate(
        "S1",
        `${id} stores ${session.count} relays and ${session.sum} units, its ${leaves.size} leaves weigh ${price} each`
      )
    }
  }

  #checkSealedRoot(id: string, session: MemorySession, root: Uint8Array): void {
    const trie = Trie.empty(nodeSha256)
    const leaves = [...session.nodes.values()].map(({ encoding }) => encoding).filter((node) => node[0] === LEAF_TAG)
    const inserted = trie.insertEncodedLeaves(leaves)
    if (Result.isFailure(inserted) || !bytesEqual(trie.root(), root)) {
      this.#view.violate("S1", `the sealed root of ${id} is not the root of its ${leaves.length} leaves`)
    }
  }

  /** Paths in the log, in spools, or set aside. */
  #outsideTries(supplier: string): ReadonlySet<string> {
    const { log, setAside } = this.#view.stores.supplier(supplier)
    const paths = new Set<string>()
    for (const { data } of log.entries()) paths.add(this.#pathOf(data))
    for (const { delivery } of setAside) paths.add(this.#pathOf(delivery.data))
    for (const spool of this.#view.spools.values()) {
      for (const { relay } of spool.values()) {
        if (relay.supplierOperatorAddress === supplier) paths.add(this.#relayPath(relay))
      }
    }
    return paths
  }

  #pathOf(data: Uint8Array): string {
    let path = this.#paths.get(data)
    if (path === undefined) {
      const decoded = decodeMinedRelay(data)
      path = Result.isSuccess(decoded) ? this.#relayPath(decoded.success) : "undecodable"
      this.#paths.set(data, path)
    }
    return path
  }

  #relayPath(relay: MinedRelay): string {
    let path = this.#paths.get(relay.relayBytes)
    if (path === undefined) {
      path = bytesToHex(pathOf(nodeSha256(relay.relayBytes), nodeSha256))
      this.#paths.set(relay.relayBytes, path)
    }
    return path
  }

  #leafPath(encoding: Uint8Array): string {
    let path = this.#paths.get(encoding)
    if (path === undefined) {
      path = bytesToHex(leafPath(encoding))
      this.#paths.set(encoding, path)
    }
    return path
  }
}

const NONE: ReadonlySet<string> = new Set()
