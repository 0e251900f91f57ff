/**
 * Invariant 3: only the present owner's writes take effect, and an owner whose lease may have ended by its own reckoning
 * writes and broadcasts nothing any more.
 */
import { type Exit, Option, Result } from "effect"
import type { Lease } from "../../domain/ports/Leases.ts"
import type { Step } from "./Gate.ts"
import type { RunView } from "./RunView.ts"

/** Calls whose first argument is the lease and which write. */
const WRITES = new Set([
  "SupplierStore.commit",
  "SupplierStore.writeNodes",
  "SupplierStore.deleteNodes",
  "SupplierStore.setAside",
  "SupplierStore.saveIntent",
  "SupplierStore.dropIntent",
  "SupplierStore.dropNodes",
  "SupplierStore.forget"
])

/** Calls that only the owner may begin. */
const OWNERS = new Set([...WRITES, "SupplierStore.deliveries", "SupplierStore.redeliver"])

interface Tenure {
  readonly lease: Lease
  /** When the last successful acquisition or renewal was sent. */
  sentAt: number
}

export class LeaseConduct {
  readonly #view: RunView
  /** By nonce. */
  readonly #tenures = new Map<string, Tenure>()
  /** Nonce by `replica#incarnation|supplier`. */
  readonly #holders = new Map<string, string>()
  readonly #sent = new WeakMap<Step, number>()

  constructor(view: RunView) {
    this.#view = view
  }

  /** A call was made: is its caller still the owner by its own reckoning? */
  begin(step: Step): void {
    this.#sent.set(step, this.#view.now())
    const lease = OWNERS.has(step.operation) ? leaseOf(step) : undefined
    if (lease !== undefined) this.#checkTenure(step, lease.nonce, lease.supplier)
  }

  /** A transaction of the supplier is broadcast. */
  broadcast(step: Step, supplier: string): void {
    this.#checkTenure(step, this.#holders.get(holderKey(step, supplier)), supplier)
  }

  /** What a replica counts as its own now. */
  owns(replica: string, incarnation: number, suppliers: ReadonlyArray<string>): void {
    for (const supplier of suppliers) {
      const nonce = this.#holders.get(`${replica}#${incarnation}|${supplier}`)
      const tenure = nonce === undefined ? undefined : this.#tenures.get(nonce)
      const age = tenure === undefined ? Number.POSITIVE_INFINITY : this.#view.now() - tenure.sentAt
      if (age >= this.#view.scenario.leaseMillis) {
        this.#view.violate(
          "S3",
          `${replica}#${incarnation} counts ${supplier} as its own ${age} ms after its last renewal was sent`
        )
      }
    }
  }

  /** A call has taken effect. */
  effected(step: Step, exit: Exit.Exit<unknown, unknown>): void {
    if (exit._tag === "Failure") return
    if (step.operation === "Leases.acquire") {
      // The port's result, of which the gate does not know the type.
      const lease = Option.getOrUndefined(exit.value as Option.Option<Lease>)
      if (lease === undefined) return
      this.#tenures.set(lease.nonce, { lease, sentAt: this.#sentAt(step) })
      this.#holders.set(holderKey(step, lease.supplier), lease.nonce)
      return
    }
    if (step.operation === "Leases.renew") return this.#renewed(step, exit.value)
    const lease = leaseOf(step)
    if (lease === undefined) return
    if (!WRITES.has(step.operation)) return
    const { fence } = this.#view.stores.supplier(lease.supplier)
    if (fence === undefined || fence.nonce !== lease.nonce || fence.expiresAt <= this.#view.clock()) {
      this.#view.violate("S3", `${name(step)} wrote (${step.operation}) for ${lease.supplier} without owning it`)
    }
  }

  /** A renewal may take effect long after a later one. */
  #renewed(step: Step, outcomes: unknown): void {
    // The port's argument and result, of which the gate does not know the types.
    const leases = step.args[0] as ReadonlyArray<Lease>
    const results = outcomes as ReadonlyArray<Result.Result<void, unknown>>
    for (const [index, { nonce }] of leases.entries()) {
      const [tenure, result] = [this.#tenures.get(nonce), results[index]]
      if (tenure === undefined || result === undefined || Result.isFailure(result)) continue
      tenure.sentAt = Math.max(tenure.sentAt, this.#sentAt(step))
    }
  }

  #checkTenure(step: Step, nonce: string | undefined, supplier: string): void {
    const tenure = nonce === undefined ? undefined : this.#tenures.get(nonce)
    const age = tenure === undefined ? Number.POSITIVE_INFINITY : this.#view.now() - tenure.sentAt
    if (age >= this.#view.scenario.leaseMillis) {
      this.#view.violate(
        "S3",
        `${name(step)} calls ${step.operation} for ${supplier} ${age} ms after its last renewal was sent`
      )
    }
  }

  #sentAt(step: Step): number {
    return this.#sent.get(step) ?? this.#view.now()
  }
}

const leaseOf = ({ args }: Step): Lease | undefined => {
  const [first] = args
  // Leases are the only arguments with a nonce.
  return typeof first === "object" && first !== null && "nonce" in first ? (first as Lease) : undefined
}

const holderKey = ({ replica, incarnation }: Step, supplier: string): string => `${replica}#${incarnation}|${supplier}`

const name = ({ replica, incarnation }: Step): string => `${replica}#${incarnation}`
