import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { minerConfig } from "../../../adapters/config/MinerConfig.ts"
import { accepted, aMiner, fixture, problems, warnings } from "./reading.ts"

const only = (text: string, expected: RegExp) => {
  const found = problems(minerConfig, text)
  assert.strictEqual(found.length, 1, found.join("\n"))
  assert.match(found[0] ?? "", expected)
}

describe("MinerConfig", () => {
  it("reads a file with every key", () => {
    const { config, warnings } = accepted(minerConfig, fixture("miner.yaml"))
    assert.deepStrictEqual(
      warnings.map(({ place }) => place),
      [
        "redis.min_idle_conns",
        "redis.conn_max_idle_time_seconds",
        "redis.claim_idle_timeout_ms",
        "settlement_monitor.enabled",
        "worker_pools.cpu_multiplier",
        "worker_pools.workers_per_supplier",
        "worker_pools.settlement_workers",
        "smst_live_root_checkpoint_interval",
        "submission_tracking_ttl"
      ]
    )
    assert.isTrue(config.redis.address._tag === "Sentinel" && config.redis.address.master === "pocket")
    assert.strictEqual(config.redis.consumerName, "miner-a")
    assert.strictEqual(Duration.toMillis(config.redis.claimIdle), 45_000)
    assert.strictEqual(config.pocketNode.chainId, "pocket-beta")
    assert.deepStrictEqual(config.transaction.gasPrice, { scaled: 2_000_000_000_000n, denom: "upokt" })
    assert.strictEqual(config.transaction.maxRebroadcasts, 0)
    assert.strictEqual(Duration.toSeconds(config.transaction.timeoutClockSkew), 60)
    assert.strictEqual(config.balanceMonitor.balanceThreshold, 5_000_000n)
    assert.strictEqual(config.logging.level, "warn")
    assert.strictEqual(config.hotReload, false)
    assert.strictEqual(Duration.toHours(config.cacheTtl), 3.5)
    assert.strictEqual(config.sessionTtl === undefined ? 0 : Duration.toHours(config.sessionTtl), 4)
    assert.deepStrictEqual(config.knownApplications, ["pokt1north", "pokt1south"])
    assert.deepStrictEqual(
      [...config.serviceFactors],
      [
        ["eth", 0.1],
        ["anvil", -1]
      ]
    )
  })

  it("fills in the defaults of the Go fleet", () => {
    const { config, warnings } = accepted(minerConfig, fixture("miner-small.yaml"))
    assert.deepStrictEqual(warnings, [])
    assert.deepStrictEqual(config.metrics, { enabled: true, address: { host: undefined, port: 9092 } })
    assert.strictEqual(config.pprof.enabled, false)
    assert.strictEqual(config.logging.async, true)
    assert.strictEqual(config.batchSize, 1000)
    assert.strictEqual(config.hotReload, true)
    assert.strictEqual(config.sessionTtl, undefined)
    assert.strictEqual(Duration.toHours(config.submissionTrackingTtl), 24)
    const { ttl, renewal, rebalance, besideGoMiners } = config.supplierClaiming
    assert.deepStrictEqual([ttl, renewal, rebalance].map(Duration.toSeconds), [12, 3, 2])
    assert.isFalse(besideGoMiners)
    assert.strictEqual(config.transaction.gasAdjustment, 1.7)
    assert.deepStrictEqual(config.transaction.gasPrice, { scaled: 1_000_000_000_000n, denom: "upokt" })
    assert.strictEqual(Duration.toSeconds(config.transaction.timeoutMax), 590)
    assert.strictEqual(config.defaultServiceFactor, 0)
    assert.strictEqual(config.checkpointInterval, 10)
  })

  it("needs the node and a source of keys", () => {
    assert.deepStrictEqual(problems(minerConfig, "batch_size: 1\n"), [
      "pocket_node.query_node_rpc_url: is required; write for example http://localhost:26657",
      "keys: no supplier keys are named; write keys.keys_file or keys.keys_dir"
    ])
    only(aMiner().replace("k.yaml", '""'), /^line 2, keys: no supplier keys are named/)
  })

  it("warns about keys without effect here that are not left at their default", () => {
    assert.deepStrictEqual(
      warnings(minerConfig, aMiner("worker_pools: { master_pool_size: 0, cpu_multiplier: 8, query_workers: 30 }")),
      ["line 3, worker_pools.cpu_multiplier: has no effect here, work is not spread over pools of workers"]
    )
    assert.deepStrictEqual(
      warnings(
        minerConfig,
        aMiner("transaction: { disable_pre_proof_claim_verification: true, disable_inclusion_reconciler: false }")
      ),
      [
        "line 3, transaction.disable_pre_proof_claim_verification: has no effect here, the claims on chain are always " +
          "read before a proof is sent"
      ]
    )
  })

  it("warns about options of the Redis URL without effect, and about certificates that are not checked", () => {
    const found = warnings(
      minerConfig,
      aMiner(`redis: { url: "rediss://:hunter2@h/0?read_timeout=hunter2&skip_verify=true" }`)
    )
    assert.match(found[0] ?? "", /redis\.url: the option "read_timeout" of the URL has no effect here; remove it/)
    assert.match(found[1] ?? "", /redis\.url: anybody between here and Redis .* NODE_EXTRA_CA_CERTS/)
    assert.strictEqual(found.length, 2)
    assert.notInclude(found.join(), "hunter2")
  })

  it("needs renewals before the end of what they renew", () => {
    only(
      aMiner("leader_election: { leader_ttl_seconds: 10, heartbeat_rate_seconds: 10 }"),
      /^line 3, leader_election\.heartbeat_rate_seconds: must be below leader_ttl_seconds \(10\)/
    )
    only(
      aMiner("supplier_claiming: { claim_ttl_seconds: 20, renew_rate_seconds: 30 }"),
      /renew_rate_seconds: must be below claim_ttl_seconds \(20\)/
    )
    assert.match(
      warnings(minerConfig, aMiner("leader_election: { leader_ttl_seconds: 5 }"))[0] ?? "",
      /heartbeat_rate_seconds: must be below leader_ttl_seconds \(5\)/
    )
  })

  it("takes numbers below one for the default where Go does", () => {
    const { config } = accepted(
      minerConfig,
      aMiner(
        "supplier_reconcile_interval_seconds: -5\nsmst_live_root_checkpoint_interval: 0\nsession_ttl: 0\ntransaction: { tx_timeout_clock_skew_buffer_seconds: 0, gas_price: '', gas_adjustment: 0 }"
      )
    )
    assert.strictEqual(Duration.toSeconds(config.supplierReconcileInterval), 60)
    assert.strictEqual(config.checkpointInterval, 10)
    assert.strictEqual(config.sessionTtl, undefined)
    assert.strictEqual(config.transaction.gasPrice.scaled, 10_000_000_000_000n)
    assert.strictEqual(config.transaction.gasAdjustment, 1.7)
  })

  it("bounds what goes into transactions", () => {
    only(
      aMiner("transaction: { gas_price: cheap }"),
      /gas_price: expected a decimal and a denomination; write for example 0\.000001upokt$/
    )
    only(aMiner("transaction: { tx_timeout_max_seconds: 600 }"), /expected a whole number of seconds from 1 to 599/)
    only(
      aMiner("transaction: { tx_timeout_min_seconds: 300, tx_timeout_max_seconds: 200 }"),
      /tx_timeout_min_seconds: is above tx_timeout_max_seconds \(200\); lower it$/
    )
    only(aMiner("transaction: { max_rebroadcasts: -1 }"), /max_rebroadcasts: expected a whole number of at least 0/)
    only(aMiner("default_service_factor: lots"), /default_service_factor: expected a number of at least 0/)
    only(aMiner("service_factors: { eth: lots }"), /service_factors\.eth: expected a number, found "lots"/)
  })

  it("warns of keys that never had an effect and of a relayer's keys", () => {
    const text = aMiner(
      "deduplication_ttl_blocks: 10\nack_batch_size: 50\nsuppliers: [{ operator_address: pokt1x, signing_key_name: a, services: [eth] }]\nlisten_addr: :1\nbalance_monitr: {}"
    )
    const found = warnings(minerConfig, text)
    assert.deepStrictEqual(
      found.map((warning) => warning.slice(0, warning.indexOf(":"))),
      [
        "line 3, deduplication_ttl_blocks",
        "line 4, ack_batch_size",
        "line 5, suppliers",
        "line 6, listen_addr",
        "line 7, balance_monitr"
      ]
    )
    assert.match(found[3] ?? "", /a key of the relayer/)
    assert.match(found[4] ?? "", /if balance_monitor is meant, write that$/)
  })

  it("refuses Go's profiler", () => {
    only(
      aMiner("pprof: { enabled: true }"),
      /pprof\.enabled: Go's profiler does not exist here; set it to false, and use/
    )
  })
})
