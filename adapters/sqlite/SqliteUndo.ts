/** Takes back in memory what a transaction did that was rolled back. */
export class SqliteUndo {
  #steps: Array<() => void> = []

  /** `step` restores what was just changed. */
  add(step: () => void): void {
    this.#steps.push(step)
  }

  /** The transaction is durable. */
  commit(): void {
    if (this.#steps.length > 0) this.#steps = []
  }

  /** The transaction left nothing behind: neither does it here. */
  rollback(): void {
    for (const step of this.#steps.reverse()) step()
    this.#steps = []
  }
}
