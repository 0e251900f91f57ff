/**
 * How much is done for callers that proved nothing: a token bucket for each peer, so that nobody buys signatures or
 * chain reads with garbage. Peers behind one proxy share a bucket.
 */

/** Peers remembered; beyond it the one seen longest ago starts with a full bucket again. */
export const PEER_CAPACITY = 10_000

interface Bucket {
  tokens: number
  updatedAt: number
}

/** Buckets by peer. `PEER_CAPACITY` peers at most; each spend is O(1). Not shared between replicas. */
export class PeerBudget {
  readonly #buckets = new Map<string, Bucket>()
  readonly #burst: number
  readonly #perMilli: number

  /** `burst` at once, then `perSecond`. */
  constructor(burst: number, perSecond: number) {
    this.#burst = burst
    this.#perMilli = perSecond / 1_000
  }

  /** Peers remembered now. */
  get size(): number {
    return this.#buckets.size
  }

  /** Takes one from the peer's bucket at `now` (milliseconds); false when it is empty. `peer` is an IP address. */
  spend(peer: string, now: number): boolean {
    const name = networkOf(peer)
    const bucket = this.#buckets.get(name) ?? { tokens: this.#burst, updatedAt: now }
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    if (this.#buckets.size > PEER_CAPACITY) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest)
        break
      }
    }
    bucket.tokens = Math.min(this.#burst, bucket.tokens + Math.max(0, now - bucket.updatedAt) * this.#perMilli)
    bucket.updatedAt = now
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}

/** An IPv6 peer owns at least a /64, all of which is one peer; IPv4, also mapped into IPv6, is taken whole. */
export const networkOf = (peer: string): string => {
  if (!peer.includes(":") || peer.startsWith("::ffff:")) return peer
  const [head = "", tail] = peer.split("::")
  const groups = head === "" ? [] : head.split(":")
  if (tail !== undefined) {
    const after = tail === "" ? [] : tail.split(":")
    while (groups.length + after.length < 8) groups.push("0")
    groups.push(...after)
  }
  return groups.slice(0, 4).join(":")
}
