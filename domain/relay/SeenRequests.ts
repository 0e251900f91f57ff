/**
 * Signed requests that this replica is serving or has served, so that a replay is not paid twice. The key is made of
 * the signable hash and c₀ mod N: identical calls of a gateway differ in c₀, while raw signature bytes can be varied
 * without a key. Bounded for each session and in total; another replica may serve it once more.
 *
 * A request is entered once its signature is verified and taken out again when it was refused after all, was given up,
 * or its backend failed: it was not charged, so the gateway that sends the same bytes again is served, not told 409.
 */
/**
 * Bytes of the signable hash and of c₀, the low ones, that are kept. Different calls never meet by chance; of a million
 * identical calls in one session two meet with a chance of 1 : 30 000 000. A key takes about 70 bytes of memory.
 */
const HASH_BYTES = 16
const CHALLENGE_BYTES = 8
/** Bytes of a key while its text is made of them. */
const keyBytes = new Uint8Array(HASH_BYTES + CHALLENGE_BYTES)
const keyView = new DataView(keyBytes.buffer)

/** Remembered requests of one session, oldest first. */
interface SeenSession {
  readonly graceEnd: bigint
  readonly keys: Set<string>
}

/**
 * Keys of requests by session. Both bounds count requests; beyond one, the oldest are forgotten and counted as dropped.
 */
export class SeenRequests {
  readonly #sessions = new Map<string, SeenSession>()
  readonly #perSession: number
  readonly #total: number
  #size = 0
  #dropped = 0

  constructor(bounds: { readonly perSession: number; readonly total: number }) {
    this.#perSession = bounds.perSession
    this.#total = bounds.total
  }

  /** Requests remembered now. */
  get size(): number {
    return this.#size
  }

  /** Requests forgotten for want of room since the start: each could be replayed once. */
  get dropped(): number {
    return this.#dropped
  }

  /** The key of a request. `signableHash` is 32 bytes, `challenge` c₀. */
  keyOf(signableHash: Uint8Array, challenge: bigint): string {
    for (let i = 0; i < HASH_BYTES; i++) keyBytes[i] = signableHash[i] ?? 0
    keyView.setBigUint64(HASH_BYTES, challenge)
    // One character for two bytes, all in one call that spreads nothing: a quarter of the time of digits.
    return String.fromCharCode(
      keyView.getUint16(0),
      keyView.getUint16(2),
      keyView.getUint16(4),
      keyView.getUint16(6),
      keyView.getUint16(8),
      keyView.getUint16(10),
      keyView.getUint16(12),
      keyView.getUint16(14),
      keyView.getUint16(16),
      keyView.getUint16(18),
      keyView.getUint16(20),
      keyView.getUint16(22)
    )
  }

  /**
   * Remembers a verified request of a session that is served through `graceEnd`; false when it was remembered already.
   */
  enter(session: string, graceEnd: bigint, key: string): boolean {
    let seen = this.#sessions.get(session)
    if (seen?.keys.has(key) === true) return false
    if (seen !== undefined && seen.keys.size >= this.#perSession) this.#dropOldest(session, seen)
    else if (this.#size >= this.#total) {
      for (const [oldest, keys] of this.#sessions) {
        this.#dropOldest(oldest, keys)
        break
      }
    }
    // Looked up again: making room may have emptied and removed the session.
    seen = this.#sessions.get(session)
    if (seen === undefined) {
      seen = { graceEnd, keys: new Set() }
      this.#sessions.set(session, seen)
    }
    seen.keys.add(key)
    this.#size++
    return true
  }

  /** Takes a request out that was not charged. Unknown ones are ignored. */
  forget(session: string, key: string): void {
    const seen = this.#sessions.get(session)
    if (seen === undefined || !seen.keys.delete(key)) return
    this.#size--
    if (seen.keys.size === 0) this.#sessions.delete(session)
  }

  /** Forgets sessions that can no longer be served: those whose grace ended below `height`. */
  forgetBelow(height: bigint): void {
    for (const [id, { graceEnd, keys }] of this.#sessions) {
      if (graceEnd < height) {
        this.#size -= keys.size
        this.#sessions.delete(id)
      }
    }
  }

  #dropOldest(session: string, seen: SeenSession): void {
    for (const key of seen.keys) {
      this.#dropped++
      this.forget(session, key)
      break
    }
  }
}
