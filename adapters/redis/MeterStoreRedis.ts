/**
 * `MeterStore` on the counters of Go's relayers: `{prefix}:meter:{session}:{supplier}:consumed`, an integer of uPOKT that
 * both kinds add to. Ours claim the counter's description (`…:meta`) first, as Go does: who comes second does not begin
 * the counter at 0 again. A Go relayer that claims it in the very moment of our first take undoes that one take.
 */
import { Duration, Effect, Layer } from "effect"
import { meterName } from "../../domain/meter/MeterCleanup.ts"
import { type MeterKey, MeterStore, MeterUnavailable } from "../../domain/ports/MeterStore.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { RedisFailure, unexpectedReply } from "./RedisFailure.ts"
import { makeScript } from "./RedisScript.ts"

/** What the wiring decides. */
export interface MeterStoreSettings {
  /** First segment of the counters' keys (`relay_meter.redis_key_prefix`): one or more segments. */
  readonly keyPrefix: string
  /**
   * Life of a counter from its last take: a backstop for counters that nobody drops. Longer than any session is served,
   * else a session could be consumed twice.
   */
  readonly lifetime: Duration.Duration
}

/** Largest integer of a Redis counter. */
const MOST = 2n ** 63n - 1n

/** Attempts to change a counter beyond the exact numbers of Lua while others change it too. */
const MOST_ATTEMPTS = 200

/** Counters with these settings. */
export const layerWith = ({ keyPrefix, lifetime }: MeterStoreSettings) =>
  Layer.effect(
    MeterStore,
    Effect.gen(function* () {
      const { commands, names } = yield* RedisConnections
      const lifetimeMillis = Duration.toMillis(lifetime)
      const counter = ({ session, supplier }: MeterKey) => names.meterConsumed(keyPrefix, session, supplier)
      const meta = ({ session, supplier }: MeterKey) => names.meterMeta(keyPrefix, session, supplier)

      /** Claims the description unless somebody has: its presence keeps Go's relayers from beginning at 0. */
      const describe = ({ session, supplier }: MeterKey, sessionEnd: bigint, limit: bigint) =>
        commands.call(
          "set",
          meta({ session, supplier }),
          `{"session_id":${JSON.stringify(session)},"app_address":"","service_id":"","supplier_address":${JSON.stringify(supplier)},"session_end_height":${sessionEnd},"max_stake_upokt":${limit}}`,
          "nx",
          "px",
          lifetimeMillis
        )

      /** For the CLI of the Go fleet; nothing relies on it. */
      const list = (key: MeterKey) =>
        Effect.ignore(
          Effect.andThen(
            commands.call("sadd", names.activeMeters, meterName(key.session, key.supplier)),
            commands.call("pexpire", names.activeMeters, lifetimeMillis)
          )
        )

      /** Changes a counter by what `next` makes of its value, while others may change it too. Returns that value. */
      const exchange = Effect.fnUntraced(function* (key: MeterKey, next: (current: bigint) => bigint) {
        for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
          const current = yield* read(key)
          if (current === undefined) return undefined
          const changed = next(current.value)
          if (changed === current.value) return current.value
          const done = yield* commands.run(replace, [counter(key)], [current.text, changed])
          if (done === 1) return current.value
        }
        return yield* new RedisFailure({ kind: "unavailable", command: "meter", detail: "the counter never rests" })
      })
      const read = (key: MeterKey) => Effect.flatMap(commands.call("get", counter(key)), asCounter)

      const takeUnits = Effect.fnUntraced(function* (key: MeterKey, unit: bigint, wanted: bigint, limit: bigint) {
        const reply = yield* commands.run(take, [counter(key)], [unit, wanted, limit, lifetimeMillis])
        const [exact, taken, created] = Array.isArray(reply) ? reply.map(Number) : []
        if (exact === 1 && taken !== undefined) {
          if (created === 1) yield* list(key)
          return BigInt(taken)
        }
        if (exact !== 0) return yield* unexpectedReply("meter take", "no list")
        const room = (consumed: bigint) => wholeUnits(limit - consumed, unit, wanted)
        const before = yield* exchange(key, (consumed) => consumed + room(consumed))
        return before === undefined ? 0n : room(before)
      })

      return MeterStore.of({
        take: ({ key, unit, wanted, limit, sessionEnd }) => {
          const most = limit < MOST ? limit : MOST
          if (unit <= 0n || wholeUnits(most, unit, wanted) === 0n) return Effect.succeed(0n)
          return Effect.all([describe(key, sessionEnd, most), takeUnits(key, unit, wanted, most)], {
            concurrency: 2
          }).pipe(
            Effect.map(([, taken]) => taken),
            Effect.mapError(unavailable("take"))
          )
        },
        giveBack: Effect.fnUntraced(
          function* (key, amount) {
            if (amount <= 0n) return
            const reply = yield* commands.run(giveBack, [counter(key)], [amount])
            if (reply === 1) return
            yield* exchange(key, (consumed) => (consumed > amount ? consumed - amount : 0n))
          },
          Effect.mapError(unavailable("giveBack"))
        ),
        consumed: (key) =>
          read(key).pipe(
            Effect.map((current) => (current === undefined || current.value < 0n ? 0n : current.value)),
            Effect.mapError(unavailable("consumed"))
          ),
        drop: (key) =>
          Effect.all([
            commands.call("del", counter(key)),
            commands.call("del", meta(key)),
            commands.call("srem", names.activeMeters, meterName(key.session, key.supplier))
          ]).pipe(Effect.asVoid, Effect.mapError(unavailable("drop")))
      })
    })
  )

/** Largest multiple of `unit` up to `wanted` and `room`; 0 if there is none. */
const wholeUnits = (room: bigint, unit: bigint, wanted: bigint): bigint => {
  const most = wanted < room ? wanted : room
  return most < unit ? 0n : most - (most % unit)
}

/** The counter as text and number; nothing for an absent one. */
const asCounter = (
  reply: unknown
): Effect.Effect<{ readonly text: string; readonly value: bigint } | undefined, RedisFailure> =>
  reply === null
    ? Effect.succeed(undefined)
    : typeof reply === "string" && /^-?\d{1,19}$/.test(reply)
      ? Effect.succeed({ text: reply, value: BigInt(reply) })
      : Effect.fail(unexpectedReply("meter", "the counter is no integer: DEL it"))

/**
 * Takes whole units up to the limit and prolongs the counter. Numbers of 15 digits are exact in Lua: `{1, taken, created}`;
 * for larger ones it takes nothing: `{0}`, and the caller exchanges the value. An absent counter begins at 0 in any case.
 */
const take = makeScript(
  "meter take",
  `local current = redis.call('GET', KEYS[1])
local created = 0
if not current then
  current = '0'
  created = 1
  redis.call('SET', KEYS[1], current)
end
if not string.match(current, '^-?%d+$') then return redis.error_reply('ERR the counter is not an integer: DEL it') end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
if #current > 15 or #ARGV[2] > 15 or #ARGV[3] > 15 then return {0} end
local unit = tonumber(ARGV[1])
local most = math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - tonumber(current))
if most < unit then return {1, 0, created} end
local taken = most - most % unit
redis.call('INCRBY', KEYS[1], string.format('%.0f', taken))
return {1, taken, created}`
)

/** Takes off, never below 0; an absent counter stays so. Returns 0 for numbers beyond 15 digits. */
const giveBack = makeScript(
  "meter give back",
  `local current = redis.call('GET', KEYS[1])
if not current then return 1 end
if #current > 15 or #ARGV[1] > 15 then return 0 end
if tonumber(ARGV[1]) < tonumber(current) then
  redis.call('DECRBY', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], '0', 'KEEPTTL')
end
return 1`
)

/** Replaces a value that is still the same. */
const replace = makeScript(
  "meter replace",
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1`
)

const unavailable = (operation: MeterUnavailable["operation"]) => (cause: RedisFailure) =>
  new MeterUnavailable({ operation, cause })
