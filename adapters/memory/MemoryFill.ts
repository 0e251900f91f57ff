/** How full the memory stores are, as one gauge. Sampled, so that no write pays for it. */
import { Duration, Effect, Metric, PubSub } from "effect"
import type { MemoryState } from "./MemoryStores.ts"

/** Time between two samples. */
export const FILL_INTERVAL = Duration.seconds(5)

/** The stores: values of the label `store`. */
export type MemoryStoreName =
  | "suppliers"
  | "log"
  | "log_pending"
  | "log_bytes"
  | "sessions"
  | "events"
  | "nodes"
  | "intents"
  | "set_aside"
  | "spools"
  | "replicas"
  | "meters"
  | "cache"
  | "channels"
  | "channel_messages"

const entries = Metric.gauge("relaymill_memory_entries", {
  description: "Entries in the memory stores, by store; of log_bytes the bytes"
})

/** Entries of each store, over all suppliers. Costs as many steps as there are sessions. */
export const fillOf = (state: MemoryState): Readonly<Record<MemoryStoreName, number>> => {
  const fill = {
    suppliers: state.suppliers.size,
    log: 0,
    log_pending: 0,
    log_bytes: 0,
    sessions: 0,
    events: 0,
    nodes: 0,
    intents: 0,
    set_aside: 0,
    spools: state.spools.size,
    replicas: state.replicas.size,
    meters: state.meters.size,
    cache: state.cache.size,
    channels: state.channels.size,
    channel_messages: 0
  }
  for (const { log, sessions, intents, setAside } of state.suppliers.values()) {
    fill.log += log.size
    fill.log_pending += log.pendingSize
    fill.log_bytes += log.bytes
    fill.sessions += sessions.size
    fill.intents += intents.size
    fill.set_aside += setAside.length
    for (const { events, nodes } of sessions.values()) {
      fill.events += events.length
      fill.nodes += nodes.size
    }
  }
  for (const { hub } of state.channels.values()) fill.channel_messages += PubSub.sizeUnsafe(hub)
  return fill
}

/** Sets the gauge once. */
export const reportFill = (state: MemoryState): Effect.Effect<void> =>
  Effect.suspend(() =>
    Effect.forEach(
      Object.entries(fillOf(state)),
      ([store, count]) => Metric.update(Metric.withAttributes(entries, { store }), count),
      { discard: true }
    )
  )
