/** The trie against the vectors: roots, sums and counts after every operation, and the whole store after every commit. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Trie } from "../../../domain/smst/Trie.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"
import { NodeStore } from "./nodeStore.ts"

interface Operation {
  readonly op: "update" | "delete"
  readonly key_hex: string
  readonly value_hex?: string
  readonly weight?: string
  readonly error?: string
  readonly root_hex: string
  readonly sum: string
  readonly count: string
}

interface StoreCase {
  readonly name: string
  readonly commits: ReadonlyArray<{
    readonly updates: ReadonlyArray<{ readonly key_hex: string; readonly value_hex?: string; readonly weight: string }>
    readonly root_hex: string
    readonly nodes: ReadonlyArray<{ readonly key_hex: string; readonly data_hex: string }>
  }>
}

const perform = (trie: Trie, store: NodeStore, operation: Operation): string | undefined => {
  const result = store.resolving(trie, (): Result.Result<unknown, { readonly message: string }> =>
    operation.op === "update"
      ? trie.update(hex(operation.key_hex), hex(operation.value_hex), BigInt(operation.weight ?? "0"))
      : trie.delete(hex(operation.key_hex))
  )
  return Result.isFailure(result) ? result.failure.message : undefined
}

const check = (trie: Trie, operation: Operation) => {
  assert.strictEqual(toHex(trie.root()), operation.root_hex)
  assert.strictEqual(trie.sum, BigInt(operation.sum))
  assert.strictEqual(trie.count, BigInt(operation.count))
}

const sortedNodes = (store: NodeStore) =>
  [...store.nodes]
    .map(([key_hex, encoding]) => ({ key_hex, data_hex: toHex(encoding) }))
    .sort((a, b) => (a.key_hex < b.key_hex ? -1 : 1))

const applyUpdates = (trie: Trie, store: NodeStore, updates: StoreCase["commits"][number]["updates"]) => {
  for (const update of updates) {
    Result.getOrThrow(
      store.resolving(trie, () => trie.update(hex(update.key_hex), hex(update.value_hex), BigInt(update.weight)))
    )
  }
}

describe("Trie vectors", () => {
  const cases = loadVectors<ReadonlyArray<{ readonly name: string; readonly ops: ReadonlyArray<Operation> }>>("smst")

  it.each(cases)("has the root, sum and count of $name after each operation", ({ ops }) => {
    const trie = Trie.empty()
    const store = new NodeStore()
    for (const operation of ops) {
      assert.strictEqual(perform(trie, store, operation), operation.error)
      check(trie, operation)
    }
  })

  it.each(cases)("has the same of $name when reopened from the store after each operation", ({ ops }) => {
    const store = new NodeStore()
    let root = Trie.empty().root()
    for (const operation of ops) {
      const trie = Trie.open(root)
      assert.strictEqual(perform(trie, store, operation), operation.error)
      check(trie, operation)
      store.apply(trie.commit())
      root = trie.root()
    }
  })

  const storeCases = loadVectors<ReadonlyArray<StoreCase>>("smst-nodes")

  it.each(storeCases)("stores the nodes of $name", ({ commits }) => {
    const trie = Trie.empty()
    const store = new NodeStore()
    for (const commit of commits) {
      applyUpdates(trie, store, commit.updates)
      store.apply(trie.commit())
      assert.strictEqual(toHex(trie.root()), commit.root_hex)
      assert.deepStrictEqual(sortedNodes(store), commit.nodes)
    }
  })

  it.each(storeCases)("stores the same nodes of $name when reopened after each commit", ({ commits }) => {
    const store = new NodeStore()
    let root = Trie.empty().root()
    for (const commit of commits) {
      const trie = Trie.open(root)
      applyUpdates(trie, store, commit.updates)
      store.apply(trie.commit())
      root = trie.root()
      assert.strictEqual(toHex(root), commit.root_hex)
      assert.deepStrictEqual(sortedNodes(store), commit.nodes)
    }
  })

  it.each(storeCases)("stores the last nodes of $name with all updates in one commit", ({ commits }) => {
    const trie = Trie.empty()
    const store = new NodeStore()
    for (const commit of commits) applyUpdates(trie, store, commit.updates)
    store.apply(trie.commit())
    assert.deepStrictEqual(sortedNodes(store), commits.at(-1)!.nodes)
  })
})
