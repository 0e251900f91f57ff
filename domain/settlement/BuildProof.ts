/**
 * The proof of a sealed trie for one path: read from the store, checked against the root and against everything the
 * chain checks about the relay, before anything of it is sent.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Effect, Result, Schema } from "effect"
import { type Sha256 } from "../crypto/Sha256.ts"
import { BulkSha256 } from "../crypto/BulkSha256.ts"
import type { SessionCopy } from "../mining/SessionCopy.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { SessionTries } from "../mining/SessionTries.ts"
import { SupplierStore } from "../ports/SupplierStore.ts"
import { decodeRelay } from "../relay/Relay.ts"
import { isApplicable } from "../relay/RelayDifficulty.ts"
import { isSameSessionHeader, type SessionHeader } from "../relay/SessionHeader.ts"
import { proofNeeds, proveClosest } from "../smst/ClosestProof.ts"
import { compact, type CompactProof } from "../smst/CompactProof.ts"
import { encode } from "../smst/GobProof.ts"
import { verify } from "../smst/ProofVerification.ts"
import type { Trie } from "../smst/Trie.ts"
import { TAIL_SIZE } from "../smst/TrieSpec.ts"

/** No proof that the chain would accept can be made of the stored trie. */
export class ProofImpossible extends Schema.TaggedError<ProofImpossible>()("ProofImpossible", {
  session: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `no valid proof for session ${this.session}: ${this.reason}`
  }
}

/** What a proof has to show. */
export interface ProofTask {
  /** 32 bytes, from seed and session id (`ProofRequirement.proofPath`). */
  readonly path: Uint8Array
  /** 32 bytes: the relay's hash is below. */
  readonly target: Uint8Array
}

/** Gob bytes of the verified proof. A trie whose nodes are damaged is built again from its leaves, once. */
export const buildProof = Effect.fnUntraced(function* (copy: SessionCopy, task: ProofTask) {
  const tries = yield* SessionTries
  const sha256 = yield* BulkSha256
  const stored = yield* tries.ready(copy, [])
  const proof = yield* prove(copy, stored, task.path).pipe(
    Effect.catchTag("ProofImpossible", ({ reason }) =>
      Effect.flatMap(tries.rebuilt(copy, reason), (trie) => prove(copy, trie, task.path))
    )
  )
  const flaw = proofFlaw(proof, copy, task, sha256)
  return flaw === undefined ? encode(proof) : yield* impossible(copy, flaw)
})

/** Walks to the leaf; reads from the store what the walk lacks, a level at a time. */
const prove = Effect.fnUntraced(function* (copy: SessionCopy, trie: Trie, path: Uint8Array) {
  const store = yield* SupplierStore
  const { supplier } = (yield* SessionLedger).lease
  const read = new Map<string, Uint8Array>()
  const known = (digest: Uint8Array) => read.get(bytesToHex(digest))
  for (;;) {
    const needs = proofNeeds(trie, path, known)
    if (Result.isFailure(needs)) return yield* impossible(copy, needs.failure.message)
    if (needs.success.length === 0) break
    const encodings = yield* store.readNodes(supplier, copy.session, needs.success)
    for (const [index, digest] of needs.success.entries()) {
      const encoding = encodings[index]
      if (encoding === undefined) return yield* impossible(copy, "a node is missing")
      read.set(bytesToHex(digest), encoding)
    }
  }
  const proof = proveClosest(trie, path, known)
  return Result.isSuccess(proof) ? compact(proof.success) : yield* impossible(copy, proof.failure.message)
})

/** What the chain would object to, undefined if nothing. Source: poktroll `x/proof/keeper/proof_validation.go`. */
export const proofFlaw = (
  proof: CompactProof,
  copy: Pick<SessionCopy, "state">,
  task: ProofTask,
  sha256: Sha256
): string | undefined => {
  const { accepted, header, supplier } = copy.state
  const verified = verify(proof, accepted.root, sha256)
  if (Result.isFailure(verified)) return verified.failure.message
  if (!verified.success) return "the proof leads to another root"
  const value = proof.closestValueHash.subarray(0, Math.max(0, proof.closestValueHash.length - TAIL_SIZE))
  const relay = decodeRelay(value)
  if (Result.isFailure(relay)) return `the leaf is no relay: ${relay.failure.message}`
  const { request, response } = relay.success
  if (request === undefined || response === undefined) return "the relay has no request or no response"
  if (request.meta.supplierOperatorAddress !== supplier) return "the relay names another supplier"
  if (!isSame(request.meta.sessionHeader, header)) return "the request is of another session"
  if (!isSame(response.meta.sessionHeader, header)) return "the response is of another session"
  return isApplicable(sha256(value), task.target) ? undefined : "the relay does not meet the difficulty"
}

const isSame = (header: SessionHeader | undefined, expected: SessionHeader): boolean =>
  header !== undefined && isSameSessionHeader(header, expected)

const impossible = (copy: SessionCopy, reason: string) =>
  Effect.fail(new ProofImpossible({ session: copy.session, reason }))
