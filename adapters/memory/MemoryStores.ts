/**
 * The state behind all memory adapters: one value, so that several replicas share it as they would share a server.
 * It survives the end of a replica (its fibers and layers), not the end of the process.
 */
import { Context, Effect, Layer, PubSub } from "effect"
import { MemoryLog } from "./MemoryLog.ts"
import type { MemorySession } from "./MemorySession.ts"
import type { Delivery, TxIntent } from "../../domain/ports/SupplierStore.ts"

/** Entries a supplier's log may hold before appends are refused; about 2 GB of 1 KB relays for one supplier. */
export const LOG_HIGH_WATER = 1_000_000

/** Entries set aside for each supplier; the oldest is dropped beyond it. */
export const SET_ASIDE_LIMIT = 1_000

/** Messages a slow subscriber may lag behind before it misses the oldest. */
const CHANNEL_BUFFER = 1_024

/** The fence of a supplier: its present owner. Times in milliseconds of Effect's clock. */
export interface Fence {
  readonly nonce: string
  readonly owner: string
  readonly epoch: number
  expiresAt: number
}

/** Everything of one supplier. */
export interface MemorySupplier {
  readonly log: MemoryLog
  readonly sessions: Map<string, MemorySession>
  readonly intents: Map<string, TxIntent>
  readonly setAside: Array<{ readonly delivery: Delivery; readonly reason: string }>
  fence: Fence | undefined
  epoch: number
}

/** A value and the millisecond from which it is gone. */
export interface Expiring<A> {
  readonly value: A
  readonly expiresAt: number
}

export class MemoryStores extends Context.Service<
  MemoryStores,
  {
    /** The supplier's state, created when first asked for. */
    readonly supplier: (address: string) => MemorySupplier
    /** Lowest session end in each relayer's spool. */
    readonly spools: Map<string, Expiring<bigint>>
    /** Replicas announced. */
    readonly replicas: Map<string, Expiring<true>>
    /** Consumed uPOKT by `session|supplier`. */
    readonly meters: Map<string, bigint>
    readonly cache: Map<string, Expiring<Uint8Array>>
    /** The channel's hub, created when first asked for. */
    readonly channel: (name: string) => PubSub.PubSub<string>
  }
>()("relaymill/adapters/memory/MemoryStores") {
  static readonly layer = Layer.effect(
    MemoryStores,
    Effect.sync(() => makeStores())
  )
}

/** Fresh, empty stores. */
export const makeStores = (): MemoryStores["Service"] => {
  const suppliers = new Map<string, MemorySupplier>()
  const channels = new Map<string, PubSub.PubSub<string>>()
  return {
    supplier: (address) => {
      let supplier = suppliers.get(address)
      if (supplier === undefined) {
        supplier = {
          log: new MemoryLog(),
          sessions: new Map(),
          intents: new Map(),
          setAside: [],
          fence: undefined,
          epoch: 0
        }
        suppliers.set(address, supplier)
      }
      return supplier
    },
    spools: new Map(),
    replicas: new Map(),
    meters: new Map(),
    cache: new Map(),
    channel: (name) => {
      let channel = channels.get(name)
      if (channel === undefined) {
        // A sliding hub allocates only; making it cannot suspend.
        channel = Effect.runSync(PubSub.sliding<string>(CHANNEL_BUFFER))
        channels.set(name, channel)
      }
      return channel
    }
  }
}

/** The owner in force at `now`; an expired fence is no fence. */
export const currentFence = (supplier: MemorySupplier, now: number): Fence | undefined =>
  supplier.fence !== undefined && supplier.fence.expiresAt > now ? supplier.fence : undefined

/** Removes what has expired and returns the values that live, by key. */
export const living = <A>(entries: Map<string, Expiring<A>>, now: number): ReadonlyMap<string, A> => {
  const alive = new Map<string, A>()
  for (const [key, { value, expiresAt }] of entries) {
    if (expiresAt > now) alive.set(key, value)
    else entries.delete(key)
  }
  return alive
}
