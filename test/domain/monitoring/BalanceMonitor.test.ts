/** Balances and stakes as an operator hears of them. Amounts and thresholds by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, Metric, Option } from "effect"
import { TestClock } from "effect/testing"
import {
  balanceHealthOf,
  coveredProofs,
  stakeHealthOf,
  watchBalances
} from "../../../domain/monitoring/BalanceMonitor.ts"
import { makeNotices } from "../../../domain/monitoring/Notices.ts"
import { ChainUnavailable } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { defaultProofParams } from "../../../domain/protocol/ProofParams.ts"

const settings = { checkEvery: Duration.seconds(300), threshold: 1_000n, warningProofs: 10, criticalProofs: 3 }

describe("health", () => {
  it("of a balance follows from the threshold", () => {
    const of = (balance: bigint, threshold = 1_000n) => balanceHealthOf(balance, threshold)
    assert.deepStrictEqual(
      [of(999n), of(1_000n), of(1_999n), of(2_000n)],
      ["critical", "warning", "warning", "healthy"]
    )
    // Switched off, an empty account still pays nothing.
    assert.deepStrictEqual([of(0n, 0n), of(1n, 0n)], ["critical", "healthy"])
  })

  it("of a stake follows from the missed proofs that it covers above the minimum", () => {
    const of = (stake: bigint) => stakeHealthOf(coveredProofs(stake, 100n, 10n), settings)
    assert.strictEqual(coveredProofs(129n, 100n, 10n), 2n)
    assert.strictEqual(coveredProofs(90n, 100n, 10n), 0n)
    assert.deepStrictEqual([of(129n), of(130n), of(199n), of(200n)], ["critical", "warning", "warning", "healthy"])
    assert.strictEqual(stakeHealthOf(coveredProofs(100n, 100n, 0n), settings), "healthy")
  })
})

/** Runs the monitor over these suppliers; amounts by address, none for one that is not on chain. */
const watched = Effect.fnUntraced(function* (records: Map<string, { stake: bigint; balance: bigint }>) {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    lines.push(`${logLevel} ${String(Array.isArray(message) ? message[0] : message)}`)
  })
  const notices = makeNotices()
  const state = { away: false, asked: 0 }
  const answer = <A>(value: () => A) =>
    Effect.suspend(() => {
      state.asked++
      return state.away
        ? Effect.fail(new ChainUnavailable({ operation: "read", cause: "away" }))
        : Effect.succeed(value())
    })
  const chain = Layer.mock(ChainQuery, {
    proofParams: answer(() => ({ ...defaultProofParams, proofMissingPenalty: 10n })),
    supplierParams: answer(() => ({ minStake: 100n })),
    supplier: (address) =>
      answer(() =>
        Option.map(Option.fromUndefinedOr(records.get(address)), ({ stake }) => ({
          operatorAddress: address,
          ownerAddress: address,
          stake,
          services: [],
          unstakeSessionEndHeight: 0n,
          serviceConfigHistory: []
        }))
      ),
    balance: (address) => answer(() => records.get(address)?.balance ?? 0n)
  })
  yield* watchBalances(settings, Effect.succeed(["pokt1poor", "pokt1rich", "pokt1gone"]), notices).pipe(
    Effect.provide(Layer.merge(chain, Logger.layer([logger]))),
    Effect.forkChild
  )
  return { lines, notices, state }
})

describe("the balance monitor", () => {
  it.effect("names an unfunded operator and a thin stake once, and tells when they are healthy again", () =>
    Effect.gen(function* () {
      const records = new Map([
        ["pokt1poor", { stake: 120n, balance: 0n }],
        ["pokt1rich", { stake: 900n, balance: 9_000n }]
      ])
      const { lines, notices, state } = yield* watched(records)
      yield* TestClock.adjust(Duration.seconds(29))
      assert.strictEqual(state.asked, 0)
      yield* TestClock.adjust(Duration.seconds(1))
      assert.lengthOf(lines, 2)
      assert.match(lines[0] ?? "", /^Error operator pokt1poor has no uPOKT/)
      assert.match(lines[1] ?? "", /^Error the stake of pokt1poor, 120 uPOKT, covers 2 missed proofs/)
      assert.lengthOf(yield* notices.all, 2)
      yield* TestClock.adjust(Duration.seconds(300))
      assert.lengthOf(lines, 2)
      records.set("pokt1poor", { stake: 500n, balance: 5_000n })
      yield* TestClock.adjust(Duration.seconds(300))
      assert.match(lines[2] ?? "", /^Info balance and stake of pokt1poor are healthy again/)
      assert.deepStrictEqual(yield* notices.all, [])
      const gauge = Metric.gauge("ha_miner_supplier_balance_upokt", { description: "Spendable uPOKT of an operator" })
      assert.strictEqual((yield* Metric.value(Metric.withAttributes(gauge, { supplier: "pokt1poor" }))).value, 5_000)
    })
  )

  it.effect("keeps what it knows while the chain does not answer, and looks again", () =>
    Effect.gen(function* () {
      const records = new Map([["pokt1poor", { stake: 900n, balance: 1_500n }]])
      const { lines, notices, state } = yield* watched(records)
      yield* TestClock.adjust(Duration.seconds(30))
      assert.match((yield* notices.all)[0] ?? "", /pokt1poor has 1500 uPOKT left for fees, which is low/)
      state.away = true
      yield* TestClock.adjust(Duration.seconds(300))
      assert.match(lines.at(-1) ?? "", /suppliers could not be looked at/)
      assert.lengthOf(yield* notices.all, 1)
      state.away = false
      records.delete("pokt1poor")
      yield* TestClock.adjust(Duration.seconds(300))
      // Not on chain any more: nothing is said about it.
      assert.deepStrictEqual(yield* notices.all, [])
    })
  )
})
