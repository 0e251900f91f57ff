/** How full the memory stores are, as one gauge, read when metrics are collected: no write pays for it. */
import { Effect, PubSub, type Scope } from "effect"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import type { MemorySession } from "./MemorySession.ts"
import type { MemoryState, MemorySupplier } from "./MemoryStores.ts"

/** Entries of each store, over all suppliers. The names are the values of the label `store`. */
export const fills = {
  suppliers: ({ suppliers }: MemoryState) => suppliers.size,
  log: (state: MemoryState) => overSuppliers(state, ({ log }) => log.size),
  log_pending: (state: MemoryState) => overSuppliers(state, ({ log }) => log.pendingSize),
  log_bytes: (state: MemoryState) => overSuppliers(state, ({ log }) => log.bytes),
  sessions: (state: MemoryState) => overSuppliers(state, ({ sessions }) => sessions.size),
  events: (state: MemoryState) => overSessions(state, ({ events }) => events.length),
  nodes: (state: MemoryState) => overSessions(state, ({ nodes }) => nodes.size),
  intents: (state: MemoryState) => overSuppliers(state, ({ intents }) => intents.size),
  set_aside: (state: MemoryState) => overSuppliers(state, ({ setAside }) => setAside.length),
  spools: ({ spools }: MemoryState) => spools.size,
  replicas: ({ replicas }: MemoryState) => replicas.size,
  meters: ({ meters }: MemoryState) => meters.size,
  cache: ({ cache }: MemoryState) => cache.size,
  cache_members: ({ cacheSets }: MemoryState) => total(cacheSets.values(), (members) => members.size),
  channels: ({ channels }: MemoryState) => channels.size,
  channel_messages: ({ channels }: MemoryState) => total(channels.values(), ({ hub }) => PubSub.sizeUnsafe(hub))
} as const

/** Registers the gauge for each store until the scope ends. */
export const watchFill = (state: MemoryState): Effect.Effect<void, never, Scope.Scope> =>
  Effect.forEach(
    Object.entries(fills),
    ([store, fill]) =>
      fillGauge("relaymill_memory_entries", "Entries in the memory stores; of log_bytes the bytes", () => fill(state), {
        store
      }),
    { discard: true }
  )

const total = <A>(all: Iterable<A>, size: (one: A) => number): number => {
  let sum = 0
  for (const one of all) sum += size(one)
  return sum
}

const overSuppliers = ({ suppliers }: MemoryState, size: (supplier: MemorySupplier) => number): number =>
  total(suppliers.values(), size)

const overSessions = (state: MemoryState, size: (session: MemorySession) => number): number =>
  overSuppliers(state, ({ sessions }) => total(sessions.values(), size))
