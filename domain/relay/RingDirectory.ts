/**
 * Rings of applications: the public keys whose signature passes for a session that ends at a height (`crypto.md` §4).
 * A missing account or key makes the whole ring unknown, as on the chain. Rings and keys are kept, failures are not.
 */
import { Cache, Clock, Context, Duration, Effect, Exit, Layer, Option, Schema } from "effect"
import type { ChainUnavailable } from "../ports/Blocks.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import { ApplicationAddress } from "../protocol/Identifiers.ts"
import {
  keyMatchesAddress,
  makeRingKeys,
  PLACEHOLDER,
  ringAddresses,
  ringHeight,
  type RingKeys
} from "../ring/RingMembers.ts"

const RING_CAPACITY = 10_000
const KEY_CAPACITY = 50_000
/** How long a ring is trusted without being asked for a stranger. */
const RING_TIME_TO_LIVE = Duration.minutes(10)
/** Keys of accounts never change. */
const KEY_TIME_TO_LIVE = Duration.infinity
/** At most one re-reading of an application's ring in this time, however many strangers sign. */
const REFRESH_INTERVAL_MILLIS = 1_000

/** A member of the ring has no usable key on chain, or the application is gone: no signature can pass. */
export class RingUnknown extends Schema.TaggedError<RingUnknown>()("RingUnknown", {
  application: Schema.String,
  member: Schema.String
}) {
  override get message(): string {
    return `the ring of ${this.application} is not known: no public key on chain for ${this.member}`
  }
}

export class RingDirectory extends Context.Service<
  RingDirectory,
  {
    /** Keys of the ring for a session of the application that ends at `sessionEnd`. */
    readonly ring: (application: string, sessionEnd: bigint) => Effect.Effect<RingKeys, RingUnknown | ChainUnavailable>
    /**
     * Reads the ring anew, for a signature by a key that is not in it: a gateway may have been added. Rate-limited for
     * each application; within the interval it returns what `ring` does.
     */
    readonly refreshed: (
      application: string,
      sessionEnd: bigint
    ) => Effect.Effect<RingKeys, RingUnknown | ChainUnavailable>
  }
>()("relaymill/domain/relay/RingDirectory") {
  static readonly layer = Layer.effect(
    RingDirectory,
    Effect.gen(function* () {
      const chain = yield* ChainQuery

      const keys = yield* Cache.makeWith(
        (address: string): Effect.Effect<Option.Option<Uint8Array>, ChainUnavailable> =>
          address === PLACEHOLDER.address
            ? Effect.succeedSome(PLACEHOLDER.publicKey)
            : Effect.map(chain.account(address), (account) =>
                account.pipe(
                  Option.flatMap(({ publicKey }) => Option.fromUndefinedOr(publicKey)),
                  Option.filter((publicKey) => keyMatchesAddress(publicKey, address))
                )
              ),
        {
          capacity: KEY_CAPACITY,
          timeToLive: (exit) => (Exit.isSuccess(exit) && Option.isSome(exit.value) ? KEY_TIME_TO_LIVE : Duration.zero)
        }
      )

      const readRing = Effect.fnUntraced(function* (key: string) {
        const [address = "", endText = "0"] = key.split("|")
        const application = yield* chain.application(ApplicationAddress.make(address))
        if (Option.isNone(application)) return yield* new RingUnknown({ application: address, member: address })
        const target = ringHeight(yield* chain.sharedParams, BigInt(endText))
        const members = yield* Effect.forEach(ringAddresses(application.value, target), (member) =>
          Effect.flatMap(
            Cache.get(keys, member),
            Option.match({
              onNone: () => Effect.fail(new RingUnknown({ application: address, member })),
              onSome: Effect.succeed
            })
          )
        )
        return makeRingKeys(members)
      })

      const rings = yield* Cache.makeWith(readRing, {
        capacity: RING_CAPACITY,
        timeToLive: (exit) => (Exit.isSuccess(exit) ? RING_TIME_TO_LIVE : Duration.zero)
      })

      const refreshes = new Map<string, number>()
      const ring = (application: string, sessionEnd: bigint) => Cache.get(rings, `${application}|${sessionEnd}`)

      return RingDirectory.of({
        ring,
        refreshed: Effect.fnUntraced(function* (application, sessionEnd) {
          const now = yield* Clock.currentTimeMillis
          if (now - (refreshes.get(application) ?? -Infinity) < REFRESH_INTERVAL_MILLIS) {
            return yield* ring(application, sessionEnd)
          }
          if (refreshes.size >= RING_CAPACITY) refreshes.clear()
          refreshes.set(application, now)
          yield* Cache.invalidate(rings, `${application}|${sessionEnd}`)
          return yield* ring(application, sessionEnd)
        })
      })
    })
  )
}
