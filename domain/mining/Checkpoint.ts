/**
 * Stores the inner nodes of a session's trie: nodes in chunks, then the commit that makes their root the live one, then
 * the nodes that no root reaches any more. A crash between two steps leaves garbage, which goes with the session.
 */
import { Effect, Result } from "effect"
import { SupplierStore } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import { decide } from "../session/SessionDecider.ts"
import { hasEnded } from "../session/SessionState.ts"
import type { Trie } from "../smst/Trie.ts"
import { MinerSettings } from "./MinerSettings.ts"
import { isCheckpointed, type SessionChange, type SessionCopy } from "./SessionCopy.ts"
import { SessionLedger } from "./SessionLedger.ts"
import { rootOf, SessionTries } from "./SessionTries.ts"
import { slices } from "./Slices.ts"

/** First step: writes what the store lacks of the trie, and returns its root for `SessionChange.checkpoint`. */
export const storeNodes = Effect.fnUntraced(function* (session: SessionId, trie: Trie) {
  const store = yield* SupplierStore
  const { lease } = yield* SessionLedger
  const { ingest } = yield* MinerSettings
  const root = yield* rootOf(trie)
  for (;;) {
    const nodes = trie.takeWrites(ingest.nodeChunk)
    if (nodes.length === 0) return root
    yield* store.writeNodes(lease, session, nodes)
    yield* Effect.yieldNow
  }
})

/** Last step, after the commit. A failure leaves garbage only, so it does not fail the checkpoint. */
export const deleteOrphans = Effect.fnUntraced(
  function* (session: SessionId, orphans: ReadonlyArray<Uint8Array>) {
    const store = yield* SupplierStore
    const { lease } = yield* SessionLedger
    const { ingest } = yield* MinerSettings
    for (const digests of slices(orphans, { items: ingest.nodeChunk, bytes: Number.POSITIVE_INFINITY }, () => 0)) {
      yield* store.deleteNodes(lease, session, digests)
    }
  },
  (deletion) => Effect.ignore(deletion)
)

type Checkpointed = readonly [change: SessionChange, orphans: ReadonlyArray<Uint8Array>]

const unchanged: Checkpointed = [{}, []]

/** Checkpoints one session; nothing happens when all its nodes are stored, or when it has ended and they are dropped. */
export const checkpoint = Effect.fnUntraced(function* (session: SessionId) {
  const ledger = yield* SessionLedger
  const tries = yield* SessionTries
  const orphans = yield* ledger.change(
    session,
    Effect.fnUntraced(function* (copy) {
      if (isCheckpointed(copy) || hasEnded(copy.state)) return unchanged
      const trie = yield* tries.ready(copy, [])
      return [yield* checkpointChange(copy, trie), trie.takeDeletes()] satisfies Checkpointed
    })
  )
  yield* deleteOrphans(session, orphans)
})

/** Stores the nodes and returns the change that makes their root the live one. An open session records its totals. */
export const checkpointChange = Effect.fnUntraced(function* (copy: SessionCopy, trie: Trie) {
  const root = yield* storeNodes(copy.session, trie)
  const tally = { root, count: trie.count, sum: trie.sum }
  const events = Result.getOrElse(decide(copy.state, { _tag: "Checkpoint", tally }), () => [])
  return { tally, checkpoint: root, events }
})
