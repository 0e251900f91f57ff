/**
 * A stored node: its encoding taken apart and checked against the digest under which it was stored.
 * Source: smt v0.14.1 `node_encoders.go`, `smt.go` resolve functions.
 */
import { Result, Schema } from "effect"
import type { Sha256 } from "../crypto/Sha256.ts"
import { foldDigest, InnerHash } from "./InnerHash.ts"
import {
  bytesEqual,
  DIGEST_SIZE,
  digestOf,
  EXTENSION_SIZE,
  EXTENSION_TAG,
  HASH_SIZE,
  INNER_SIZE,
  INNER_TAG,
  LEAF_OVERHEAD,
  LEAF_TAG,
  PATH_SIZE,
  TAIL_SIZE
} from "./TrieSpec.ts"

/** A node as stored; every byte field is a view of the encoding. */
export type EncodedNode =
  /** `data` is value, weight and count: everything after the path. */
  | { readonly kind: "leaf"; readonly path: Uint8Array; readonly data: Uint8Array }
  /** 48-byte digests; 48 zero bytes is an empty child. */
  | { readonly kind: "inner"; readonly left: Uint8Array; readonly right: Uint8Array }
  /** One-armed levels `start` (inclusive) to `end` (exclusive) along `path`, above `child`. */
  | {
      readonly kind: "extension"
      readonly start: number
      readonly end: number
      readonly path: Uint8Array
      readonly child: Uint8Array
    }

/** A stored node is not what its digest says. The store is damaged or holds something else under that key. */
export class CorruptNode extends Schema.TaggedError<CorruptNode>()("CorruptNode", {
  /** The 48-byte digest asked for. */
  digest: Schema.Uint8Array,
  /** Length of the encoding in bytes. */
  length: Schema.Finite,
  reason: Schema.Literals(["tag", "size", "digest", "depth"])
}) {
  override get message(): string {
    return `trie node of ${this.length} bytes does not fit its digest (${this.reason})`
  }
}

/**
 * Takes an encoding apart. Checks tag and size only: a leaf has at least 49 bytes, an inner node 113, an extension 99
 * and `start < end`.
 */
export const parseNode = (encoding: Uint8Array): Result.Result<EncodedNode, "tag" | "size"> => {
  switch (encoding[0]) {
    case LEAF_TAG:
      if (encoding.length < LEAF_OVERHEAD) return Result.fail("size")
      return Result.succeed({
        kind: "leaf",
        path: encoding.subarray(1, 1 + PATH_SIZE),
        data: encoding.subarray(1 + PATH_SIZE)
      })
    case INNER_TAG:
      if (encoding.length !== INNER_SIZE) return Result.fail("size")
      return Result.succeed({
        kind: "inner",
        left: encoding.subarray(1, 1 + DIGEST_SIZE),
        right: encoding.subarray(1 + DIGEST_SIZE, 1 + 2 * DIGEST_SIZE)
      })
    case EXTENSION_TAG: {
      const start = encoding[1] ?? 0
      const end = encoding[2] ?? 0
      if (encoding.length !== EXTENSION_SIZE || end <= start) return Result.fail("size")
      return Result.succeed({
        kind: "extension",
        start,
        end,
        path: encoding.subarray(3, 3 + PATH_SIZE),
        child: encoding.subarray(3 + PATH_SIZE, 3 + PATH_SIZE + DIGEST_SIZE)
      })
    }
    default:
      return Result.fail("tag")
  }
}

/**
 * Takes an encoding apart and proves that it belongs to `digest` (48 bytes). Costs one hash, for an extension one for
 * each level.
 */
export const readNode = (
  digest: Uint8Array,
  encoding: Uint8Array,
  sha256: Sha256
): Result.Result<EncodedNode, CorruptNode> => {
  const corrupt = (reason: CorruptNode["reason"]) =>
    Result.fail(new CorruptNode({ digest, length: encoding.length, reason }))
  const parsed = parseNode(encoding)
  if (Result.isFailure(parsed)) return corrupt(parsed.failure)
  const node = parsed.success
  const actual =
    node.kind === "extension"
      ? foldDigest(new InnerHash(sha256), node.start, node.end, node.path, node.child)
      : digestOf(encoding, sha256)
  if (!bytesEqual(actual, digest)) return corrupt("digest")
  // The digest of an extension does not cover the sum and count that follow its child.
  const tail = encoding.subarray(encoding.length - TAIL_SIZE)
  return bytesEqual(tail, digest.subarray(HASH_SIZE)) ? Result.succeed(node) : corrupt("digest")
}
