/**
 * Invariant 4: claims and proofs are broadcast only when they can land in their window, only for sealed and committed roots,
 * only with a durable intent, proofs only if they verify; the chain never holds a foreign root of ours.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { claimKey, sharedAt } from "../../adapters/simchain/ChainState.ts"
import type { RawEvent } from "../../domain/chain/ChainEvents.ts"
import type { SharedParams } from "../../domain/protocol/SharedParams.ts"
import * as GobProof from "../../domain/smst/GobProof.ts"
import * as ProofVerification from "../../domain/smst/ProofVerification.ts"
import { bytesEqual } from "../../domain/smst/TrieSpec.ts"
import { decodeTx } from "../../domain/tx/TxDecode.ts"
import { txHash } from "../../domain/tx/UnorderedTx.ts"
import type { Step } from "./Gate.ts"
import type { LeaseConduct } from "./LeaseConduct.ts"
import type { RunView } from "./RunView.ts"

export class ChainConduct {
  readonly #view: RunView
  readonly #leases: LeaseConduct
  /** Roots of claims that the chain has held, by `session/supplier`. */
  readonly claimed = new Map<string, Uint8Array>()

  constructor(view: RunView, leases: LeaseConduct) {
    this.#view = view
    this.#leases = leases
  }

  /** A broadcast begins. */
  broadcast(step: Step, bytes: Uint8Array): void {
    const decoded = decodeTx(bytes)
    if (Result.isFailure(decoded)) return this.#view.violate("S4", `${step.replica} broadcasts what is no transaction`)
    const height = this.#view.heightOf(step.replica)
    const hash = txHash(bytes)
    for (const { _tag, message } of decoded.success.messages) {
      const supplier = message.supplierOperatorAddress
      this.#leases.broadcast(step, supplier)
      const header = message.sessionHeader
      if (header === undefined) return this.#view.violate("S4", `${_tag} of ${supplier} without a session`)
      const end = header.sessionEndBlockHeight
      const window = windowOf(_tag, sharedAt(this.#view.chain(), end), end)
      const what = `${_tag} of ${supplier} for ${header.sessionId} by ${step.replica}`
      if (height + 1n < window.opens || height + 1n > window.closes) {
        this.#view.violate("S4", `${what} at height ${height}, its window is ${window.opens} to ${window.closes}`)
      }
      const state = this.#view.stores.supplier(supplier)
      if (!state.intents.has(hash)) this.#view.violate("S4", `${what} has no durable intent`)
      const sealed = state.sessions.get(header.sessionId)?.sealedRoot
      if (sealed === undefined) {
        this.#view.violate("S4", `${what}: the session is not sealed`)
      } else if (_tag === "CreateClaim") {
        if (!bytesEqual(sealed, message.rootHash)) this.#view.violate("S4", `${what} has another root than was sealed`)
      } else if (!isProofOf(message.proof, sealed)) {
        this.#view.violate("S4", `${what} has a proof that does not verify`)
      }
    }
  }

  /** A block is committed: its claims, and what the chain says about proofs. */
  block(events: ReadonlyArray<RawEvent>): void {
    for (const claim of this.#view.chain().claims.values()) {
      const { sessionHeader, supplierOperatorAddress: supplier, rootHash } = claim
      if (sessionHeader === undefined) continue
      this.claimed.set(claimKey(sessionHeader.sessionId, supplier), rootHash)
      const sealed = this.#view.stores.supplier(supplier).sessions.get(sessionHeader.sessionId)?.sealedRoot
      if (sealed === undefined || !bytesEqual(sealed, rootHash)) {
        this.#view.violate(
          "S4",
          `the chain holds root ${bytesToHex(rootHash).slice(0, 16)} of ${supplier}, which was not sealed`
        )
      }
    }
    for (const { type, attributes } of events) {
      if (!type.endsWith("EventProofValidityChecked")) continue
      const reason = attributes.find(({ key }) => key === "failure_reason")?.value ?? '""'
      if (reason !== '""') this.#view.violate("S4", `the chain found a proof invalid: ${reason}`)
    }
  }
}

/** The window, from the protocol's text and not from the code under test. */
export const windowOf = (tag: "CreateClaim" | "SubmitProof", params: SharedParams, end: bigint) => {
  const claimOpens = end + params.claimWindowOpenOffsetBlocks + 1n
  const claimCloses = claimOpens + params.claimWindowCloseOffsetBlocks
  const proofOpens = claimCloses + params.proofWindowOpenOffsetBlocks
  return tag === "CreateClaim"
    ? { opens: claimOpens, closes: claimCloses }
    : { opens: proofOpens, closes: proofOpens + params.proofWindowCloseOffsetBlocks }
}

const isProofOf = (bytes: Uint8Array, root: Uint8Array): boolean => {
  const decoded = GobProof.decode(bytes)
  if (Result.isFailure(decoded)) return false
  const verified = ProofVerification.verify(decoded.success, root, nodeSha256)
  return Result.isSuccess(verified) && verified.success
}
