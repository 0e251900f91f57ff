/** Tells those who wait for entries of a supplier that some may have come. A count for each supplier closes the gap between a look and the wait after it. */
import { Effect } from "effect"

/** Arrivals by supplier, within this process: it is alone on its file, so every append passes here. */
export class Arrivals {
  /** One for each supplier whose keys are held. */
  readonly #suppliers = new Map<string, { count: number; readonly waiting: Set<() => void> }>()

  /** Arrivals so far. */
  count(supplier: string): number {
    return this.#supplier(supplier).count
  }

  /** Something came for the supplier. */
  signal(supplier: string): void {
    const of = this.#supplier(supplier)
    of.count++
    const waiting = [...of.waiting]
    of.waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Completes once more arrivals were counted than `seen`. */
  after(supplier: string, seen: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const { count, waiting } = this.#supplier(supplier)
      if (count > seen) return resume(Effect.void)
      const wake = () => resume(Effect.void)
      waiting.add(wake)
      return Effect.sync(() => void waiting.delete(wake))
    })
  }

  #supplier(address: string) {
    let supplier = this.#suppliers.get(address)
    if (supplier === undefined) {
      supplier = { count: 0, waiting: new Set() }
      this.#suppliers.set(address, supplier)
    }
    return supplier
  }
}
