/** Gob bytes of a compact closest proof, the `proof` field of MsgSubmitProof. */
import { type Result, Schema } from "effect"
import type { CompactProof } from "./CompactProof.ts"

/** The bytes are not a gob value of a compact closest proof. */
export class GobError extends Schema.TaggedError<GobError>()("GobError", {
  /** Offset in bytes at which decoding stopped. */
  offset: Schema.Finite,
  reason: Schema.String
}) {
  override get message(): string {
    return `proof bytes are not decodable at offset ${this.offset}: ${this.reason}`
  }
}

/** Bounds of a decoding. */
export interface GobLimits {
  /** Bytes of the whole input. */
  readonly maxBytes: number
  readonly maxTypes: number
  readonly maxFields: number
  readonly maxNesting: number
  /** Elements of unknown fields that are skipped, in all. */
  readonly maxSkipped: number
}

export declare const encode: (proof: CompactProof) => Uint8Array
export declare const decode: (bytes: Uint8Array, limits?: GobLimits) => Result.Result<CompactProof, GobError>
