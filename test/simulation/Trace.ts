/** The steps of one run in order: a digest of all of them, and the last ones as text for whoever looks for a defect. */
import { hash } from "./SeededRandom.ts"

/** Lines kept. */
const KEPT_LINES = 20_000

export class Trace {
  #low = 0x811c9dc5
  #high = 0x9e3779b9
  #lines: Array<string> = []
  #steps = 0

  /** Steps recorded. */
  get steps(): number {
    return this.#steps
  }

  /** Equal for equal runs, and practically only for those. */
  get digest(): string {
    return (this.#high.toString(16).padStart(8, "0") + this.#low.toString(16).padStart(8, "0")).slice(-16)
  }

  record(now: number, text: string): void {
    const line = `${(now / 1_000).toFixed(3)} ${text}`
    this.#steps++
    this.#low = hash(line, this.#low)
    this.#high = hash(line, Math.imul(this.#high, 31) ^ this.#low)
    this.#lines.push(line)
    if (this.#lines.length > 2 * KEPT_LINES) this.#lines = this.#lines.slice(-KEPT_LINES)
  }

  /** The last lines, oldest first. */
  last(count: number): ReadonlyArray<string> {
    return this.#lines.slice(-count)
  }
}
