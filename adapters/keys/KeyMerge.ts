/** One ring of the keys of all sources. */
import type { KeyRing } from "../../domain/keys/KeyRing.ts"
import type { SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import type { PlacedKey } from "./KeySourceReader.ts"

/** A key that was found more than once, and where: the last place counts. */
export interface DuplicateKey {
  readonly address: SupplierAddress
  readonly paths: ReadonlyArray<string>
}

/** The ring, in ascending order of address, and what was found more than once. */
export interface MergedKeys {
  readonly ring: KeyRing
  readonly duplicates: ReadonlyArray<DuplicateKey>
}

/** Merges keys in the order of their sources; of those with one address the last is taken. */
export const mergeKeys = (keys: ReadonlyArray<PlacedKey>): MergedKeys => {
  const byAddress = Map.groupBy(keys, ({ address }) => address)
  const found = [...byAddress].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return {
    ring: new Map(found.flatMap(([address, same]) => same.slice(-1).map(({ held }) => [address, held]))),
    duplicates: found
      .filter(([, same]) => same.length > 1)
      .map(([address, same]) => ({ address, paths: same.map(({ path }) => path) }))
  }
}

/** Addresses that came and went between two rings, each ascending. */
export interface KeyChange {
  readonly added: ReadonlyArray<SupplierAddress>
  readonly removed: ReadonlyArray<SupplierAddress>
}

/** What changed from one ring to the next. An address stands for its key: there is no other key of the same address. */
export const keyChange = (before: KeyRing, after: KeyRing): KeyChange => ({
  added: [...after.keys()].filter((address) => !before.has(address)),
  removed: [...before.keys()].filter((address) => !after.has(address))
})
