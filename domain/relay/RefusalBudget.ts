/** How many refusals are signed for callers that proved nothing: a token bucket for each peer, so that nobody buys signatures with garbage. */

/** Peers remembered; beyond it the one seen longest ago starts with a full bucket again. */
const PEER_CAPACITY = 10_000

interface Bucket {
  tokens: number
  updatedAt: number
}

export class RefusalBudget {
  readonly #buckets = new Map<string, Bucket>()
  readonly #burst: number
  readonly #perMilli: number

  /** `burst` refusals at once, then `perSecond`. */
  constructor(burst: number, perSecond: number) {
    this.#burst = burst
    this.#perMilli = perSecond / 1_000
  }

  /** Takes one from the peer's bucket at `now` (milliseconds); false when it is empty. */
  spend(peer: string, now: number): boolean {
    const bucket = this.#buckets.get(peer) ?? { tokens: this.#burst, updatedAt: now }
    this.#buckets.delete(peer)
    this.#buckets.set(peer, bucket)
    if (this.#buckets.size > PEER_CAPACITY) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest)
        break
      }
    }
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.updatedAt) * this.#perMilli)
    bucket.updatedAt = now
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}
