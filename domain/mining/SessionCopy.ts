/** A session as its owner works on it: what is stored, folded, without its leaves. A new value for each commit. */
import { Option, type Tracer } from "effect"
import type { SessionCommit, StoredSession } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import { evolve, replay, type SessionState, type Tally, unopened } from "../session/SessionState.ts"
import { bytesEqual } from "../smst/TrieSpec.ts"

/** One session under one lease. `version` is the store's, which refuses a commit over another one. */
export interface SessionCopy {
  readonly session: SessionId
  readonly version: number
  readonly state: SessionState
  /** Root, relays and compute units as of the last commit. */
  readonly tally: Tally
  /** Root whose nodes are stored; undefined before the first checkpoint. */
  readonly liveRoot: Uint8Array | undefined
  /** Leaves stored since then. */
  readonly tailLength: number
  /** Contexts of sampled relays, for links; at most `SAMPLED_RELAYS`, those of this owner only. */
  readonly sampled: ReadonlyArray<Tracer.ExternalSpan>
}

/** Sampled relays that a claim links to; exporters cut at 128 links. */
export const SAMPLED_RELAYS = 64

/** What a commit changes; what is absent stays. */
export interface SessionChange {
  readonly leaves?: SessionCommit["leaves"]
  readonly tally?: Tally
  readonly events?: ReadonlyArray<SessionEvent>
  /** The nodes of this root are stored; it covers the whole tail, the leaves of this change included. */
  readonly checkpoint?: Uint8Array
  readonly acknowledged?: ReadonlyArray<string>
  readonly sampled?: ReadonlyArray<Tracer.ExternalSpan>
}

/** A session of which nothing is stored. */
export const emptyCopy = (session: SessionId): SessionCopy => ({
  session,
  version: 0,
  state: unopened,
  tally: unopened.accepted,
  liveRoot: undefined,
  tailLength: 0,
  sampled: []
})

/** The copy of what is stored. */
export const copyOf = (stored: StoredSession): SessionCopy => ({
  session: stored.session,
  version: stored.version,
  state: replay(stored.events),
  tally: { root: stored.root, count: stored.count, sum: stored.sum },
  liveRoot: Option.getOrUndefined(stored.liveRoot),
  tailLength: stored.tail.length,
  sampled: []
})

/** Are all nodes of the present root stored? */
export const isCheckpointed = (copy: SessionCopy): boolean =>
  copy.tailLength === 0 &&
  (copy.tally.count === 0n || (copy.liveRoot !== undefined && bytesEqual(copy.liveRoot, copy.tally.root)))

/** Does the change change anything? */
export const isEmptyChange = (change: SessionChange): boolean =>
  change.checkpoint === undefined &&
  (change.leaves ?? []).length === 0 &&
  (change.events ?? []).length === 0 &&
  (change.acknowledged ?? []).length === 0

/** The commit that a change is, on top of `copy`. */
export const commitOf = (copy: SessionCopy, change: SessionChange): SessionCommit => ({
  session: copy.session,
  expectedVersion: copy.version,
  leaves: change.leaves ?? [],
  ...(change.tally ?? copy.tally),
  events: change.events ?? [],
  checkpoint:
    change.checkpoint === undefined
      ? Option.none()
      : Option.some({ liveRoot: change.checkpoint, tailCovered: copy.tailLength + (change.leaves ?? []).length }),
  acknowledged: change.acknowledged ?? []
})

/** The copy after that commit took effect. */
export const afterChange = (copy: SessionCopy, change: SessionChange): SessionCopy => {
  const added = (change.leaves ?? []).length
  return {
    session: copy.session,
    version: copy.version + 1,
    state: (change.events ?? []).reduce(evolve, copy.state),
    tally: change.tally ?? copy.tally,
    liveRoot: change.checkpoint ?? copy.liveRoot,
    tailLength: change.checkpoint === undefined ? copy.tailLength + added : 0,
    sampled: [...copy.sampled, ...(change.sampled ?? [])].slice(0, SAMPLED_RELAYS)
  }
}
