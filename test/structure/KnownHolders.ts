/**
 * Everything in the product that holds entries for longer than a call, with what bounds it and the metric of its fill.
 * A holder without an entry here fails `Bounds.test.ts`: give it a bound and a metric, or say here why it needs none.
 */

/** What keeps a holder from growing. */
export interface Bound {
  /** The named constant or setting that bounds it, or who empties it and when. */
  readonly bound: string
  /** Metric that shows how full it is; `none` and why. */
  readonly metric: string
}

/** Fill metrics that several share. */
const MEMORY = "relaymill_memory_entries"
const REDIS_BROADCAST = "relaymill_redis_broadcast_waiting"
const SQLITE = "relaymill_sqlite_entries"
const CACHES = "ha_relayer_cache_entries"
const RING_CACHES = "ha_relayer_ring_cache_entries"
const IN_FLIGHT = "ha_relayer_relays_in_flight"
const HELD = "ha_miner_supplier_claimed_count"

/** Ends with the call that makes it, whose input is bounded: no fill to watch. */
const local = (bound: string): Bound => ({ bound, metric: "none: ends with the call" })
/** State of the simulated chain: no part of a relayer or miner that serves a network. */
const simulated = (bound: string): Bound => ({ bound, metric: "none: simulated chain" })
/** Never written. */
const empty: Bound = { bound: "an empty value, never written", metric: "none: constant" }

/** By file, then by the name it is bound to. */
export const knownHolders: Readonly<Record<string, Readonly<Record<string, Bound>>>> = {
  "adapters/chain/BlockLedger.ts": {
    "#byHeight": { bound: "BLOCKS_KEPT; the lowest is forgotten", metric: "relaymill_chain_blocks" }
  },
  "adapters/chain/BlockReads.ts": {
    events: local("the events of one block: its results are bounded by maxResultsBytes"),
    malformed: local("the events of one block: its results are bounded by maxResultsBytes")
  },
  "adapters/chain/BlockWatch.ts": {
    inbox: { bound: "INBOX; the oldest word is dropped", metric: "none: 64 small words for each endpoint" }
  },
  "adapters/chain/ChainChoice.ts": {
    "#said": { bound: "endpoints of the configuration", metric: "none: one word for each node" },
    "#asked": { bound: "endpoints of the configuration", metric: "none: one word for each node" }
  },
  "adapters/chain/BlocksNode.ts": {
    changes: { bound: "CHANGES_BUFFER for each reader; older blocks are skipped", metric: "none: 16 blocks" }
  },
  "adapters/chain/RpcEndpoints.ts": {
    endpoints: { bound: "nodes of the configuration", metric: "none: fixed when built" }
  },
  "adapters/chain/TxScan.ts": {
    "#blocks": { bound: "SCANNED_BLOCKS, HASHES_KEPT of all", metric: "relaymill_chain_scanned_transactions" }
  },
  "adapters/chain/JsonElements.ts": { "#levels": local("MAX_DEPTH levels of one text") },
  "adapters/chain/EndpointHealth.ts": {
    "#byKind": { bound: "one for each kind of fault", metric: "relaymill_chain_endpoint_up" }
  },
  "adapters/chain/EndpointPool.ts": {
    unimplemented: { bound: "operations of the code for each endpoint", metric: "none: names in the code" }
  },
  "adapters/chain/QueryEndpoints.ts": {
    heights: { bound: "endpoints of the configuration", metric: "none: fixed when built" }
  },
  "adapters/config/ConfigFile.ts": { overrides: empty, entries: local("keys of one configuration file") },
  "adapters/config/Findings.ts": {
    problems: local("problems of one configuration file"),
    warnings: local("warnings of one configuration file"),
    "#sections": local("nesting of one configuration file")
  },
  "adapters/console/LineSampling.ts": {
    seen: { bound: "DIFFERENT_LINES; emptied each second", metric: "none: a second's lines" }
  },
  "adapters/console/LogLines.ts": {
    waiting: { bound: "lines of its buffer; others are dropped and counted", metric: "relaymill_log_buffer_lines" }
  },
  "adapters/console/ScreenConsole.ts": {
    drawn: { bound: "lines of one screen, replaced by each drawing", metric: "none: the demo's screen" }
  },
  "adapters/crypto/MultiplesTable.ts": { points: local("addends of one verification, 64 at most") },
  "adapters/crypto/RingVerifierWorkers.ts": {
    queue: { bound: "QUEUE_CAPACITY; further callers wait", metric: "ha_relayer_ring_worker_queue_entries" },
    outstanding: { bound: "callers that wait: relays in flight", metric: IN_FLIGHT }
  },
  "adapters/crypto/Secp256k1Native.ts": {
    warned: { bound: "one failure to load; weak", metric: "none: at most one entry" }
  },
  "adapters/crypto/VerificationTurns.ts": {
    waiting: { bound: "callers that wait: relays in flight", metric: IN_FLIGHT },
    verified: { bound: "HANDED_ON verdicts", metric: "none: eight at most" }
  },
  "adapters/demo/DemoBackend.ts": { chunks: local("body of one request of the demo's own relayer") },
  "adapters/http/AnswerTurns.ts": {
    waiting: { bound: "answers that wait: relays in flight", metric: IN_FLIGHT }
  },
  "adapters/http/BackendExchange.ts": {
    rawHeaders: local("headers of one backend's answer"),
    chunks: local("maxAnswerBytes of one backend's answer")
  },
  "adapters/http/BackendHeaders.ts": { lines: local("headers of one request") },
  "adapters/http/BackendUrl.ts": {
    kept: { bound: "KEPT_TARGETS of KEPT_LENGTH for each endpoint", metric: "none: small and fixed for each endpoint" }
  },
  "adapters/http/BackendsHttp.ts": {
    byKey: { bound: "backends of the configuration", metric: "none: fixed when built" }
  },
  "adapters/http/RelayServer.ts": {
    inFlight: { bound: "one for each open connection: MAX_CONNECTIONS", metric: IN_FLIGHT },
    sockets: { bound: "MAX_CONNECTIONS", metric: "ha_relayer_active_connections" }
  },
  "adapters/http/RequestBody.ts": {
    chunks: {
      bound: "maxBodyBytes for each request, maxBufferedBytes for all",
      metric: "ha_relayer_request_bodies_bytes"
    }
  },
  "adapters/http/SendTurns.ts": {
    waiting: { bound: "messages of one turn: relays in flight", metric: IN_FLIGHT }
  },
  "adapters/keys/KeyReport.ts": {
    "#said": { bound: "MAX_FILES for each source; replaced by each look", metric: "ha_keys_problems" },
    now: local("MAX_FILES for each source")
  },
  "adapters/keys/KeySourceReader.ts": {
    "#files": { bound: "MAX_FILES; replaced by each look", metric: "ha_keys_supplier_keys_active" },
    "#seen": { bound: "keys in MAX_FILES of MAX_FILE_BYTES", metric: "ha_keys_supplier_keys_active" },
    "#accepted": { bound: "keys in MAX_FILES of MAX_FILE_BYTES", metric: "ha_keys_supplier_keys_active" }
  },
  "adapters/keys/KeyWatch.ts": {
    open: { bound: "three watches for each source", metric: "none: fixed by the configuration" }
  },
  "adapters/keys/ReloadingKeys.ts": {
    hints: { bound: "one hint; further ones add nothing", metric: "none: at most one" }
  },
  "adapters/memory/BroadcastMemory.ts": { fresh: { bound: "CHANNEL_BUFFER; the oldest goes", metric: MEMORY } },
  "adapters/memory/MemoryLog.ts": {
    "#fresh": { bound: "LOG_HIGH_WATER and LOG_HIGH_WATER_BYTES; appends are refused", metric: MEMORY },
    "#pending": { bound: "counts in the bounds of the log", metric: MEMORY },
    "#again": { bound: "entries of #pending", metric: MEMORY },
    "#waiting": { bound: "calls of `deliveries` under way: one for each supplier held", metric: HELD }
  },
  "adapters/memory/MemorySession.ts": {
    nodes: { bound: "emptied by `dropNodes` when the session has ended", metric: MEMORY }
  },
  "adapters/memory/MemoryStores.ts": {
    suppliers: { bound: "suppliers whose keys are held", metric: MEMORY },
    sessions: { bound: "emptied by `forget` after retention", metric: MEMORY },
    intents: { bound: "emptied by `dropIntent` once a transaction's fate is known", metric: MEMORY },
    spools: { bound: "one for each relayer; expire", metric: MEMORY },
    replicas: { bound: "one for each replica; expire", metric: MEMORY },
    meters: { bound: "METER_CAPACITY; one that ends first goes; emptied by `drop`", metric: MEMORY },
    cache: { bound: "CACHE_CAPACITY; the oldest goes; expire", metric: MEMORY },
    cacheSets: { bound: "names of the known sets; members by KNOWN_LIMIT of the caches", metric: MEMORY },
    channels: { bound: "channels that somebody listens to", metric: MEMORY }
  },
  "adapters/memory/MeterStoreMemory.ts": {
    byEnd: { bound: "the counters of MemoryStores: METER_CAPACITY", metric: MEMORY }
  },
  "adapters/memory/RelaySpoolMemory.ts": {
    heights: { bound: "session ends of the entries kept: SPOOL_LIMIT", metric: "ha_relayer_spool_entries" }
  },
  "adapters/redis/BroadcastRedis.ts": {
    channels: { bound: "channels that somebody in this process listens to", metric: REDIS_BROADCAST },
    listener: { bound: "LISTENER_BUFFER; the oldest goes, and the listener hears that", metric: REDIS_BROADCAST },
    listeners: { bound: "streams of this process that are read", metric: REDIS_BROADCAST }
  },
  "adapters/redis/ConnectionWatch.ts": {
    wake: { bound: "1; signals merge", metric: "none: at most one entry" },
    reconnects: { bound: "RECONNECTS_BUFFER; the oldest goes", metric: "none: a few entries at most" }
  },
  "adapters/redis/RelayLogRedis.ts": {
    streams: { bound: "suppliers whose keys are held", metric: HELD }
  },
  "adapters/redis/RedisConnections.ts": {
    supported: { bound: "commands that the adapters ask for", metric: "none: names in the code" }
  },
  "adapters/redis/GatheredCalls.ts": {
    asked: { bound: "renewals and ends of `deliveries` under way: one for each supplier held", metric: HELD },
    wake: { bound: "1; signals merge", metric: "none: at most one entry" }
  },
  "adapters/redis/StreamArrivals.ts": {
    watched: { bound: "streams of suppliers held", metric: "ha_miner_streams_watched" },
    waiting: { bound: "calls of `deliveries` under way: one for each supplier held", metric: HELD }
  },
  "adapters/redis/StreamLosses.ts": {
    lost: { bound: "suppliers whose keys are held", metric: "ha_miner_stream_entries_lost_total" }
  },
  "adapters/redis/StreamWatch.ts": {
    grown: { bound: "the two loops of the watch", metric: "none: at most two entries" }
  },
  "adapters/redis/SupplierStoreRedis.ts": {
    foreignRoots: { bound: "sessions of suppliers held; emptied by commits", metric: "ha_miner_foreign_tries" },
    leaves: local("leaves of one session")
  },
  "adapters/redis/SupplierStreams.ts": {
    readers: { bound: "leases held, and lost ones until their next call", metric: "ha_miner_stream_readers" }
  },
  "adapters/spool/RelaySpoolDisk.ts": {
    offered: { bound: "relays in flight, within maxEntries and maxBytes", metric: IN_FLIGHT },
    removed: { bound: "entries kept: maxEntries; emptied by each write", metric: "ha_relayer_spool_entries" }
  },
  "adapters/spool/SpoolIndex.ts": {
    "#segments": {
      bound: "maxBytes by the bytes of a segment, and files of earlier runs",
      metric: "ha_relayer_spool_bytes"
    },
    "#ends": { bound: "session ends of the entries kept: maxEntries", metric: "ha_relayer_spool_entries" }
  },
  "adapters/simchain/devnet/ControlServer.ts": { chunks: local("MAX_COMMAND_BYTES of a command") },
  "adapters/simchain/devnet/Listener.ts": { sockets: simulated("MAX_CONNECTIONS of a listener") },
  "adapters/simchain/devnet/RpcServer.ts": { chunks: local("MAX_BODY_BYTES of a body") },
  "adapters/simchain/devnet/Subscriptions.ts": {
    clients: simulated("MAX_CONNECTIONS of the listener")
  },
  "adapters/simchain/devnet/SocketClient.ts": {
    subscriptions: simulated("MAX_SUBSCRIPTIONS_PER_CLIENT of a client"),
    "#queue": simulated("WRITE_BUFFER; beyond it no calls are read"),
    "#ended": simulated("MAX_SUBSCRIPTIONS_PER_CLIENT for each time that the queue is full")
  },
  "adapters/simchain/devnet/TxJournal.ts": { journal: simulated("MAX_JOURNALLED_TXS") },
  "adapters/simchain/BasicChecks.ts": { passed: simulated("weak: messages of transactions that are kept elsewhere") },
  "adapters/simchain/ChainCell.ts": {
    operations: simulated("operations of one block, emptied by its commit"),
    blocks: simulated("MAX_KEPT_BLOCKS"),
    states: simulated("MAX_KEPT_STATES"),
    txs: simulated("transactions of the blocks kept")
  },
  "adapters/simchain/Distribution.ts": { moves: simulated("payments of one settlement") },
  "adapters/simchain/Genesis.ts": {
    accounts: simulated("accounts of the genesis"),
    unbondingSuppliers: simulated("suppliers of the chain's state"),
    claims: simulated("removed by settlement"),
    proofs: simulated("removed by the block that validates them"),
    nonces: simulated("removed once their time is over")
  },
  "adapters/simchain/Mempool.ts": { seen: simulated("transactions remembered: the limits of the pool") },
  "adapters/simchain/ProofValidation.ts": { proofs: simulated("proofs of one block") },
  "adapters/simchain/SessionHydration.ts": {
    remembered: simulated("weak; MAX_REMEMBERED_SESSIONS for each set of suppliers")
  },
  "adapters/simchain/SimChain.ts": { nodes: simulated("nodes made; each leaves with its scope") },
  "adapters/simchain/SimNode.ts": { changes: simulated("CHANGES_BUFFER; the oldest block goes") },
  "adapters/simchain/Verifiers.ts": {
    remembering: simulated("weak"),
    verdicts: simulated("MAX_REMEMBERED_VERDICTS")
  },
  "adapters/sqlite/Arrivals.ts": {
    "#suppliers": { bound: "suppliers whose keys are held", metric: HELD },
    waiting: { bound: "calls of `deliveries` under way: one for each supplier held", metric: HELD }
  },
  "adapters/sqlite/SqliteLog.ts": {
    "#spools": { bound: "one for each relayer of this process; expire", metric: "none: one" }
  },
  "adapters/sqlite/SqliteSuppliers.ts": {
    "#byAddress": { bound: "suppliers whose keys are or were held", metric: HELD },
    "#replicas": { bound: "one for each replica of this process; expire", metric: "none: one" },
    "#moved": { bound: "suppliers of one batch; emptied at its end", metric: HELD }
  },
  "adapters/sqlite/SqliteThread.ts": {
    queue: { bound: "QUEUE_CALLS and QUEUE_BYTES; a further call fails", metric: SQLITE },
    running: { bound: "BATCH_CALLS and BATCH_BYTES", metric: SQLITE }
  },
  "adapters/sqlite/SqliteTries.ts": {
    "#indexes": { bound: "INDEXED, or one trie; the one used longest ago goes", metric: SQLITE }
  },
  "adapters/sqlite/TrieIndex.ts": {
    "#places": { bound: "leaves and nodes of one trie; counts in INDEXED", metric: SQLITE },
    "#runs": { bound: "chunks of one trie's checkpoints", metric: SQLITE }
  },
  "domain/cache/SupplierStates.ts": {
    latest: { bound: "CAPACITY; the one read longest ago goes", metric: "ha_cache_entries" }
  },
  "domain/cache/KeptLookups.ts": {
    kept: { bound: "capacity of each cache; the least recently used goes", metric: CACHES },
    running: { bound: "capacity of each cache; entries only while a look-up runs", metric: CACHES },
    "#open": { bound: "look-ups under way: those of `running` and refreshes", metric: CACHES }
  },
  "domain/demo/DemoProgress.ts": {
    sessions: { bound: "sessions of one demo", metric: "none: the demo's screen" },
    tallies: { bound: "sessions of one demo", metric: "none: the demo's screen" }
  },
  "domain/demo/RunDemo.ts": { seen: { bound: "sessions that the store lists", metric: "none: the demo's screen" } },
  "domain/lifecycle/Deadlines.ts": {
    watched: { bound: "calls under way: relays in flight, commands of a connection", metric: IN_FLIGHT }
  },
  "domain/lifecycle/Roster.ts": {
    "#members": { bound: "its owner's, who has an entry here", metric: "none: its owner's" }
  },
  "domain/mining/IngestRelays.ts": {
    sessions: local("batchRelays"),
    headers: local("sessions of one batch"),
    poison: local("reasons of a closed set")
  },
  "domain/mining/MinerStatus.ts": { reasons: local("one for each kind of reason") },
  "domain/mining/SessionLedger.ts": {
    live: { bound: "sessions from their first relay to their end on chain", metric: "none: few for each supplier" },
    ended: { bound: "sessions within retentionBlocks of their end", metric: "none: few for each supplier" },
    locks: { bound: "sessions that are not forgotten", metric: "none: few for each supplier" },
    inDoubt: { bound: "sessions whose last change failed, until the next look", metric: "none: few for each supplier" },
    unread: { bound: "sessions in doubt", metric: "none: few for each supplier" },
    opened: {
      bound: "OPENED_CAPACITY; the oldest goes, the next look sees the session",
      metric: "none: drained at once"
    }
  },
  "domain/mining/SessionTries.ts": {
    tries: { bound: "openTries; beyond it checkpointed and dropped", metric: "ha_miner_session_trees_active" }
  },
  "domain/protocol/HeightHistory.ts": { empty },
  "domain/monitoring/BalanceMonitor.ts": {
    said: { bound: "MOST_SUPPLIERS; the fleet's suppliers", metric: "ha_miner_supplier_balance_health_status" }
  },
  "domain/monitoring/ClockMonitor.ts": {
    arrivals: { bound: "ARRIVALS and one more", metric: "none: four blocks" }
  },
  "domain/monitoring/Notices.ts": {
    kept: { bound: "the monitors; MOST sentences of each", metric: "none: three entries" }
  },
  "domain/monitoring/ParamsAdvisory.ts": {
    said: { bound: "the checks of paramsAdvice; replaced at each look", metric: "ha_miner_chain_params_advisories" }
  },
  "domain/relay/PeerBudget.ts": {
    "#buckets": { bound: "PEER_CAPACITY; the peer seen longest ago goes", metric: "ha_relayer_refusal_peers" }
  },
  "domain/relay/PoktHttp.ts": { headers: local("headers of one message; its bytes are bounded") },
  "domain/relay/EndedMeters.ts": {
    "#ended": {
      bound: "DROP_AFTER blocks after a session's grace; ENDED_CAPACITY",
      metric: "ha_relayer_relay_meter_sessions_ended"
    }
  },
  "domain/relay/RegistryGate.ts": {
    told: { bound: "TOLD_CAPACITY; beyond it all are told again", metric: "ha_relayer_undeclared_transports" }
  },
  "domain/relay/RefusalNotices.ts": {
    spells: { bound: "the reasons of `refusals`", metric: "none: a closed set of reasons" }
  },
  "domain/relay/RelayMeter.ts": {
    held: {
      bound: "sessions that are served, given back after their grace; ALLOWANCE_CAPACITY",
      metric: "ha_relayer_relay_meter_sessions_active"
    },
    takes: {
      bound: "allowances held, one take in a second for each, given up after TAKE_LIFE",
      metric: "ha_relayer_relay_meter_sessions_active"
    }
  },
  "domain/relay/RelayMetrics.ts": {
    next: { bound: "combinations of closed label sets", metric: "none: the series themselves" },
    byStatus: { bound: "HTTP statuses", metric: "none: the series themselves" }
  },
  "domain/relay/RelayPolicy.ts": { services: empty, factors: empty },
  "domain/relay/RingDirectory.ts": {
    refreshes: { bound: "RING_CAPACITY; the oldest goes", metric: CACHES }
  },
  "domain/relay/SeenRequests.ts": {
    "#sessions": { bound: "perSession and total; the oldest goes and is counted", metric: "ha_relayer_seen_requests" },
    keys: { bound: "perSession and total", metric: "ha_relayer_seen_requests" }
  },
  "domain/relay/SessionHeader.ts": {
    encodings: { bound: "weak; the sessions of `SessionDirectory`, 150 bytes each", metric: CACHES }
  },
  "domain/ring/MemberCache.ts": {
    entries: { bound: "capacity; the least recently used goes", metric: RING_CACHES }
  },
  "domain/ring/PointTables.ts": {
    held: { bound: "limits.capacity; an idle one goes", metric: RING_CACHES },
    candidates: { bound: "CANDIDATES_PER_TABLE × limits.capacity; the oldest goes", metric: RING_CACHES }
  },
  "domain/settlement/BuildProof.ts": { read: local("nodes on one path of a trie") },
  "domain/settlement/AdvanceSessions.ts": { unread: local("live sessions of one look") },
  "domain/settlement/ObstacleNotices.ts": {
    told: { bound: "suppliers owned: forgotten with their pipeline", metric: HELD }
  },
  "domain/settlement/SubmissionMemory.ts": {
    obstacles: { bound: "live sessions: `forgetOthers` at each block", metric: HELD },
    alone: { bound: "live sessions: `forgetOthers` at each block", metric: HELD },
    marks: { bound: "live sessions: `forgetOthers` at each block", metric: HELD },
    prepared: { bound: "PREPARED_BYTES; live sessions: `forgetOthers` at each block", metric: HELD },
    claim: { bound: "live sessions: `forgetOthers` at each block", metric: HELD },
    proof: { bound: "live sessions: `forgetOthers` at each block", metric: HELD },
    sentAt: { bound: "open transactions; removed with their intent", metric: HELD }
  },
  "domain/smst/ClosestProof.ts": { flippedBits: local("256 bits of a path") },
  "domain/smst/GobType.ts": {
    "#types": local("types of one proof; its bytes are bounded"),
    "#checked": local("types of one proof; its bytes are bounded")
  },
  "domain/smst/TrieShape.ts": {
    encodings: { bound: "leaves not handed out yet: one commit's", metric: "ha_miner_session_tree_bytes" }
  },
  "domain/smst/TrieStubs.ts": {
    "#awaited": { bound: "stubs named by `unresolved`: one batch's paths", metric: "ha_miner_session_tree_bytes" }
  },
  "domain/supplier/AdvanceLoop.ts": {
    news: { bound: "1; signals merge", metric: "none: at most one entry" }
  },
  "domain/supplier/StakeWatch.ts": {
    standings: { bound: "suppliers whose keys are held", metric: HELD },
    listed: { bound: "suppliers whose keys are held", metric: HELD }
  },
  "domain/supplier/SupplierFleet.ts": {
    owned: { bound: "suppliers whose keys are held", metric: HELD },
    released: { bound: "suppliers whose keys are held", metric: HELD },
    restingUntil: { bound: "suppliers whose keys are held", metric: HELD },
    adopted: { bound: "suppliers whose keys are held", metric: HELD },
    wake: { bound: "1; signals merge", metric: "none: at most one entry" }
  },
  "domain/tx/TxTimeout.ts": { noTimeouts: empty }
}
