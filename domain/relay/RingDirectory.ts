/**
 * Rings of applications: the public keys whose signature passes for a session that ends at a height (`crypto.md` §4).
 * A missing account or key makes the whole ring unknown, as on the chain. Rings and keys are
 * kept, what is unknown for seconds.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Schema } from "effect"
import { readFresh } from "../cache/FreshRead.ts"
import { makeKeptLookups } from "../cache/KeptLookups.ts"
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
import { cacheGauge } from "./SessionDirectory.ts"

const RING_CAPACITY = 10_000
const KEY_CAPACITY = 50_000
/** How long a ring is trusted without being asked for a stranger. */
const RING_MILLIS = Duration.toMillis("30 minutes")
/** Keys of one ring read at the same time. */
const KEY_CONCURRENCY = 16
/** Keys of accounts never change; the bound is that of everything kept. */
const KEY_MILLIS = Duration.toMillis("30 minutes")
/** How soon a ring without usable keys is looked up again. */
const UNKNOWN_MILLIS = Duration.toMillis("5 seconds")
/** How soon a chain that did not answer is asked again for the same thing. */
const UNAVAILABLE_MILLIS = 250
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

/** Rings by application and session end. `RingUnknown` is kept too, for 5 s; `ChainUnavailable` for 250 ms. */
export class RingDirectory extends Context.Service<
  RingDirectory,
  {
    /** Keys of the ring that are kept already, without I/O. `now` in milliseconds of Effect's clock. */
    readonly peek: (application: string, sessionEnd: bigint, now: number) => RingKeys | undefined
    /** Keys of the ring for a session of the application that ends at `sessionEnd`. */
    readonly ring: (application: string, sessionEnd: bigint) => Effect.Effect<RingKeys, RingUnknown | ChainUnavailable>
    /**
     * Reads the ring anew, for a signature by a key that is not in it: a gateway may have been added. Rate-limited for
     * each application; within the interval it returns what `ring` does. A failed reading leaves the kept ring.
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

      const keys = yield* makeKeptLookups(
        (address: string): Effect.Effect<Option.Option<Uint8Array>, ChainUnavailable> =>
          address === PLACEHOLDER.address
            ? Effect.succeedSome(PLACEHOLDER.publicKey)
            : Effect.map(chain.publicKey(address), (found) =>
                Option.filter(found, (publicKey) => keyMatchesAddress(publicKey, address))
              ),
        {
          capacity: KEY_CAPACITY,
          success: (key) => (Option.isSome(key) ? KEY_MILLIS : UNKNOWN_MILLIS),
          failure: () => UNAVAILABLE_MILLIS
        }
      )

      const readRing = Effect.fnUntraced(function* (key: string, isFresh: boolean) {
        const [address = "", endText = "0"] = key.split("|")
        const record = chain.application(ApplicationAddress.make(address))
        const [application, params] = yield* Effect.all([isFresh ? readFresh(record) : record, chain.sharedParams], {
          concurrency: "unbounded"
        })
        if (Option.isNone(application)) return yield* new RingUnknown({ application: address, member: address })
        const target = ringHeight(params, BigInt(endText))
        const members = yield* Effect.forEach(
          ringAddresses(application.value, target),
          (member) =>
            Effect.flatMap(
              keys.get(member),
              Option.match({
                onNone: () => Effect.fail(new RingUnknown({ application: address, member })),
                onSome: Effect.succeed
              })
            ),
          { concurrency: KEY_CONCURRENCY }
        )
        return makeRingKeys(members)
      })

      const rings = yield* makeKeptLookups<RingKeys, RingUnknown | ChainUnavailable>((key) => readRing(key, false), {
        capacity: RING_CAPACITY,
        success: () => RING_MILLIS,
        failure: ({ _tag }) => (_tag === "RingUnknown" ? UNKNOWN_MILLIS : UNAVAILABLE_MILLIS)
      })
      yield* cacheGauge("ring", rings.size)
      yield* cacheGauge("ring_key", keys.size)

      const refreshes = new Map<string, number>()

      return RingDirectory.of({
        peek: (application, sessionEnd, now) => rings.peek(`${application}|${sessionEnd}`, now),
        ring: (application, sessionEnd) => rings.get(`${application}|${sessionEnd}`),
        refreshed: (application, sessionEnd) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            const key = `${application}|${sessionEnd}`
            const last = refreshes.get(application)
            if (last !== undefined && now - last < REFRESH_INTERVAL_MILLIS) return rings.get(key)
            refreshes.delete(application)
            refreshes.set(application, now)
            if (refreshes.size > RING_CAPACITY) {
              for (const oldest of refreshes.keys()) {
                refreshes.delete(oldest)
                break
              }
            }
            return rings.refreshWith(key, () => readRing(key, true))
          })
      })
    })
  )
}
