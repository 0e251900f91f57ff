/**
 * What is derived from a 33-byte public key (its point, H(P)), kept for the keys used last.
 * A value that its owner constructs: its bound and fill are visible, nothing grows in a module.
 */
import { bytesToText } from "../wire/ByteText.ts"

/** A bounded, least-recently-used map from 33-byte keys to what was derived from them. */
export interface MemberCache<A> {
  /** The derived value, computed on a miss. `undefined`, and not kept, if the key yields none. */
  readonly get: (publicKey: Uint8Array) => A | undefined
  /** Entries held now. */
  readonly size: () => number
  /** Most entries ever held; the one unused for longest goes first. */
  readonly capacity: number
}

/** An empty cache of at most `capacity` entries (at least 1) over a pure function of the key. */
export const makeMemberCache = <A>(
  capacity: number,
  derive: (publicKey: Uint8Array) => A | undefined
): MemberCache<A> => {
  const entries = new Map<string, A>()
  const bound = Math.max(1, capacity)
  return {
    capacity: bound,
    size: () => entries.size,
    get: (publicKey) => {
      const key = bytesToText(publicKey)
      const held = entries.get(key)
      if (held !== undefined) {
        entries.delete(key)
        entries.set(key, held)
        return held
      }
      const derived = derive(publicKey)
      if (derived === undefined) return undefined
      if (entries.size >= bound) {
        const oldest = entries.keys().next()
        if (!oldest.done) entries.delete(oldest.value)
      }
      entries.set(key, derived)
      return derived
    }
  }
}
