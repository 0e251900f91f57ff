/**
 * The state behind all memory adapters: one value, so that several replicas share it as they would share a server.
 * It survives the end of a replica (its fibers and layers), not the end of the process. Each map has an owner that
 * empties it or a bound; `MemoryFill` reports how full they are.
 */
import { Context, Effect, Layer, type PubSub } from "effect"
import type { Delivery, TxIntent } from "../../domain/ports/SupplierStore.ts"
import { watchFill } from "./MemoryFill.ts"
import { MemoryLog } from "./MemoryLog.ts"
import type { MemorySession } from "./MemorySession.ts"

/** Entries set aside for each supplier; the oldest is dropped beyond it. */
export const SET_ASIDE_LIMIT = 1_000

/** The fence of a supplier: its present owner. Times in milliseconds of the monotonic clock. */
export interface Fence {
  readonly nonce: string
  readonly owner: string
  readonly epoch: number
  expiresAt: number
}

/** Everything of one supplier. */
export interface MemorySupplier {
  /** Bounded by `RelayLogMemory`, emptied by acknowledgements. */
  readonly log: MemoryLog
  /** Emptied by `forget`. */
  readonly sessions: Map<string, MemorySession>
  /** Emptied by `dropIntent`. */
  readonly intents: Map<string, TxIntent>
  /** At most `SET_ASIDE_LIMIT`. */
  readonly setAside: Array<{ readonly delivery: Delivery; readonly reason: string }>
  fence: Fence | undefined
  epoch: number
}

/** A value and the monotonic millisecond from which it is gone. */
export interface Expiring<A> {
  readonly value: A
  readonly expiresAt: number
}

/** A message of a channel; numbers count from 1, so that a listener sees what it missed. */
export interface Numbered {
  readonly number: number
  readonly payload: string
}

/** A channel of `Broadcast` with those who listen. */
export interface MemoryChannel {
  readonly hub: PubSub.PubSub<Numbered>
  subscribers: number
  /** Number of the last message. */
  sent: number
}

/** All state. Suppliers are as many as there are keys: relays for others never get here. */
export interface MemoryState {
  readonly suppliers: Map<string, MemorySupplier>
  /** Lowest session end in each relayer's spool. Expired ones go with the next announcement. */
  readonly spools: Map<string, Expiring<bigint>>
  /** Replicas announced. Expired ones go with the next announcement. */
  readonly replicas: Map<string, Expiring<true>>
  /** Consumed uPOKT by `session|supplier`. Bounded by `MeterStoreMemory`, emptied by `drop`. */
  readonly meters: Map<string, bigint>
  /** Bounded by `SharedCacheMemory`. */
  readonly cache: Map<string, Expiring<Uint8Array>>
  /** Sets of the shared cache: a few names, each bounded by those who write it. */
  readonly cacheSets: Map<string, ReadonlySet<string>>
  /** Who leads the replicas. */
  readonly leader: { present: Expiring<string> | undefined }
  /** Channels that somebody listens to. */
  readonly channels: Map<string, MemoryChannel>
}

/** What all memory ports share. Replicas given the same value act as processes over one database. */
export class MemoryStores extends Context.Service<
  MemoryStores,
  MemoryState & {
    /** The supplier's state, created when first asked for. */
    readonly supplier: (address: string) => MemorySupplier
  }
>()("relaymill/adapters/memory/MemoryStores") {
  /** Fresh stores that report their fill. */
  static readonly layer = Layer.effect(
    MemoryStores,
    Effect.gen(function* () {
      const stores = makeStores()
      yield* watchFill(stores)
      return stores
    })
  )
}

/** Fresh, empty stores. */
export const makeStores = (): MemoryStores["Service"] => {
  const suppliers = new Map<string, MemorySupplier>()
  return {
    suppliers,
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
    cacheSets: new Map(),
    leader: { present: undefined },
    channels: new Map()
  }
}

/** The owner in force at `now`; an expired fence is no fence. */
export const currentFence = (supplier: MemorySupplier | undefined, now: number): Fence | undefined =>
  supplier?.fence !== undefined && supplier.fence.expiresAt > now ? supplier.fence : undefined

/** Removes what has expired and returns the values that live, by key. */
export const living = <A>(entries: Map<string, Expiring<A>>, now: number): ReadonlyMap<string, A> => {
  const alive = new Map<string, A>()
  for (const [key, { value, expiresAt }] of entries) {
    if (expiresAt > now) alive.set(key, value)
    else entries.delete(key)
  }
  return alive
}
