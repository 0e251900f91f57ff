/**
 * The relayer's configuration: all sections, and the rules between them. Key names and defaults are those of the Go
 * fleet.
 */
import { type Field, joinPlace, key, listOf, required, section, type SectionOf, type ValueOf } from "./ConfigReader.ts"
import type { Findings } from "./Findings.ts"
import { NonEmptyText } from "./GoScalar.ts"
import type { ListenAddress } from "./HostPort.ts"
import { httpTransport, poolProfiles, timeoutProfiles } from "./HttpClientConfig.ts"
import { hasKeySource, keys } from "./KeysConfig.ts"
import { byteCount, count, duration, flag, seconds, word } from "./KeyKinds.ts"
import { listener, listenAddress, profilerOn } from "./ListenersConfig.ts"
import { logging } from "./LoggingConfig.ts"
import { relayerPocketNode } from "./PocketNodeConfig.ts"
import { keyPrefix, relayerRedis } from "./RedisConfig.ts"
import { services, validationModes } from "./ServicesConfig.ts"
import { simulation } from "./SimulationConfig.ts"
import { spool } from "./SpoolConfig.ts"
import type { YamlMapping } from "./YamlSource.ts"

const relayMeter = section({
  enabled: key("enabled", flag(true, "Meter relays against the application's claimable stake.")),
  keyPrefix: key(
    "redis_key_prefix",
    keyPrefix("ha", "First segment of meter keys; should equal `redis.namespace.base_prefix`.")
  ),
  failBehavior: key(
    "fail_behavior",
    word(["open", "closed"], "open", "A relay that cannot be metered is served (open) or refused (closed).")
  ),
  cacheTtl: key("cache_ttl", duration("2h", "Life of meter keys; must exceed a session's way to its settlement."))
})

const responseCompression = section({
  enabled: key("enabled", flag(false, "Answer with gzip where the client accepts it.")),
  minSizeBytes: key("min_size_bytes", byteCount({ fallback: "1024", least: 0 }, "Smaller answers stay uncompressed."))
})

/** A list of application addresses that are read from the chain before the first relay. */
export const knownApplications = listOf(
  required("write an address, or remove the item", {
    codec: NonEmptyText,
    type: "list of `pokt1…` addresses",
    meaning: "Applications read from the chain before the first relay."
  }),
  "application addresses"
)

const cacheWarmup = section({
  enabled: key("enabled", flag(true, "Fill caches before the first relay.")),
  knownApplications: key("known_applications", knownApplications),
  concurrency: key("warmup_concurrency", count({ fallback: "10", unset: "zero" }, "Reads at one time.")),
  timeout: key(
    "warmup_timeout_seconds",
    seconds({ fallback: "5", unset: "zero" }, "Longest time for all of it; the rest is read when it is asked for.")
  )
})

const fields = {
  listen: key("listen_addr", listenAddress("0.0.0.0:8080", "Where relays are served, all transports on one port.")),
  redis: key("redis", relayerRedis),
  pocketNode: key("pocket_node", relayerPocketNode),
  keys: key("keys", keys),
  services: key("services", services),
  defaultValidationMode: key(
    "default_validation_mode",
    word(validationModes, "optimistic", "For services without `validation_mode`.")
  ),
  defaultRequestTimeout: key(
    "default_request_timeout_seconds",
    seconds({ fallback: "30", unset: "zero" }, "For timeout profiles without their own.")
  ),
  defaultMaxBodySizeBytes: key(
    "default_max_body_size_bytes",
    byteCount(
      { fallback: "10485760", unset: "zero" },
      "Largest request and response of services without their own limit."
    )
  ),
  metrics: key("metrics", listener({ enabled: true, address: "0.0.0.0:9090" }, "metrics")),
  pprof: key("pprof", profilerOn),
  healthCheck: key("health_check", listener({ enabled: true, address: "0.0.0.0:8081" }, "health and readiness")),
  relayMeter: key("relay_meter", relayMeter),
  httpTransport: key("http_transport", httpTransport),
  responseCompression: key("response_compression", responseCompression),
  timeoutProfiles: key("timeout_profiles", timeoutProfiles),
  poolProfiles: key("pool_profiles", poolProfiles),
  cacheWarmup: key("cache_warmup", cacheWarmup),
  logging: key("logging", logging({ async: false })),
  simulation: key("simulation", simulation),
  spool: key("spool", spool),
  streamHighWater: key(
    "stream_high_water",
    count(
      { fallback: "1000000", unset: "zero" },
      "Relays that may wait in one supplier's stream; beyond it they spool."
    )
  )
} satisfies Record<string, Field<unknown>>

/** The whole file of a relayer. */
export const relayerConfig = section(fields, {
  ignored: {
    validation_mode: "never had an effect at this place, default_validation_mode decides",
    grace_period_extra_blocks: "never had an effect, the chain's grace period counts"
  },
  foreign: (name) => (minersKeys.has(name) ? "a key of the miner, without effect on a relayer" : undefined),
  check: (value, place, node, findings) => {
    findings.resolve("timeout profile", [...(value.timeoutProfiles?.keys() ?? [])], "timeout_profiles")
    findings.resolve("pool profile", [...(value.poolProfiles?.keys() ?? [])], "pool_profiles")
    noteListeners(value, place, node, findings)
    noteMeterPrefix(value, node, findings)
    if (value.keys !== undefined && !hasKeySource(value.keys)) {
      findings.warning(
        "keys",
        node?.entries.get("keys"),
        "no supplier keys are named, every relay is refused; write keys.keys_file or keys.keys_dir"
      )
    }
  }
})
/** A relayer's whole configuration, checked. Keys of the other process and ignored ones are findings, not values. */
export type RelayerConfig = ValueOf<typeof relayerConfig>

/** Keys at the top of a miner's file that a relayer's has not. */
export const minersKeys: ReadonlySet<string> = new Set([
  "transaction",
  "block_time_seconds",
  "block_health_monitor",
  "balance_monitor",
  "settlement_monitor",
  "session_lifecycle",
  "worker_pools",
  "leader_election",
  "supplier_claiming",
  "deduplication_ttl_blocks",
  "batch_size",
  "ack_batch_size",
  "hot_reload_enabled",
  "session_ttl",
  "cache_ttl",
  "smst_live_root_checkpoint_interval",
  "submission_tracking_ttl",
  "supplier_reconcile_interval_seconds",
  "known_applications",
  "default_service_factor",
  "service_factors",
  "suppliers"
])

type Parts = Partial<SectionOf<typeof fields>>

/** Two servers of one process cannot share a port on the same interface. */
const noteListeners = (value: Parts, place: string, node: YamlMapping | undefined, findings: Findings) => {
  const listening: Array<{ readonly place: string; readonly address: ListenAddress }> = []
  if (value.listen !== undefined) listening.push({ place: joinPlace(place, "listen_addr"), address: value.listen })
  for (const [name, server] of [
    ["metrics", value.metrics],
    ["health_check", value.healthCheck]
  ] as const) {
    if (server?.enabled !== true) continue
    const at = `${joinPlace(place, name)}.addr`
    const other = listening.find((each) => clash(each.address, server.address))
    if (other === undefined) listening.push({ place: at, address: server.address })
    else findings.problem(at, node?.entries.get(name), `is the port of ${other.place} too; give each its own port`)
  }
}

const everyInterface = new Set([undefined, "0.0.0.0", "::"])

const clash = (a: ListenAddress, b: ListenAddress): boolean =>
  a.port !== 0 && a.port === b.port && (a.host === b.host || everyInterface.has(a.host) || everyInterface.has(b.host))

/** Miners tell relayers to drop meters on a channel of the namespace; a different meter prefix never hears it. */
const noteMeterPrefix = (value: Parts, node: YamlMapping | undefined, findings: Findings) => {
  const { redis, relayMeter: meter } = value
  if (redis === undefined || meter === undefined || !meter.enabled) return
  const miners = `${redis.namespace.base}:${redis.namespace.meter}`
  const ours = `${meter.keyPrefix}:meter`
  if (miners === ours) return
  findings.warning(
    "relay_meter.redis_key_prefix",
    node?.entries.get("relay_meter"),
    `meters are kept under ${ours} while miners clean up ${miners}; make the prefix equal to redis.namespace.base_prefix`
  )
}
