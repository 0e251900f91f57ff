/** What a supplier's store is, as plainly as it can be said: lists, copied whole, no thought of cost. */
import type { Lease } from "../../../domain/ports/Leases.ts"
import type { CommitRefused, SessionCommit, TxIntent } from "../../../domain/ports/SupplierStore.ts"
import { hexes } from "../StoreFixtures.ts"

export interface ModelSession {
  readonly version: number
  readonly events: ReadonlyArray<SessionCommit["events"][number]>
  readonly liveRoot: string | undefined
  readonly tail: ReadonlyArray<string>
  readonly root: string
  readonly count: bigint
  readonly sum: bigint
  readonly nodes: ReadonlySet<string>
  readonly sealed: string | undefined
}

export const absent: ModelSession = {
  version: 0,
  events: [],
  liveRoot: undefined,
  tail: [],
  root: "00".repeat(48),
  count: 0n,
  sum: 0n,
  nodes: new Set(),
  sealed: undefined
}

export class StoreModel {
  fence: string | undefined
  reader: string | undefined
  lastGenerated = "0-0"
  lastDelivered = "0-0"
  fresh: ReadonlyArray<string> = []
  pending: ReadonlyArray<string> = []
  /** Pending ids that the reader has not got since it came or asked for redelivery. */
  due: ReadonlyArray<string> = []
  aside: ReadonlyArray<string> = []
  sessions = new Map<string, ModelSession>()
  intents: ReadonlyArray<string> = []

  owns(lease: Lease): boolean {
    return this.fence === lease.nonce
  }

  append(id: string): void {
    this.lastGenerated = id
    this.fresh = [...this.fresh, id]
  }

  take(lease: Lease, max: number): ReadonlyArray<string> {
    if (this.reader !== lease.nonce) {
      this.reader = lease.nonce
      this.due = this.pending
    }
    const again = this.due.slice(0, max)
    const fresh = this.fresh.slice(0, max - again.length)
    this.due = this.due.slice(again.length)
    this.fresh = this.fresh.slice(fresh.length)
    this.pending = [...this.pending, ...fresh]
    this.lastDelivered = fresh.at(-1) ?? this.lastDelivered
    return [...again, ...fresh]
  }

  redeliver(): void {
    this.due = this.pending
  }

  acknowledge(ids: ReadonlyArray<string>): void {
    this.pending = this.pending.filter((id) => !ids.includes(id))
    this.due = this.due.filter((id) => !ids.includes(id))
  }

  setAside(ids: ReadonlyArray<string>): void {
    this.aside = [...this.aside, ...ids.filter((id) => this.pending.includes(id))]
    this.acknowledge(ids)
  }

  session(id: string): ModelSession {
    return this.sessions.get(id) ?? absent
  }

  /** Every reason for which the commit may be refused. */
  refusals(commit: SessionCommit): ReadonlyArray<CommitRefused["reason"]> {
    const session = this.session(commit.session)
    const covered = commit.checkpoint._tag === "Some" ? commit.checkpoint.value.tailCovered : 0
    const isSealed = session.sealed !== undefined
    return [
      ...(commit.expectedVersion === session.version ? [] : (["version"] as const)),
      ...(isSealed && (commit.leaves.length > 0 || commit.events.some(({ _tag }) => _tag === "SessionSealed"))
        ? (["sealed"] as const)
        : []),
      ...(covered > session.tail.length + commit.leaves.length ? (["tail"] as const) : [])
    ]
  }

  commit(commit: SessionCommit): void {
    const session = this.session(commit.session)
    const added = commit.leaves.map(({ digest }) => hex(digest))
    const checkpoint = commit.checkpoint._tag === "Some" ? commit.checkpoint.value : undefined
    this.sessions.set(commit.session, {
      version: session.version + 1,
      events: [...session.events, ...commit.events],
      liveRoot: checkpoint === undefined ? session.liveRoot : hex(checkpoint.liveRoot),
      tail: [...session.tail, ...added].slice(checkpoint?.tailCovered ?? 0),
      root: hex(commit.root),
      count: commit.count,
      sum: commit.sum,
      nodes: new Set([...session.nodes, ...added]),
      sealed: commit.events.some(({ _tag }) => _tag === "SessionSealed") ? hex(commit.root) : session.sealed
    })
    this.acknowledge(commit.acknowledged)
  }

  /** Changes a stored session; one that is not stored stays so. */
  change(id: string, change: (session: ModelSession) => Partial<ModelSession>): void {
    const session = this.sessions.get(id)
    if (session !== undefined) this.sessions.set(id, { ...session, ...change(session) })
  }

  acceptsIntent(intent: TxIntent): boolean {
    return intent.sessions.every(({ session, root }) => this.session(session).sealed === hex(root))
  }

  saveIntent(hash: string): void {
    if (!this.intents.includes(hash)) this.intents = [...this.intents, hash]
  }
}

/** Hex of one byte string. */
export const hex = (bytes: Uint8Array): string => hexes([bytes])[0] ?? ""
