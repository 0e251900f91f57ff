/** One session as the memory store keeps it, and the commit rule over it. */
import { Option } from "effect"
import type { SessionCommit, StoredSession } from "../../domain/ports/SupplierStore.ts"
import type { SessionEvent } from "../../domain/session/SessionEvent.ts"

export interface MemorySession {
  version: number
  readonly events: Array<SessionEvent>
  liveRoot: Uint8Array | undefined
  tail: Array<Uint8Array>
  root: Uint8Array
  count: bigint
  sum: bigint
  sealedRoot: Uint8Array | undefined
  /** Trie nodes by digest, one char for each byte. */
  readonly nodes: Map<string, { readonly digest: Uint8Array; readonly encoding: Uint8Array }>
}

/** A session before its first commit. */
export const emptySession = (): MemorySession => ({
  version: 0,
  events: [],
  liveRoot: undefined,
  tail: [],
  root: new Uint8Array(48),
  count: 0n,
  sum: 0n,
  sealedRoot: undefined,
  nodes: new Map()
})

/** Why the commit may not take effect, if so. */
export const refusal = (session: MemorySession, commit: SessionCommit): "version" | "sealed" | "tail" | undefined => {
  if (commit.expectedVersion !== session.version) return "version"
  if (session.sealedRoot !== undefined && commit.leaves.length > 0) return "sealed"
  const covered = Option.match(commit.checkpoint, { onNone: () => 0, onSome: ({ tailCovered }) => tailCovered })
  return covered > session.tail.length + commit.leaves.length ? "tail" : undefined
}

/** Applies a commit that is not refused. */
export const apply = (session: MemorySession, commit: SessionCommit): void => {
  for (const { digest, encoding } of commit.leaves) {
    session.nodes.set(nodeKey(digest), { digest, encoding })
    session.tail.push(digest)
  }
  if (Option.isSome(commit.checkpoint)) {
    session.liveRoot = commit.checkpoint.value.liveRoot
    session.tail = session.tail.slice(commit.checkpoint.value.tailCovered)
  }
  session.root = commit.root
  session.count = commit.count
  session.sum = commit.sum
  for (const event of commit.events) {
    session.events.push(event)
    if (event._tag === "SessionSealed") session.sealedRoot = event.root
  }
  session.version++
}

/** The session as the port hands it out: a snapshot that later commits do not change. */
export const snapshot = (id: StoredSession["session"], session: MemorySession): StoredSession => ({
  session: id,
  version: session.version,
  events: [...session.events],
  liveRoot: Option.fromUndefinedOr(session.liveRoot),
  tail: [...session.tail],
  root: session.root,
  count: session.count,
  sum: session.sum
})

/** Map key of a digest. */
export const nodeKey = (digest: Uint8Array): string => String.fromCharCode(...digest)
