/**
 * Keeps the first tier honest: hears what other processes changed, and forgets everything of a kind whenever its
 * messages may have been missed. What is heard can only make this process forget, never believe.
 */
import { Deferred, Duration, Effect, Option, Result, type Scope, Stream } from "effect"
import { Broadcast } from "../ports/Broadcast.ts"
import type { TypeMetrics } from "./CacheMetrics.ts"
import { type ChainCaches } from "./ChainCaches.ts"
import { names } from "./CacheNames.ts"
import { decodeHeight, decodeInvalidation, type InvalidationField } from "./Invalidation.ts"

/** How long the start waits for subscriptions to be confirmed; then it goes on, and forgets everything once they are. */
const CONFIRMATION_LIMIT = Duration.seconds(10)

/** What a channel can make this process forget. */
export interface Forgetting {
  readonly channel: string
  readonly metrics: TypeMetrics
  /** None: the message is none that anybody would send here. */
  readonly forget: (payload: string) => Option.Option<{
    readonly source: "pubsub" | "pubsub_all"
    readonly effect: Effect.Effect<void>
  }>
  readonly forgetAll: Effect.Effect<void>
}

/** Listens to the channels until the scope ends; returns once all are confirmed, or after 10 s. */
export const listenForInvalidations = (
  channels: ReadonlyArray<Forgetting>
): Effect.Effect<void, never, Broadcast | Scope.Scope> =>
  Effect.gen(function* () {
    const confirmed = yield* Effect.forEach(channels, listen)
    const all = yield* Effect.timeoutOption(Effect.forEach(confirmed, Deferred.await), CONFIRMATION_LIMIT)
    if (Option.isNone(all)) {
      yield* Effect.logWarning("invalidations of caches are not heard yet; cached values live to their end")
    }
  })

const listen = Effect.fnUntraced(function* (channel: Forgetting) {
  const broadcast = yield* Broadcast
  const confirmed = yield* Deferred.make<void>()
  yield* Effect.forkScoped(
    Stream.runForEach(
      broadcast.listen(channel.channel),
      Effect.fnUntraced(function* (heard) {
        if (heard._tag === "Listening") {
          if (yield* Deferred.isDone(confirmed)) channel.metrics.invalidated("missed")
          yield* channel.forgetAll
          yield* Deferred.succeed(confirmed, undefined)
          return
        }
        const forgetting = channel.forget(heard.payload)
        if (Option.isNone(forgetting)) return channel.metrics.ignored()
        channel.metrics.invalidated(forgetting.value.source)
        yield* forgetting.value.effect
      })
    )
  )
  return confirmed
})

/** A channel whose messages name one value, or all by naming none. */
export const oneOrAll = (
  channel: string,
  field: InvalidationField,
  cache: {
    readonly metrics: TypeMetrics
    readonly invalidate: (id: string) => Effect.Effect<void>
    readonly clear: Effect.Effect<void>
  }
): Forgetting => ({
  channel,
  metrics: cache.metrics,
  forgetAll: cache.clear,
  forget: (payload) =>
    Option.map(Result.getSuccess(decodeInvalidation(field, payload)), (id) =>
      Option.match(id, {
        onNone: () => ({ source: "pubsub_all" as const, effect: cache.clear }),
        onSome: (one) => ({ source: "pubsub" as const, effect: cache.invalidate(one) })
      })
    )
})

/** The channels of chain records. */
export const chainChannels = (caches: ChainCaches["Service"]): ReadonlyArray<Forgetting> => [
  oneOrAll(names.invalidations("application"), "address", caches.applications),
  oneOrAll(names.invalidations("service"), "service_id", caches.services),
  oneOrAll(names.invalidations("account"), "address", {
    metrics: caches.publicKeys.metrics,
    invalidate: (address) => Effect.andThen(caches.publicKeys.invalidate(address), caches.accounts.invalidate(address)),
    clear: Effect.andThen(caches.publicKeys.clear, caches.accounts.clear)
  }),
  // A supplier's state follows its record.
  oneOrAll(names.invalidations("supplier"), "operator_address", caches.suppliers),
  ...([caches.sharedParams, caches.proofParams] as const).map((params, at): Forgetting => ({
    channel: names.invalidations(at === 0 ? "shared_params" : "proof_params"),
    metrics: params.metrics,
    // Whatever the message says: there is one record.
    forget: () => Option.some({ source: "pubsub", effect: params.invalidate("") }),
    forgetAll: params.clear
  })),
  {
    channel: names.paramsInvalidations,
    metrics: caches.sharedParamsAt.metrics,
    forget: (payload) =>
      Option.map(decodeHeight(payload), (height) => ({
        source: "pubsub" as const,
        effect: Effect.andThen(
          caches.sharedParamsAt.invalidate(height.toString()),
          caches.unsettled.sharedParamsAt.clear
        )
      })),
    forgetAll: Effect.andThen(caches.sharedParamsAt.clear, caches.unsettled.sharedParamsAt.clear)
  }
]
