/** One session as the memory store keeps it, and the commit rule over it. */
import { Buffer } from "node:buffer"
import { Option } from "effect"
import type { SessionCommit, StoredNode, StoredSession } from "../../domain/ports/SupplierStore.ts"
import type { SessionEvent } from "../../domain/session/SessionEvent.ts"
import { bytesEqual, DIGEST_SIZE, LEAF_TAG } from "../../domain/smst/TrieSpec.ts"

/** Stored state of one session. Replaced in place by commits, copied before it is handed out. */
export interface MemorySession {
  version: number
  events: Array<SessionEvent>
  liveRoot: Uint8Array | undefined
  tail: Array<Uint8Array>
  root: Uint8Array
  count: bigint
  sum: bigint
  /** Final root: of the first `SessionSealed`. */
  sealedRoot: Uint8Array | undefined
  /** Trie nodes by digest, one char for each byte. */
  readonly nodes: Map<string, StoredNode>
  /** Events and tail were handed out: the next commit copies them before it appends. */
  shared: boolean
}

/** A session before its first commit. */
export const emptySession = (): MemorySession => ({
  version: 0,
  events: [],
  liveRoot: undefined,
  tail: [],
  root: new Uint8Array(DIGEST_SIZE),
  count: 0n,
  sum: 0n,
  sealedRoot: undefined,
  nodes: new Map(),
  shared: false
})

/** Why the commit may not take effect, if so. */
export const refusal = (session: MemorySession, commit: SessionCommit): "version" | "sealed" | "tail" | undefined => {
  if (commit.expectedVersion !== session.version) return "version"
  if (session.sealedRoot !== undefined && touchesTrie(session, session.sealedRoot, commit)) return "sealed"
  const covered = Option.match(commit.checkpoint, { onNone: () => 0, onSome: ({ tailCovered }) => tailCovered })
  return covered < 0 || covered > session.tail.length + commit.leaves.length ? "tail" : undefined
}

/** Would the commit change the trie of a sealed session? */
const touchesTrie = (session: MemorySession, sealedRoot: Uint8Array, commit: SessionCommit): boolean =>
  commit.leaves.length > 0 ||
  commit.count !== session.count ||
  commit.sum !== session.sum ||
  !bytesEqual(commit.root, session.root) ||
  Option.exists(commit.checkpoint, ({ liveRoot }) => !bytesEqual(liveRoot, sealedRoot)) ||
  commit.events.some((event) => event._tag === "SessionSealed")

/** Applies a commit that is not refused. */
export const apply = (session: MemorySession, commit: SessionCommit): void => {
  if (session.shared) {
    session.events = [...session.events]
    session.tail = [...session.tail]
    session.shared = false
  }
  for (const leaf of commit.leaves) session.tail.push(putNode(session, leaf).digest)
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

/**
 * The session as the port hands it out: a snapshot that later commits do not change. Costs nothing until the next one.
 */
export const snapshot = (id: StoredSession["session"], session: MemorySession): StoredSession => {
  session.shared = true
  return {
    session: id,
    version: session.version,
    events: session.events,
    liveRoot: Option.fromUndefinedOr(session.liveRoot),
    tail: session.tail,
    root: session.root,
    count: session.count,
    sum: session.sum
  }
}

/** Stores a copy: the trie hands out views of large buffers that a kept view would keep alive. */
export const putNode = (session: MemorySession, { digest, encoding }: StoredNode): StoredNode => {
  const own = new Uint8Array(digest.length + encoding.length)
  own.set(digest)
  own.set(encoding, digest.length)
  const node = { digest: own.subarray(0, digest.length), encoding: own.subarray(digest.length) }
  session.nodes.set(nodeKey(digest), node)
  return node
}

/** The stored encoding of a digest. */
export const encodingOf = (session: MemorySession | undefined, digest: Uint8Array): Uint8Array | undefined =>
  session?.nodes.get(nodeKey(digest))?.encoding

/** Every stored leaf. */
export const leavesOf = (session: MemorySession | undefined): ReadonlyArray<StoredNode> =>
  session === undefined ? [] : [...session.nodes.values()].filter(({ encoding }) => encoding[0] === LEAF_TAG)

/** Removes nodes; those that are not stored are ignored. */
export const removeNodes = (session: MemorySession | undefined, digests: ReadonlyArray<Uint8Array>): void => {
  for (const digest of digests) session?.nodes.delete(nodeKey(digest))
}

/** Removes the trie: nodes, live root, tail. What is known of it, its root and totals, stays. */
export const removeTrie = (session: MemorySession | undefined): void => {
  if (session === undefined) return
  session.nodes.clear()
  session.liveRoot = undefined
  session.tail = []
}

/** Map key of a digest. Node's own decoder makes it in 0.15 µs, `String.fromCharCode` in 1 µs. */
const nodeKey = (digest: Uint8Array): string =>
  Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("latin1")
