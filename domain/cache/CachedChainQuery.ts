/**
 * `ChainQuery` that answers from the caches what may be answered from them. Not cached: balances, claims, fees, events of
 * blocks, params of suppliers and tokenomics, and sessions of heights that are not committed. What a block can hold is
 * kept for a minute by this process alone.
 */
import { Clock, Context, Duration, Effect, Layer } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { BlockLimits } from "../protocol/BlockLimits.ts"
import { type CacheSettings, ChainCaches, makeChainCaches } from "./ChainCaches.ts"
import { chainChannels, listenForInvalidations } from "./ListenForInvalidations.ts"

/**
 * The caches over the `ChainQuery` of the context, and a `ChainQuery` that reads through them in its place. Ready once
 * invalidations are heard, or after 10 s without.
 */
export const layer = (settings: CacheSettings) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const chain = yield* ChainQuery
      const caches = yield* makeChainCaches(settings)
      yield* listenForInvalidations(chainChannels(caches))
      return Context.make(ChainCaches, caches).pipe(Context.add(ChainQuery, throughCaches(chain, caches)))
    })
  )

/** Life of the limits of a block, which governance changes once in years. */
const LIMITS_LIFE = Duration.minutes(1)

/** The last answer while it lives. Callers at the same moment each ask: one that is cut off spoils nobody else's answer. */
const keptLimits = ({ blockLimits }: ChainQuery["Service"]): ChainQuery["Service"]["blockLimits"] => {
  let kept: { readonly limits: BlockLimits; readonly until: bigint } | undefined
  return Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    if (kept !== undefined && now < kept.until) return kept.limits
    const limits = yield* blockLimits
    kept = { limits, until: now + nanosOf(LIMITS_LIFE) }
    return limits
  })
}

const throughCaches = (chain: ChainQuery["Service"], caches: ChainCaches["Service"]): ChainQuery["Service"] => {
  /** The cache for what a height says, and its key there: final once it is settled, else until the next block. */
  const atHeight = <Cache>(height: bigint, key: string, settled: Cache, unsettled: Cache): readonly [Cache, string] =>
    caches.isSettled(height) ? [settled, key] : [unsettled, `${key}@${caches.height()}`]
  return ChainQuery.of({
    ...chain,
    sharedParams: Effect.suspend(() => caches.sharedParams.get("")),
    sharedParamsAt: (height) =>
      Effect.suspend(() => {
        const { sharedParamsAt, unsettled } = caches
        const [cache, key] = atHeight(height, height.toString(), sharedParamsAt, unsettled.sharedParamsAt)
        return cache.get(key)
      }),
    proofParams: Effect.suspend(() => caches.proofParams.get("")),
    sessionParams: Effect.suspend(() => caches.sessionParams.get("")),
    blockLimits: keptLimits(chain),
    session: (application, service, height) =>
      Effect.suspend(() =>
        height <= 0n || height > caches.height() || !isPlain(application) || !isPlain(service)
          ? chain.session(application, service, height)
          : Effect.map(caches.sessions.get(`${application}:${service}:${height}`), ({ session }) => session)
      ),
    application: (address) => (isPlain(address) ? caches.applications.get(address) : chain.application(address)),
    supplier: (address) => (isPlain(address) ? caches.suppliers.get(address) : chain.supplier(address)),
    service: (id) => (isPlain(id) ? caches.services.get(id) : chain.service(id)),
    account: (address) => (isPlain(address) ? caches.accounts.get(address) : chain.account(address)),
    publicKey: (address) => (isPlain(address) ? caches.publicKeys.get(address) : chain.publicKey(address)),
    computeUnitsPerRelayAt: (service, height) =>
      Effect.suspend(() => {
        if (!isPlain(service)) return chain.computeUnitsPerRelayAt(service, height)
        const { computeUnits, unsettled } = caches
        const [cache, key] = atHeight(height, `${service}:${height}`, computeUnits, unsettled.computeUnits)
        return cache.get(key)
      }),
    difficultyTargetAt: (service, height) =>
      Effect.suspend(() => {
        if (!isPlain(service)) return chain.difficultyTargetAt(service, height)
        const { difficulties, unsettled } = caches
        const [cache, key] = atHeight(height, `${service}:${height}`, difficulties, unsettled.difficulties)
        return cache.get(key)
      })
  })
}

/** An address or id as the chain has them; other texts are not made names of keys. */
const isPlain = (text: string): boolean => /^[A-Za-z0-9_-]{1,128}$/.test(text)
