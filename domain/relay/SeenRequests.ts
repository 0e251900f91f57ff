/**
 * Signed requests that this replica is serving or has served, so that a replay is not paid twice. The key is
 * SHA-256(signable hash ‖ c₀ mod N), its first 16 bytes: identical calls of a gateway differ in c₀, while raw signature
 * bytes can be varied without a key. Bounded for each session and in total; another replica may serve it once more.
 *
 * A request is entered once its signature is verified and taken out again when it was refused after all, was given up,
 * or its backend failed: it was not charged, so the gateway that sends the same bytes again is served, not told 409.
 */
import type { Sha256 } from "../crypto/Sha256.ts"
import { scalarToBytes } from "../ring/Scalar.ts"
import { bytesToText } from "../wire/ByteText.ts"

/** Bytes of the digest that are kept: chance collisions are out of reach, and 4 000 000 take about 250 MB. */
const KEY_BYTES = 16

/** Remembered requests of one session, oldest first. */
interface SeenSession {
  readonly graceEnd: bigint
  readonly keys: Set<string>
}

export class SeenRequests {
  readonly #sessions = new Map<string, SeenSession>()
  readonly #perSession: number
  readonly #total: number
  readonly #sha256: Sha256
  #size = 0
  #dropped = 0

  constructor(bounds: { readonly perSession: number; readonly total: number }, sha256: Sha256) {
    this.#perSession = bounds.perSession
    this.#total = bounds.total
    this.#sha256 = sha256
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
    const input = new Uint8Array(64)
    input.set(signableHash)
    input.set(scalarToBytes(challenge), 32)
    return bytesToText(this.#sha256(input).subarray(0, KEY_BYTES))
  }

  /** Remembers a verified request of a session that is served through `graceEnd`; false when it was remembered already. */
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
