/** Verification of a compact closest proof against a claimed root, as the chain does it at the end of the block. */
import type { Result } from "effect"
import type { Sha256 } from "../crypto/Sha256.ts"
import type { CompactProof, ProofRefused } from "./CompactProof.ts"

/**
 * Whether the proof leads to the 48-byte `root`: true is verified, false means that the computed root differs, a
 * failure that the proof breaks a structural rule. `sha256` is noble's by default.
 */
export declare const verify: (
  proof: CompactProof,
  root: Uint8Array,
  sha256?: Sha256
) => Result.Result<boolean, ProofRefused>
