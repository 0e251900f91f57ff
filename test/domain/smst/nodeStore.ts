/** A node store in memory for trie tests: applies commits and answers reads. */
import { Result } from "effect"
import type { NodeWrite, Trie, TrieCommit } from "../../../domain/smst/Trie.ts"
import { UnresolvedNode } from "../../../domain/smst/TrieStubs.ts"
import { toHex } from "../../vectors/load.ts"

export class NodeStore {
  readonly nodes = new Map<string, Uint8Array>()

  write(writes: ReadonlyArray<NodeWrite>): void {
    for (const { digest, encoding } of writes) this.nodes.set(toHex(digest), encoding)
  }

  /** Deletes first, as the reference does: a trie that wants a node kept must not name it. */
  apply(commit: TrieCommit): void {
    this.write(commit.writes)
    for (const digest of commit.deletes) this.nodes.delete(toHex(digest))
  }

  readonly read = (digest: Uint8Array): Uint8Array | undefined => this.nodes.get(toHex(digest))

  /** Reads the nodes on the way of these paths into the trie, level by level; returns the number of levels. */
  prefetch(trie: Trie, paths: ReadonlyArray<Uint8Array>): number {
    for (let levels = 0; ; levels++) {
      const digests = trie.unresolved(paths)
      if (digests.length === 0) return levels
      for (const digest of digests) this.resolve(trie, digest)
    }
  }

  /** Repeats an operation until no node is missing. */
  resolving<A, E>(trie: Trie, operation: () => Result.Result<A, E | UnresolvedNode>): Result.Result<A, E> {
    for (;;) {
      const result = operation()
      if (Result.isSuccess(result)) return Result.succeed(result.success)
      if (!(result.failure instanceof UnresolvedNode)) return Result.fail(result.failure)
      this.resolve(trie, result.failure.digest)
    }
  }

  resolve(trie: Trie, digest: Uint8Array): void {
    const encoding = this.read(digest)
    if (encoding === undefined) throw new Error(`node ${toHex(digest)} is not stored`)
    Result.getOrThrow(trie.resolve(digest, encoding))
  }
}
