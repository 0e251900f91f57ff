/**
 * Every key and channel name; those of the Go fleet letter for letter, since both kinds share one Redis. No name contains
 * an empty segment: an empty part is written `%`, and what would end a segment or a cluster's hash tag is escaped
 * (identifiers of the protocol contain nothing of that).
 */
import type { RedisNamespace } from "./RedisSettings.ts"

/** How the servers are arranged. On a cluster all private keys of a supplier share one slot. */
export type RedisTopology = "standalone" | "sentinel" | "cluster"

/** Caches whose invalidation has a channel of the general form. */
export type CacheType =
  | "application"
  | "service"
  | "account"
  | "supplier"
  | "shared_params"
  | "proof_params"
  | "service_factor"

/** Keys of a session's trie. */
export type TrieKey = "nodes" | "live_root" | "root" | "stats"

/** What a transaction does. */
export type TxPhase = "claim" | "proof"

/** Names for one namespace. */
export type RedisNames = ReturnType<typeof makeNames>

/** All names for a namespace. Suppliers are operator addresses, sessions ids, heights decimal. */
export const makeNames = (namespace: RedisNamespace, topology: RedisTopology) => {
  const { base } = namespace
  const below = (...parts: ReadonlyArray<string | number | bigint>) => joined(base, parts)
  const miner = `${base}:${namespace.miner}`
  /** A key of ours that belongs to a supplier: on a cluster all of one supplier share a slot. */
  const mill = (supplier: string, ...parts: ReadonlyArray<string | number | bigint>) =>
    joined(`${base}:mill:{${part(supplier)}}`, parts)
  const stream = (supplier: string) => joined(`${base}:${namespace.streams}`, [supplier])
  const rebroadcast = (phase: TxPhase) => `${miner}:rebroadcast:{${phase}}`
  const events = `${base}:${namespace.events}`
  const configured: Readonly<Record<string, string>> = {
    cache: namespace.cache,
    events: namespace.events,
    miner: namespace.miner,
    params: namespace.params,
    relays: namespace.streams,
    supplier: namespace.supplier
  }

  return {
    topology,
    base,
    /**
     * A name of a port (`cache:application:<address>`, `meter:cleanup`) below the base, its first segment as configured.
     */
    portName: (name: string): string => {
      const [first = "", ...rest] = name.split(":")
      return joined(`${base}:${configured[first] ?? part(first)}`, rest)
    },

    // The log of mined relays.
    /** Stream of a supplier as Go's relayers write it. */
    stream,
    /** Stream that our relayers write to: Go's, on a cluster one in the supplier's slot. */
    relays: (supplier: string) => (topology === "cluster" ? mill(supplier, "relays") : stream(supplier)),
    /** Consumer group of the streams. */
    group: `${base}-${namespace.consumerGroup}`,
    /** Lowest session end in a relayer's spool. */
    spool: (relayer: string) => below("mill", "spool", relayer),
    /** Relayers that have announced a spool lately: sorted set by the server's milliseconds at which each one ends. */
    spools: below("mill", "spools"),
    /** Channel on a cluster: suppliers to whose stream something was added. */
    hints: below("mill", "hints"),

    // Private keys of a supplier.
    mill,
    fence: (supplier: string) => mill(supplier, "fence"),
    /** Counts acquisitions, for people. */
    epoch: (supplier: string) => mill(supplier, "epoch"),
    version: (supplier: string, session: string) => mill(supplier, "ver", session),
    log: (supplier: string, session: string) => mill(supplier, "log", session),
    tail: (supplier: string, session: string) => mill(supplier, "tail", session),
    intent: (supplier: string, sessionEnd: bigint) => mill(supplier, "intent", sessionEnd),
    /** Index of intents: hash of transaction hash to session end. */
    intents: (supplier: string) => mill(supplier, "intents"),
    /** Index of sessions: set of ids of those that have a record. */
    sessions: (supplier: string) => mill(supplier, "sessions"),
    dead: (supplier: string) => mill(supplier, "dead"),
    /** Key of a trie: Go's, on a cluster one in the supplier's slot. */
    trie: (supplier: string, session: string, key: TrieKey) =>
      topology === "cluster" ? mill(supplier, "smst", session, key) : below("smst", supplier, session, key),
    /** Replicas of ours that are alive: sorted set by the server's milliseconds at which each one ends. */
    replicas: below("mill", "replicas"),

    // Records of Go's miners.
    session: (supplier: string, session: string) => joined(miner, ["sessions", supplier, session]),
    sessionIndex: (supplier: string) => joined(miner, ["sessions", supplier, "index"]),
    sessionsByState: (supplier: string, state: string) => joined(miner, ["sessions", supplier, "state", state]),
    dedup: (session: string) => joined(miner, ["dedup", "session", session]),
    rebroadcast: (phase: TxPhase, supplier: string, sessionEnd: bigint) =>
      joined(rebroadcast(phase), [supplier, sessionEnd]),
    rebroadcastIndex: (phase: TxPhase) => `${rebroadcast(phase)}:index`,
    txTrack: (supplier: string, sessionEnd: bigint, session: string) =>
      below("tx", "track", supplier, sessionEnd, session),
    /** Lease of a Go miner; ours set it too, so that one started by mistake finds the supplier taken. */
    claim: (supplier: string) => joined(miner, ["claim", supplier]),
    /** Registration of a live Go miner; ours never write it. */
    instance: (id: string) => joined(miner, ["instance", id]),
    activeInstances: `${miner}:active`,
    globalLeader: `${miner}:global_leader`,
    /** Not written by anybody any more. */
    supplierLeader: (supplier: string) => joined(miner, ["leader", supplier]),

    // Suppliers, services, caches, meters.
    supplierState: (supplier: string) => joined(`${base}:${namespace.supplier}`, [supplier]),
    registry: (supplier: string) => below("suppliers", supplier),
    registryIndex: below("suppliers", "index"),
    serviceFactorDefault: below("service_factor", "default"),
    serviceFactor: (service: string) => below("service_factor", "service", service),
    cache: (...parts: ReadonlyArray<string | number | bigint>) => joined(`${base}:${namespace.cache}`, parts),
    /** `prefix` is the relayers' `relay_meter.redis_key_prefix`, which should be the base; the segment `meter` is fixed. */
    meterMeta: (prefix: string, session: string, supplier: string) =>
      joined(`${prefix}:meter`, [session, supplier, "meta"]),
    meterConsumed: (prefix: string, session: string, supplier: string) =>
      joined(`${prefix}:meter`, [session, supplier, "consumed"]),
    /** Members `<session>|<supplier>`. */
    activeMeters: `${base}:${namespace.meter}:active_sessions`,
    simReplay: (signatureHash: string) => below("sim", "replay", signatureHash),
    appStake: (application: string) => below("app_stake", application),
    serviceComputeUnits: (service: string) => below("service", service, "compute_units"),
    params: (kind: "shared" | "session") => `${base}:${namespace.params}:${kind}`,

    // Channels.
    invalidateCache: (type: CacheType) => joined(events, ["cache", type, "invalidate"]),
    /** Word order of the Go fleet. */
    invalidateSupplierParams: joined(events, ["cache", "invalidate", "supplier_params"]),
    invalidateParams: joined(events, ["invalidate", "params"]),
    sessionRewardable: joined(events, ["session", "rewardable"]),
    supplierUpdate: joined(events, ["supplier_update"]),
    blocks: joined(events, ["blocks"]),
    meterCleanup: below("meter", "cleanup")
  }
}

/** A pattern for SCAN that finds every name which `build` makes, whatever the part. */
export const namesMatching = (build: (part: string) => string): string => {
  const marker = "0pattern0"
  return build(marker)
    .replaceAll(/[*?[\]\\]/g, "\\$&")
    .replace(marker, "*")
}

const joined = (prefix: string, parts: ReadonlyArray<string | number | bigint>): string => {
  let name = prefix
  for (const each of parts) name += `:${typeof each === "string" ? part(each) : each}`
  return name
}

const part = (text: string): string => (text === "" ? "%" : text.replaceAll(/[:{}%\s]/g, encodeURIComponent))
