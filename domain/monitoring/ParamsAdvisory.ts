/**
 * Parameters of the chain that break the protocol's own rules, or that this fleet's settings are not fit for. Nothing is
 * refused for them: sessions go on, and the operator is told what may be lost.
 */
import { Duration, Effect, Equal, Metric, Result, Stream } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { Blocks } from "../ports/Blocks.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { ProofParams } from "../protocol/ProofParams.ts"
import { type SharedParams, validateSharedParams, windowOffsetsSum } from "../protocol/SharedParams.ts"
import type { SupplierParams } from "../protocol/SupplierParams.ts"
import type { AdvisorySettings } from "./MonitorSettings.ts"
import { type Notices, whileNoticing } from "./Notices.ts"

const advisories = Metric.gauge("ha_miner_chain_params_advisories", {
  description: "Parameters of the chain that break its rules or do not fit the settings"
})

const AGAIN = Duration.minutes(5)
/** Longest look, and the pause after one that got no answer. */
const LIMIT = Duration.seconds(10)
const RETRY = Duration.seconds(30)
const NAME = "parameter advisory"

/** The live parameters that are judged. */
export interface JudgedParams {
  readonly shared: SharedParams
  readonly proof: ProofParams
  readonly supplier: SupplierParams
}

/** One sentence for each thing that is wrong or does not fit; none for a network as it should be. */
export const paramsAdvice = (
  { shared, proof, supplier }: JudgedParams,
  settings: AdvisorySettings
): ReadonlyArray<string> => {
  const advice: Array<string> = []
  const valid = validateSharedParams(shared)
  if (Result.isFailure(valid)) advice.push(`the chain breaks its own rules: ${valid.failure.message}`)
  if (shared.numBlocksPerSession === 1n) {
    advice.push("sessions have one block: the chain accepts no claim for them")
  }
  if (shared.claimWindowCloseOffsetBlocks === 0n) {
    advice.push("the claim window has one block: a claim that misses it is lost")
  }
  if (shared.proofWindowCloseOffsetBlocks === 0n) {
    advice.push("the proof window has one block: a proof that misses it costs the penalty")
  }
  const blocks = shared.numBlocksPerSession + windowOffsetsSum(shared) + 1n
  const cycle = blocks * nanosOf(settings.blockTime)
  for (const [key, life] of [
    ["cache_ttl", settings.cacheTtl],
    ["session_ttl", settings.sessionTtl]
  ] as const) {
    if (nanosOf(life) >= cycle) continue
    const needed = Duration.toSeconds(Duration.nanos(cycle))
    advice.push(
      `${key} is ${Duration.toSeconds(life)} s, a session takes ${needed} s from its start to its settlement: raise it`
    )
  }
  if (proof.proofMissingPenalty > 0n && proof.proofMissingPenalty >= supplier.minStake) {
    advice.push(
      `one missed proof takes ${proof.proofMissingPenalty} uPOKT, the minimum stake is ${supplier.minStake}: ` +
        "a supplier needs more than both together"
    )
  }
  if (settings.balanceThreshold !== undefined && settings.balanceThreshold <= proof.proofSubmissionFee) {
    advice.push(
      `a proof costs ${proof.proofSubmissionFee} uPOKT and needs more on the account: raise ` +
        `balance_monitor.balance_threshold_upokt (${settings.balanceThreshold}) above it`
    )
  }
  return advice
}

/**
 * Judges the live parameters every five minutes, and the shared ones as soon as a block shows others; says what is new and
 * what is over. Ends with its fiber only.
 */
export const adviseOnParams = Effect.fnUntraced(function* (settings: AdvisorySettings, notices: Notices) {
  const chain = yield* ChainQuery
  const blocks = yield* Blocks
  let said: ReadonlyArray<string> = []
  let judged: SharedParams | undefined
  const look = Effect.gen(function* () {
    const params = yield* Effect.all(
      { shared: chain.sharedParams, proof: chain.proofParams, supplier: chain.supplierParams },
      { concurrency: 3 }
    ).pipe(Effect.timeout(LIMIT))
    judged = params.shared
    const advice = paramsAdvice(params, settings)
    for (const sentence of advice) if (!said.includes(sentence)) yield* Effect.logWarning(sentence)
    for (const sentence of said) {
      if (!advice.includes(sentence))
        yield* Effect.logInfo("does not hold any more").pipe(Effect.annotateLogs({ sentence }))
    }
    said = advice
    yield* Metric.update(advisories, advice.length)
    yield* notices.set(NAME, advice)
    return AGAIN
  }).pipe(
    Effect.catch((failure) => {
      judged = undefined
      const sentence = `parameters of the chain could not be read: ${failure.message}`
      return Effect.logWarning(sentence).pipe(Effect.andThen(notices.set(NAME, [...said, sentence])), Effect.as(RETRY))
    })
  )
  const isOther = Effect.match(chain.sharedParams, {
    onFailure: () => judged !== undefined,
    onSuccess: (now) => judged !== undefined && !Equal.equals(now, judged)
  })
  const others = Stream.runHead(Stream.filterEffect(blocks.changes, () => isOther))
  return yield* Effect.forever(Effect.flatMap(look, (pause) => Effect.raceFirst(Effect.sleep(pause), others))).pipe(
    whileNoticing(notices, NAME),
    Effect.annotateLogs({ monitor: NAME })
  )
})
