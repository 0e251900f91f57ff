/**
 * The miner's configuration: all sections, and the rules between them. Key names and defaults are those of the Go
 * fleet.
 */
import { Duration } from "effect"
import { type Field, joinPlace, key, mapOf, optional, section, type ValueOf, withDefault } from "./ConfigReader.ts"
import type { Findings } from "./Findings.ts"
import { GoDuration } from "./GoDuration.ts"
import { decimalNumber } from "./GoScalar.ts"
import { hasKeySource, keys } from "./KeysConfig.ts"
import { count, decimal, duration, flag, seconds, withoutEffect, zeroDuration } from "./KeyKinds.ts"
import { listener, profilerOff } from "./ListenersConfig.ts"
import { logging } from "./LoggingConfig.ts"
import { balanceMonitor, blockHealthMonitor, settlementMonitor } from "./MonitorsConfig.ts"
import { minerPocketNode } from "./PocketNodeConfig.ts"
import { minerRedis } from "./RedisConfig.ts"
import { knownApplications } from "./RelayerConfig.ts"
import { transaction } from "./TransactionConfig.ts"
import type { YamlMapping } from "./YamlSource.ts"

const sessionLifecycle = section({
  maxConcurrentTransitions: key(
    "max_concurrent_transitions",
    count(
      { fallback: "10", unset: "below one" },
      "Sessions of one supplier that are claimed, confirmed and settled at one time."
    )
  )
})

const NO_POOLS = "work is not spread over pools of workers"

const workerPools = section({
  masterPoolSize: key(
    "master_pool_size",
    withoutEffect(count({ fallback: "0", least: 0 }, "Workers of Go's pools."), NO_POOLS)
  ),
  cpuMultiplier: key(
    "cpu_multiplier",
    withoutEffect(count({ fallback: "4", unset: "below one" }, "Workers of Go's pools."), NO_POOLS)
  ),
  workersPerSupplier: key(
    "workers_per_supplier",
    withoutEffect(count({ fallback: "6", unset: "below one" }, "Workers of Go's pools."), NO_POOLS)
  ),
  queryWorkers: key(
    "query_workers",
    count({ fallback: "20", unset: "below one" }, "Queries of the chain's state under way at one time; others wait.")
  ),
  settlementWorkers: key(
    "settlement_workers",
    withoutEffect(count({ fallback: "2", unset: "below one" }, "Workers of Go's pools."), NO_POOLS)
  )
})

const leaderElection = section(
  {
    ttl: key(
      "leader_ttl_seconds",
      seconds({ fallback: "30", unset: "zero" }, "Life of the leader's lock without renewal.")
    ),
    heartbeat: key(
      "heartbeat_rate_seconds",
      seconds({ fallback: "10", unset: "zero" }, "Between renewals; below the TTL.")
    )
  },
  {
    check: (value, place, node, findings) =>
      noteRenewal(value.ttl, value.heartbeat, "leader_ttl_seconds", "heartbeat_rate_seconds", place, node, findings)
  }
)

const supplierClaiming = section(
  {
    ttl: key(
      "claim_ttl_seconds",
      seconds(
        { fallback: "12", unset: "zero" },
        "Life of a supplier's lease without renewal: after a crash it is mined again within this and 3 s."
      )
    ),
    renewal: key(
      "renew_rate_seconds",
      seconds({ fallback: "3", unset: "zero" }, "Between renewals; below the TTL, of which it is at most a third.")
    ),
    rebalance: key(
      "rebalance_interval_seconds",
      seconds({ fallback: "2", unset: "zero" }, "Between looks at the share; above 2 it counts as 2.")
    ),
    besideGoMiners: key(
      "beside_go_miners",
      flag(false, "Take suppliers although Go miners are alive in this namespace: only if they hold other keys.")
    )
  },
  {
    check: (value, place, node, findings) =>
      noteRenewal(value.ttl, value.renewal, "claim_ttl_seconds", "renew_rate_seconds", place, node, findings)
  }
)

const serviceFactors = mapOf(
  () =>
    withDefault("0", {
      codec: decimalNumber(Number.NEGATIVE_INFINITY),
      type: "number; ≤ 0 is ignored",
      meaning: "`default_service_factor` of one service."
    }),
  { placeholder: "<service>", kind: "service ids" }
)

const fields = {
  redis: key("redis", minerRedis),
  pocketNode: key("pocket_node", minerPocketNode),
  keys: key("keys", keys),
  transaction: key("transaction", transaction),
  metrics: key("metrics", listener({ enabled: true, address: ":9092" }, "metrics, health and readiness")),
  pprof: key("pprof", profilerOff),
  logging: key("logging", logging({ async: true })),
  blockTime: key(
    "block_time_seconds",
    seconds({ fallback: "30", unset: "below one" }, "Expected time between blocks.")
  ),
  blockHealthMonitor: key("block_health_monitor", blockHealthMonitor),
  balanceMonitor: key("balance_monitor", balanceMonitor),
  settlementMonitor: key("settlement_monitor", settlementMonitor),
  sessionLifecycle: key("session_lifecycle", sessionLifecycle),
  workerPools: key("worker_pools", workerPools),
  leaderElection: key("leader_election", leaderElection),
  supplierClaiming: key("supplier_claiming", supplierClaiming),
  batchSize: key(
    "batch_size",
    count({ fallback: "1000", unset: "below one" }, "Relays read from a stream at one time.")
  ),
  hotReload: key("hot_reload_enabled", flag(true, "Follow changes of key files.")),
  sessionTtl: key(
    "session_ttl",
    optional({
      codec: GoDuration,
      unset: zeroDuration,
      type: "duration (`2h`, `1h30m`, `500ms`)",
      meaning: "Life of the records of a session after its end; left out or 0: `cache_ttl`."
    })
  ),
  cacheTtl: key(
    "cache_ttl",
    duration("2h", "Life of tries, caches and factors; must exceed a session's way to its settlement.")
  ),
  checkpointInterval: key(
    "smst_live_root_checkpoint_interval",
    withoutEffect(
      count({ fallback: "10", unset: "below one" }, "A trie is checkpointed after this many updates."),
      "each relay is stored with its acknowledgement, checkpoints only shorten the opening of a trie"
    )
  ),
  submissionTrackingTtl: key(
    "submission_tracking_ttl",
    withoutEffect(
      duration("24h", "Life of the records of claims and proofs."),
      "they are kept with the records of their session, see session_ttl"
    )
  ),
  supplierReconcileInterval: key(
    "supplier_reconcile_interval_seconds",
    seconds({ fallback: "60", unset: "below one" }, "Between looks at the suppliers' stakes.")
  ),
  knownApplications: key("known_applications", knownApplications),
  defaultServiceFactor: key(
    "default_service_factor",
    decimal(
      { fallback: "0" },
      "Share of an application's stake that one supplier serves in a session; 0: the protocol's share."
    )
  ),
  serviceFactors: key("service_factors", serviceFactors)
} satisfies Record<string, Field<unknown>>

/** The whole file of a miner. */
export const minerConfig = section(fields, {
  ignored: {
    deduplication_ttl_blocks: "has no effect in the Go fleet either, relays are told apart by their trie",
    ack_batch_size: "has no effect in the Go fleet either, relays are acknowledged with their commit",
    suppliers: "has no effect in the Go fleet either, suppliers follow from the keys"
  },
  foreign: (name) => (relayersKeys.has(name) ? "a key of the relayer, without effect on a miner" : undefined),
  check: (value, _place, node, findings) => {
    if (value.keys === undefined || hasKeySource(value.keys)) return
    findings.problem(
      "keys",
      node?.entries.get("keys"),
      "no supplier keys are named; write keys.keys_file or keys.keys_dir"
    )
  }
})
/** A miner's whole configuration, checked. Keys of the other process and ignored ones are findings, not values. */
export type MinerConfig = ValueOf<typeof minerConfig>

/** Keys at the top of a relayer's file that a miner's has not. */
export const relayersKeys: ReadonlySet<string> = new Set([
  "listen_addr",
  "services",
  "default_validation_mode",
  "default_request_timeout_seconds",
  "default_max_body_size_bytes",
  "health_check",
  "relay_meter",
  "http_transport",
  "response_compression",
  "timeout_profiles",
  "pool_profiles",
  "cache_warmup",
  "simulation",
  "spool",
  "stream_high_water",
  "validation_mode",
  "grace_period_extra_blocks"
])

/**
 * A renewal that does not come before the TTL: refused where both are written, as in Go; else the defaults clash:
 * warned.
 */
const noteRenewal = (
  ttl: Duration.Duration | undefined,
  renewal: Duration.Duration | undefined,
  ttlName: string,
  renewalName: string,
  place: string,
  node: YamlMapping | undefined,
  findings: Findings
) => {
  if (ttl === undefined || renewal === undefined || Duration.isLessThan(renewal, ttl)) return
  const both = node?.entries.has(ttlName) === true && node.entries.has(renewalName)
  const sentence = `must be below ${ttlName} (${Duration.toSeconds(ttl)}); write a third of it or less`
  const at = node?.entries.get(renewalName) ?? node
  if (both) findings.problem(joinPlace(place, renewalName), at, sentence)
  else findings.warning(joinPlace(place, renewalName), at, sentence)
}
