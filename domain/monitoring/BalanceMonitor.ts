/**
 * Balances and stakes of the fleet's suppliers: fees are paid by the operator's account, penalties by the stake. Said
 * once when a supplier gets worse or better, kept among the notices meanwhile.
 */
import { Duration, Effect, Metric, Option } from "effect"
import { readFresh } from "../cache/FreshRead.ts"
import type { ChainUnavailable } from "../ports/Blocks.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { ProofParams } from "../protocol/ProofParams.ts"
import { SupplierAddress } from "../protocol/Identifiers.ts"
import type { BalanceSettings } from "./MonitorSettings.ts"
import { type Notices, whileNoticing } from "./Notices.ts"

/** Value of the health gauge. */
export type Health = "critical" | "warning" | "healthy"
const gaugeOf: Readonly<Record<Health, number>> = { critical: 0, warning: 1, healthy: 2 }

const FIRST_LOOK = Duration.seconds(30)
/** Suppliers read at the same time, and the most of one look. */
const CONCURRENCY = 8
const MOST_SUPPLIERS = 10_000
const NAME = "balance monitor"

const balanceGauge = Metric.gauge("ha_miner_supplier_balance_upokt", { description: "Spendable uPOKT of an operator" })
const stakeGauge = Metric.gauge("ha_miner_supplier_stake_upokt", { description: "Stake of a supplier, uPOKT" })
const balanceHealth = Metric.gauge("ha_miner_supplier_balance_health_status", {
  description: "Balance of an operator: 0 critical, 1 warning, 2 healthy"
})
const stakeHealth = Metric.gauge("ha_miner_supplier_stake_health_ratio", {
  description: "Missed proofs that a stake covers, as a share of those below which it is warned"
})
const alert = (name: string, description: string) =>
  Metric.counter(`ha_miner_supplier_${name}`, { description, incremental: true })
const alerts = {
  balance: {
    critical: alert("balance_critical_alerts_total", "Looks at which a balance was critical"),
    warning: alert("balance_warning_alerts_total", "Looks at which a balance was low")
  },
  stake: {
    critical: alert("stake_critical_alerts_total", "Looks at which a stake was critical"),
    warning: alert("stake_warning_alerts_total", "Looks at which a stake was low")
  }
}

/** Of a balance in uPOKT. Nothing can be paid from an empty account, whatever the threshold is. */
export const balanceHealthOf = (balance: bigint, threshold: bigint): Health => {
  if (balance < threshold || balance === 0n) return "critical"
  return balance < 2n * threshold ? "warning" : "healthy"
}

/** Missed proofs that a stake covers before the supplier leaves the network; undefined where they cost nothing. */
export const coveredProofs = (stake: bigint, minStake: bigint, penalty: bigint): bigint | undefined => {
  if (penalty <= 0n) return undefined
  return stake > minStake ? (stake - minStake) / penalty : 0n
}

/** Of a stake by the missed proofs that it covers. */
export const stakeHealthOf = (
  covered: bigint | undefined,
  { warningProofs, criticalProofs }: Pick<BalanceSettings, "warningProofs" | "criticalProofs">
): Health => {
  if (covered === undefined || covered >= warningProofs) return "healthy"
  return covered < criticalProofs ? "critical" : "warning"
}

/**
 * Looks at all suppliers, again and again; `suppliers` gives their operators' addresses. One that is not on chain is passed
 * over, one that cannot be read keeps what was said of it. Ends with its fiber only.
 */
export const watchBalances = Effect.fnUntraced(function* <E, R>(
  settings: BalanceSettings,
  suppliers: Effect.Effect<ReadonlyArray<string>, E, R>,
  notices: Notices
) {
  const said = new Map<string, Said>()
  const look = Effect.gen(function* () {
    const chain = yield* ChainQuery
    const watched = new Set((yield* suppliers).slice(0, MOST_SUPPLIERS))
    const { proofMissingPenalty } = yield* readFresh(chain.proofParams)
    const { minStake } = yield* readFresh(chain.supplierParams)
    const unread = yield* Effect.forEach(
      watched,
      (supplier) =>
        judge(supplier, settings, { proofMissingPenalty, minStake }).pipe(
          Effect.flatMap(
            Option.match({
              onNone: () => Effect.sync(() => said.delete(supplier)),
              onSome: (now) => say(said, supplier, now)
            })
          ),
          Effect.as(0),
          Effect.catchTag("ChainUnavailable", () => Effect.succeed(1))
        ),
      { concurrency: CONCURRENCY }
    )
    for (const supplier of said.keys()) if (!watched.has(supplier)) said.delete(supplier)
    const missing = unread.reduce((sum, one) => sum + one, 0)
    if (missing > 0) yield* Effect.logWarning("some suppliers could not be read").pipe(Effect.annotateLogs({ missing }))
    yield* notices.set(
      NAME,
      [...said.values()].flatMap(({ sentences }) => sentences)
    )
  })
  return yield* Effect.sleep(FIRST_LOOK).pipe(
    Effect.andThen(Effect.forever(Effect.andThen(reported(look), Effect.sleep(settings.checkEvery)))),
    whileNoticing(notices, NAME),
    Effect.annotateLogs({ monitor: NAME })
  )
})

const reported = <A, E, R>(look: Effect.Effect<A, E, R>) =>
  Effect.catch(look, (failure) => Effect.logWarning("suppliers could not be looked at", failure))

/** What was last said about a supplier. */
interface Said {
  readonly balance: Health
  readonly stake: Health
  readonly sentences: ReadonlyArray<string>
}

const judge = Effect.fnUntraced(function* (
  supplier: string,
  settings: BalanceSettings,
  chain: Pick<ProofParams, "proofMissingPenalty"> & { readonly minStake: bigint }
): Effect.fn.Return<Option.Option<Said>, ChainUnavailable, ChainQuery> {
  const query = yield* ChainQuery
  const record = yield* readFresh(query.supplier(SupplierAddress.make(supplier)))
  if (Option.isNone(record)) return Option.none()
  const { stake } = record.value
  const balance = yield* query.balance(supplier)
  const covered = coveredProofs(stake, chain.minStake, chain.proofMissingPenalty)
  const health = {
    balance: balanceHealthOf(balance, settings.threshold),
    stake: stakeHealthOf(covered, settings)
  }
  const set = (gauge: Metric.Gauge<number>, value: number) =>
    Metric.update(Metric.withAttributes(gauge, { supplier }), value)
  yield* set(balanceGauge, Number(balance))
  yield* set(stakeGauge, Number(stake))
  yield* set(balanceHealth, gaugeOf[health.balance])
  if (covered !== undefined) yield* set(stakeHealth, Number(covered) / Math.max(1, settings.warningProofs))
  for (const kind of ["balance", "stake"] as const) {
    const level = health[kind]
    if (level !== "healthy") yield* Metric.update(Metric.withAttributes(alerts[kind][level], { supplier }), 1)
  }
  return Option.some({
    ...health,
    sentences: [
      ...(health.balance === "healthy" ? [] : [balanceSentence(supplier, balance, health.balance)]),
      ...(health.stake === "healthy"
        ? []
        : [`the stake of ${supplier}, ${stake} uPOKT, covers ${covered} missed proofs only: add to it`])
    ]
  })
})

const balanceSentence = (supplier: string, balance: bigint, health: Health): string =>
  balance === 0n
    ? `operator ${supplier} has no uPOKT: no claim and no proof of it can be paid, fund it`
    : `operator ${supplier} has ${balance} uPOKT left for fees, which is ${health === "critical" ? "critical" : "low"}: fund it`

/** Says what has changed. */
const say = Effect.fnUntraced(function* (said: Map<string, Said>, supplier: string, now: Said) {
  const before = said.get(supplier)
  said.set(supplier, now)
  if (before?.balance === now.balance && before.stake === now.stake) return
  for (const sentence of now.sentences) {
    yield* now.balance === "critical" || now.stake === "critical"
      ? Effect.logError(sentence)
      : Effect.logWarning(sentence)
  }
  if (before !== undefined && now.sentences.length === 0) {
    yield* Effect.logInfo(`balance and stake of ${supplier} are healthy again`)
  }
})
