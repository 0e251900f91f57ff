/**
 * Signed requests that this replica has admitted, so that a replay is not paid twice. The key is
 * SHA-256(signable hash ‖ c₀ mod N): identical calls of a gateway differ in c₀, while raw signature bytes can be varied
 * without a key. Bounded for each session and in total; another replica may serve the same request once more.
 */
import type { Sha256 } from "../crypto/Sha256.ts"
import { scalarToBytes } from "../ring/Scalar.ts"
import { bytesToText } from "../wire/ByteText.ts"

/** Remembered requests of one session, oldest first. */
interface SeenSession {
  readonly endHeight: bigint
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

  /**
   * Remembers a verified request; false when it was remembered already. `signableHash` is 32 bytes, `challenge` c₀.
   */
  enter(
    session: { readonly id: string; readonly endHeight: bigint },
    signableHash: Uint8Array,
    challenge: bigint
  ): boolean {
    const input = new Uint8Array(64)
    input.set(signableHash)
    input.set(scalarToBytes(challenge), 32)
    const key = bytesToText(this.#sha256(input))
    let seen = this.#sessions.get(session.id)
    if (seen === undefined) {
      seen = { endHeight: session.endHeight, keys: new Set() }
      this.#sessions.set(session.id, seen)
    }
    if (seen.keys.has(key)) return false
    if (seen.keys.size >= this.#perSession) this.#dropOldest(session.id, seen)
    else if (this.#size >= this.#total) {
      for (const [id, oldest] of this.#sessions) {
        this.#dropOldest(id, oldest)
        break
      }
    }
    // The session may have been emptied and removed to make room for its own next request.
    if (!this.#sessions.has(session.id)) this.#sessions.set(session.id, seen)
    seen.keys.add(key)
    this.#size++
    return true
  }

  /** Forgets sessions that can no longer be served: those that ended below `height`. */
  forgetBelow(height: bigint): void {
    for (const [id, { endHeight, keys }] of this.#sessions) {
      if (endHeight < height) {
        this.#size -= keys.size
        this.#sessions.delete(id)
      }
    }
  }

  #dropOldest(id: string, seen: SeenSession): void {
    for (const key of seen.keys) {
      seen.keys.delete(key)
      this.#size--
      this.#dropped++
      break
    }
    if (seen.keys.size === 0) this.#sessions.delete(id)
  }
}
