/** What a miner's file changes in the programs: each key by a value of its own, which its default does not give. */
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { minerConfig } from "../../adapters/config/MinerConfig.ts"
import { minerSettingsOf, monitorsOf } from "../../layers/MinerSettingsOf.ts"
import { accepted, aMiner } from "../adapters/config/reading.ts"

const settingsOf = (keys = "") => minerSettingsOf(accepted(minerConfig, aMiner(keys)).config, "replica")

describe("settings of the miner's programs", () => {
  it("take gas, price and batches from the file", () => {
    const { submission } = settingsOf(
      "transaction: { gas_limit: 400000, gas_price: 0.5upokt, gas_adjustment: 1.25, disable_claim_batching: true }"
    )
    assert.strictEqual(submission.fixedGasPerMessage, 400_000n)
    assert.deepStrictEqual(submission.gasPrice, { scaled: 5n * 10n ** 17n, denom: "upokt" })
    assert.strictEqual(submission.gasAdjustment, 1.25)
    assert.deepStrictEqual([submission.batchClaims, submission.batchProofs], [false, true])
    assert.isFalse(settingsOf("transaction: { disable_proof_batching: true }").submission.batchProofs)
    assert.isUndefined(settingsOf().submission.fixedGasPerMessage)
  })

  it("take time-outs of transactions from the file", () => {
    const second = 1_000_000_000n
    assert.deepStrictEqual(
      settingsOf(
        "transaction: { tx_timeout_min_seconds: 30, tx_timeout_max_seconds: 300, tx_timeout_default_seconds: 45, " +
          "tx_timeout_clock_skew_buffer_seconds: 20 }"
      ).submission.timeouts,
      { shortest: 30n * second, longest: 300n * second, unknown: 45n * second, margin: 20n * second }
    )
  })

  it("take from the file how often a transaction is replaced, and how many reads there are at one time", () => {
    const { submission } = settingsOf(
      "transaction: { max_rebroadcasts: 0, rebroadcast_safety_blocks: 3, inclusion_reconciler_max_concurrent: 7, " +
        "inclusion_reconciler_per_group_timeout_ms: 1500 }\nsession_lifecycle: { max_concurrent_transitions: 3 }"
    )
    assert.deepStrictEqual([submission.maxReplacements, submission.replacementMarginBlocks], [0, 3n])
    assert.deepStrictEqual(submission.claimReads, { concurrent: 7, limit: Duration.millis(1_500) })
    assert.strictEqual(submission.concurrentSessions, 3)
  })

  it("keep ended sessions for their life in blocks", () => {
    const retention = (keys: string) => settingsOf(keys).submission.retentionBlocks
    assert.strictEqual(retention("session_ttl: 1h\nblock_time_seconds: 60"), 60n)
    // Left out: that of the caches, 2 h in blocks of 30 s.
    assert.strictEqual(retention(""), 240n)
    assert.strictEqual(retention("session_ttl: 10s"), 1n)
  })
})

describe("monitors", () => {
  const of = (keys = "") => monitorsOf(accepted(minerConfig, aMiner(keys)).config)

  it("run as the file says", () => {
    assert.deepStrictEqual(
      of(
        "balance_monitor: { check_interval_seconds: 60, balance_threshold_upokt: 7, stake_warning_proof_threshold: 5, " +
          "stake_critical_proof_threshold: 2 }\nblock_health_monitor: { enabled: true, slowness_threshold: 2 }"
      ),
      {
        balance: { checkEvery: Duration.seconds(60), threshold: 7n, warningProofs: 5, criticalProofs: 2 },
        blockHealth: { slowAfter: Duration.seconds(60) },
        advisory: {
          blockTime: Duration.seconds(30),
          cacheTtl: Duration.hours(2),
          sessionTtl: Duration.hours(2),
          balanceThreshold: 7n
        }
      }
    )
  })

  it("do not run when they are switched off, whatever their other keys say", () => {
    const { balance, blockHealth, advisory } = of(
      "balance_monitor: { enabled: false, balance_threshold_upokt: 5000000 }\nblock_health_monitor: { enabled: false }"
    )
    assert.deepStrictEqual([balance, blockHealth, advisory?.balanceThreshold], [undefined, undefined, undefined])
  })
})
