/**
 * Second tier of one kind of values: bytes in Redis under a key, and the lock that lets one replica read the chain for
 * all. A Redis that is away or slow is left out for a second and costs chain reads, nothing else.
 */
import { equalBytes } from "@noble/curves/utils.js"
import { Clock, Duration, Effect, Option, Random } from "effect"
import { SharedCache } from "../ports/SharedCache.ts"
import { textToBytes } from "../wire/ByteText.ts"
import type { TypeMetrics } from "./CacheMetrics.ts"

/** Longest wait for one reply: a read of the chain is not much slower. */
const REPLY_LIMIT = Duration.millis(250)
/** How long a cache that did not reply is left out. */
const REST_MILLIS = 1_000
/** Life of a lock whose holder died; Go's. */
const LOCK_LIFE = Duration.seconds(5)
/** Waits of those who did not get the lock, before they look again; then they read the chain themselves. */
const LOCK_WAITS = [5, 10, 20, 40].map(Duration.millis)

/** How one kind of values lies in Redis. */
export interface SharedCodec<A> {
  readonly key: (key: string) => string
  readonly lock: (key: string) => string
  /** None: not shared, such as what is absent. */
  readonly encode: (value: A) => Option.Option<Uint8Array>
  /** None: the bytes are not what the key says. */
  readonly decode: (bytes: Uint8Array, key: string) => Option.Option<A>
  /** Time to live in Redis. */
  readonly life: (value: A) => Duration.Duration
}

/** What was found: a value; nothing, so that the lock is worth trying; or no reply. */
export type Found<A> = { readonly _tag: "Value"; readonly value: A } | { readonly _tag: "Nothing" | "Away" }

/** The tier of one kind. Nothing here fails. */
export interface SharedTier<A> {
  /** The value; bytes that do not decode are removed and count as nothing. */
  readonly read: (key: string) => Effect.Effect<Found<A>>
  /** Sets the value unless there is one; `isCurrent` is asked before and after, and what it denies does not stay. */
  readonly fill: (key: string, value: A, isCurrent: () => boolean) => Effect.Effect<void>
  /** Replaces the value; says whether it was another, or none. None: no reply, so that the old one may be there. */
  readonly replace: (key: string, value: A) => Effect.Effect<Option.Option<boolean>>
  /** Runs `load` as the one replica that reads the chain; the others wait briefly for what it shares. */
  readonly locked: <E>(key: string, load: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** The tier over the shared cache of the context. */
export const makeSharedTier = Effect.fnUntraced(function* <A>(
  codec: SharedCodec<A>,
  metrics: TypeMetrics
): Effect.fn.Return<SharedTier<A>, never, SharedCache> {
  const cache = yield* SharedCache
  let restsUntil = 0

  /** `Refused`: the cache answered at once that it cannot, as for a value of another type. */
  const attempt = <B, E>(effect: Effect.Effect<B, E>): Effect.Effect<Reply<B>> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now < restsUntil
        ? Effect.succeed(SILENT)
        : Effect.timeoutOption(Effect.option(effect), REPLY_LIMIT).pipe(
            Effect.map(
              Option.match({
                onNone: (): Reply<B> => SILENT,
                onSome: Option.match({ onNone: (): Reply<B> => REFUSED, onSome: (value) => ({ _tag: "Reply", value }) })
              })
            )
          )
    )

  const rest = Effect.map(Clock.currentTimeMillis, (now) => {
    if (now >= restsUntil) restsUntil = now + REST_MILLIS
    return Option.none()
  })

  /** None: no use now, nor for a second. */
  const call = <B, E>(effect: Effect.Effect<B, E>): Effect.Effect<Option.Option<B>> =>
    Effect.flatMap(attempt(effect), (reply) => (reply._tag === "Reply" ? Effect.succeedSome(reply.value) : rest))

  /** The bytes, if any; what cannot be read as bytes is removed and counts as nothing. */
  const readBytes = (key: string): Effect.Effect<Option.Option<Option.Option<Uint8Array>>> =>
    Effect.flatMap(attempt(cache.get(codec.key(key))), (reply) => {
      if (reply._tag === "Reply") return Effect.succeedSome(reply.value)
      if (reply._tag === "Silent") return rest
      return Effect.map(call(cache.remove(codec.key(key))), (removed) => {
        if (Option.isSome(removed)) metrics.contaminated()
        return Option.map(removed, () => Option.none())
      })
    })

  const read = (key: string): Effect.Effect<Found<A>> =>
    Effect.gen(function* () {
      const started = yield* Clock.monotonicTimeNanos
      const reply = yield* readBytes(key)
      if (Option.isNone(reply)) return { _tag: "Away" } as const
      metrics.took("l2", Number((yield* Clock.monotonicTimeNanos) - started) / 1e9)
      if (Option.isNone(reply.value)) {
        metrics.missed("l2")
        return { _tag: "Nothing" } as const
      }
      const decoded = codec.decode(reply.value.value, key)
      if (Option.isSome(decoded)) {
        metrics.hit("l2")
        return { _tag: "Value", value: decoded.value } as const
      }
      metrics.contaminated()
      metrics.missed("l2")
      yield* call(cache.removeIf(codec.key(key), reply.value.value))
      return { _tag: "Nothing" } as const
    })

  const waited = (key: string): Effect.Effect<Option.Option<A>> =>
    Effect.gen(function* () {
      for (const wait of LOCK_WAITS) {
        yield* Effect.sleep(wait)
        const found = yield* read(key)
        if (found._tag === "Value") return Option.some(found.value)
        if (found._tag === "Away") break
      }
      return Option.none()
    })

  return {
    read,
    fill: Effect.fnUntraced(function* (key, value, isCurrent) {
      const bytes = codec.encode(value)
      const life = codec.life(value)
      if (Option.isNone(bytes) || Duration.isLessThanOrEqualTo(life, Duration.zero) || !isCurrent()) return
      const set = yield* call(cache.setIfAbsent(codec.key(key), bytes.value, life))
      // Forgotten while it was on its way: it must not come back from here.
      if (!isCurrent() && !Option.contains(set, false)) yield* call(cache.removeIf(codec.key(key), bytes.value))
    }),
    replace: Effect.fnUntraced(function* (key, value) {
      const bytes = codec.encode(value)
      const before = Option.flatten(yield* readBytes(key))
      const written = yield* call(
        Option.match(bytes, {
          onNone: () => cache.remove(codec.key(key)),
          onSome: (present) => cache.set(codec.key(key), present, codec.life(value))
        })
      )
      return Option.as(written, !isSame(Option.getOrUndefined(before), Option.getOrUndefined(bytes)))
    }),
    locked: Effect.fnUntraced(function* <E>(key: string, load: Effect.Effect<A, E>) {
      const token = textToBytes(`${yield* Random.nextInt}.${yield* Random.nextInt}`)
      const won = yield* call(cache.setIfAbsent(codec.lock(key), token, LOCK_LIFE))
      metrics.locked(Option.match(won, { onNone: () => "unavailable", onSome: (got) => (got ? "acquired" : "lost") }))
      if (Option.contains(won, false)) {
        const found = yield* waited(key)
        return Option.isSome(found) ? found.value : yield* load
      }
      if (Option.isNone(won)) return yield* load
      // Only the one who took it gives it back: a lock that has run out may be another's by now.
      const giveBack = call(cache.removeIf(codec.lock(key), token))
      return yield* Effect.ensuring(
        Effect.gen(function* () {
          // Somebody may have shared it between our look and our lock.
          const bytes = Option.flatten(yield* call(cache.get(codec.key(key))))
          const late = Option.flatMap(bytes, (present) => codec.decode(present, key))
          return Option.isSome(late) ? late.value : yield* load
        }),
        giveBack
      )
    })
  }
})

type Reply<B> = { readonly _tag: "Reply"; readonly value: B } | { readonly _tag: "Refused" | "Silent" }

const SILENT: Reply<never> = { _tag: "Silent" }
const REFUSED: Reply<never> = { _tag: "Refused" }

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : equalBytes(a, b)
