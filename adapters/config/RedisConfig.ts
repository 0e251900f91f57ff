/** The `redis` section: address, connections, and the key prefixes that one fleet shares. */
import { Result, Schema } from "effect"
import { key, optional, section, type ValueOf, withDefault } from "./ConfigReader.ts"
import type { Findings } from "./Findings.ts"
import { NonEmptyText } from "./GoScalar.ts"
import { count, millis, seconds, withoutEffect } from "./KeyKinds.ts"
import { type RedisAddress, RedisUrl, unusedOptions } from "./RedisUrl.ts"
import { quoteFound, textCodec, type TextCodec } from "./TextCodec.ts"
import type { YamlNode } from "./YamlSource.ts"

/** One or more segments of a Redis key. */
const KeyPrefix: TextCodec<string> = textCodec(
  Schema.String,
  (text) =>
    /^[^\s:{}]+(?::[^\s:{}]+)*$/.test(text)
      ? Result.succeed(text)
      : Result.fail(`expected a key prefix without spaces, braces and empty segments, found ${quoteFound(text)}`),
  (text) => text
)

/** A key prefix whose empty text means its default. */
export const keyPrefix = (fallback: string, meaning: string) =>
  withDefault(fallback, { codec: KeyPrefix, type: "text", unset: (text) => text === "", meaning })

const namespace = section({
  base: key("base_prefix", keyPrefix("ha", "First segment of every key; relayers and miners of one fleet share it.")),
  cache: key("cache_prefix", keyPrefix("cache", "Segment of the shared caches.")),
  events: key("events_prefix", keyPrefix("events", "Segment of the event channels.")),
  streams: key("streams_prefix", keyPrefix("relays", "Segment of the relay streams.")),
  miner: key("miner_prefix", keyPrefix("miner", "Segment of the miners' own keys.")),
  supplier: key("supplier_prefix", keyPrefix("supplier", "Segment of the supplier registry.")),
  meter: key("meter_prefix", keyPrefix("meter", "Segment of the relay meters.")),
  params: key("params_prefix", keyPrefix("params", "Segment of chain parameters.")),
  consumerGroup: key(
    "consumer_group_prefix",
    keyPrefix("miners", "The streams' consumer group is `{base_prefix}-{this}`.")
  )
})

/** Prefixes of Redis keys, each defaulted on its own. */
export type RedisNamespace = ValueOf<typeof namespace>

/** What is in a URL's query beside what is used. Values are not repeated: any may be a secret. */
const noteOptions = (address: RedisAddress, place: string, node: YamlNode, findings: Findings) => {
  for (const name of node.kind === "scalar" ? unusedOptions(node.text) : []) {
    findings.warning(place, node, `the option ${quoteFound(name)} of the URL has no effect here; remove it`)
  }
  if (address._tag === "Standalone" && address.isUnverified === true) {
    findings.warning(
      place,
      node,
      "anybody between here and Redis can read and change everything with skip_verify; name the CA in NODE_EXTRA_CA_CERTS instead"
    )
  }
}

const connection = {
  address: key(
    "url",
    withDefault("redis://localhost:6379", {
      codec: RedisUrl,
      type: "`redis://`, `rediss://`, `redis-sentinel://…/master?db=N` or `redis-cluster://` URL",
      meaning:
        "Where Redis is; the last two take several hosts separated by commas. Secret. `--redis-url` overrides it. After `rediss://…?skip_verify=true` any certificate is taken; other options of Go's client than that and `db` have no effect, with a warning.",
      notice: noteOptions
    })
  ),
  poolSize: key(
    "pool_size",
    count({ fallback: "50", most: 100_000, unset: "zero" }, "Most connections. At least suppliers + 20 is advised.")
  ),
  minIdleConnections: key(
    "min_idle_conns",
    withoutEffect(
      count({ fallback: "0", least: 0, most: 100_000 }, "Connections kept open while idle."),
      "all calls share two connections, which are always open"
    )
  ),
  poolTimeout: key(
    "pool_timeout_seconds",
    seconds({ fallback: "4", unset: "zero" }, "Longest wait for a free connection.")
  ),
  idleTimeout: key(
    "conn_max_idle_time_seconds",
    withoutEffect(
      seconds({ fallback: "300", unset: "zero" }, "A connection idle for longer is closed."),
      "connections are shared and stay open, TCP keep-alives find those that died"
    )
  ),
  namespace: key("namespace", namespace)
}

/** Keys of the other process, which a shared file may carry. */
const minersOnly = (name: string) =>
  name === "consumer_name" || name === "seal_replicas" || name === "claim_idle_timeout_ms"
    ? "the miner's key, without effect on a relayer"
    : undefined

/** `redis` of the relayer. */
export const relayerRedis = section(connection, { foreign: minersOnly })
/** Value of a relayer's `redis`. The URL may carry a password and is redacted. */
export type RedisConfig = ValueOf<typeof relayerRedis>

/** `redis` of the miner: adds its place among the consumers of the streams. */
export const minerRedis = section({
  ...connection,
  consumerName: key(
    "consumer_name",
    optional({
      codec: NonEmptyText,
      type: "text",
      meaning: "This process among the streams' consumers and the lease owners; left out: `miner-{hostname}-{pid}`."
    })
  ),
  sealReplicas: key(
    "seal_replicas",
    count(
      { fallback: "0", least: 0, most: 10 },
      "Replicas of Redis that are waited for after a session is sealed, for a second at most; 0: none."
    )
  ),
  claimIdle: key(
    "claim_idle_timeout_ms",
    withoutEffect(
      millis({ fallback: "60000", unset: "below one" }, "Entries pending for longer are taken over."),
      "the new owner of a supplier takes over what was pending at once"
    )
  )
})
/** Value of a miner's `redis`: a relayer's, with its place among the consumers. */
export type MinerRedisConfig = ValueOf<typeof minerRedis>
