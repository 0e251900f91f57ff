/** The relay log on real servers: entries as Go's consumers read them, bounds, failovers, what others do to its keys. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Tracer } from "effect"
import { RedisConnections, layer as connectionsLayer } from "../../../adapters/redis/RedisConnections.ts"
import { defaultSettings, layerWith, type RelayLogSettings } from "../../../adapters/redis/RelayLogRedis.ts"
import type { RedisSettings } from "../../../adapters/redis/RedisSettings.ts"
import { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { encodeMinedRelay } from "../../../domain/relay/MinedRelay.ts"
import { alice, anEntry, aRelay, aTraced } from "../../contract/StoreFixtures.ts"
import { onEveryRedis } from "../../support/EveryRedis.ts"
import { redisBinaries } from "../../support/RedisBinaries.ts"
import { eventually, type RedisProcess, RedisTestFailure } from "../../support/RedisProcess.ts"
import { ask, cluster, sentinel, settingsFor, standalone } from "../../support/RedisServers.ts"

const over = (settings: RedisSettings, change: Partial<RelayLogSettings> = {}) =>
  layerWith({ ...defaultSettings, ...change }).pipe(Layer.provideMerge(connectionsLayer(settings)))

/** Entries of the stream: id and fields. */
const entriesOf = Effect.fnUntraced(function* (stream: string) {
  const { commands } = yield* RedisConnections
  const reply = yield* commands.callBytes("xrange", stream, "-", "+")
  return (reply as Array<[Buffer, Array<Buffer>]>).map(([id, fields]) => ({ id: String(id), fields }))
})

const expectThat = (holds: boolean, detail: string) =>
  holds ? Effect.void : Effect.fail(new RedisTestFailure({ detail }))

onEveryRedis("RelayLogRedis", (redis) => {
  const test = <E>(title: string, body: Effect.Effect<void, E, RelayLog | RedisConnections>) =>
    it.live(title, () => Effect.suspend(() => Effect.provide(body, over(redis.settings()))))

  test(
    "writes the entry of the Go fleet, and the trace of a sampled relay behind it",
    Effect.gen(function* () {
      const log = yield* RelayLog
      const { names } = yield* RedisConnections
      const span = (sampled: boolean) =>
        Tracer.externalSpan({ traceId: "0123456789abcdef0123456789abcdef", spanId: "0123456789abcdef", sampled })
      yield* log.append(anEntry(1))
      yield* log.append(aTraced(2, span(true)))
      yield* log.append(aTraced(3, span(false)))
      const entries = yield* entriesOf(names.relays(alice))
      assert.deepStrictEqual(
        entries.map(({ fields }) =>
          fields.map((field, index) => (index === 1 ? field.toString("hex") : String(field)))
        ),
        [
          ["data", Buffer.from(encodeMinedRelay(aRelay(1))).toString("hex")],
          [
            "data",
            Buffer.from(encodeMinedRelay(aRelay(2))).toString("hex"),
            "traceparent",
            "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
          ],
          ["data", Buffer.from(encodeMinedRelay(aRelay(3))).toString("hex")]
        ]
      )
    })
  )

  test(
    "makes the group from the beginning, and takes the expiry off a stream of Go's relayers",
    Effect.gen(function* () {
      const log = yield* RelayLog
      const { commands, names } = yield* RedisConnections
      yield* commands.call("xadd", names.relays(alice), "*", "data", "of a Go relayer")
      yield* commands.call("expire", names.relays(alice), 2)
      yield* log.append(anEntry(1))
      assert.strictEqual(yield* commands.call("ttl", names.relays(alice)), -1)
      const read = yield* commands.call(
        "xreadgroup",
        "group",
        names.group,
        "reader",
        "count",
        10,
        "streams",
        names.relays(alice),
        ">"
      )
      assert.lengthOf((read as Array<[string, Array<unknown>]>)[0]![1], 2)
    })
  )

  it.live("goes on once there is room again that somebody else made", () =>
    Effect.gen(function* () {
      const log = yield* RelayLog
      const { commands, names } = yield* RedisConnections
      yield* Effect.forEach([1, 2, 3], (n) => log.append(anEntry(n)))
      const full = yield* Effect.flip(log.append(anEntry(4)))
      assert.deepInclude(full, { _tag: "RelayLogFull", supplier: alice, entries: 3, limit: 3 })
      yield* commands.call("xtrim", names.relays(alice), "maxlen", "0")
      yield* log.append(anEntry(5))
    }).pipe(Effect.provide(Layer.suspend(() => over(redis.settings(), { highWater: 3 }))))
  )

  test(
    "fails typed when something else lies at the stream's key",
    Effect.gen(function* () {
      const log = yield* RelayLog
      const { commands, names } = yield* RedisConnections
      yield* commands.call("set", names.relays(alice), "foreign")
      const failure = yield* Effect.flip(log.append(anEntry(1)))
      assert.strictEqual(failure._tag, "RelayLogUnavailable")
      assert.include(String((failure as { readonly cause?: unknown }).cause), "another type")
      assert.strictEqual(yield* commands.call("get", names.relays(alice)), "foreign")
    })
  )

  test(
    "announces its spool at its own key for as long as it lives, and lists itself",
    Effect.gen(function* () {
      const log = yield* RelayLog
      const { commands, names } = yield* RedisConnections
      yield* log.announceSpool("relayer-1", Option.some(9_223_372_036_854_775_807n))
      assert.strictEqual(yield* commands.call("get", names.spool("relayer-1")), "9223372036854775807")
      const life = Number(yield* commands.call("pttl", names.spool("relayer-1")))
      assert.isAbove(life, 14_000)
      assert.isAtMost(life, 15_000)
      assert.deepStrictEqual(yield* commands.call("zrange", names.spools, 0, -1), ["relayer-1"])
      yield* log.announceSpool("relayer-1", Option.none())
      assert.isNull(yield* commands.call("get", names.spool("relayer-1")))
    })
  )
})

for (const binary of redisBinaries()) {
  it.live(`RelayLogRedis, ${binary.version}: refuses above the share of memory, and writes again below it`, () =>
    Effect.gen(function* () {
      const { address, servers } = yield* standalone(binary.path)
      const port = servers[0]!.port
      yield* Effect.gen(function* () {
        const log = yield* RelayLog
        yield* log.append(anEntry(1))
        yield* ask(port, "config", "set", "maxmemory", "1")
        yield* eventually(
          Effect.flatMap(Effect.exit(log.append(anEntry(2))), (exit) =>
            expectThat(exit._tag === "Failure" && String(exit.cause).includes("RelayLogFull"), "not refused")
          )
        )
        const full = yield* Effect.flip(log.append(anEntry(3)))
        assert.isTrue(full._tag === "RelayLogFull" && full.bytes !== undefined && full.bytes > (full.bytesLimit ?? 0))
        yield* ask(port, "config", "set", "maxmemory", "0")
        yield* eventually(Effect.asVoid(log.append(anEntry(4))))
      }).pipe(Effect.provide(over(settingsFor(address))))
    }).pipe(Effect.scoped)
  )

  it.live(`RelayLogRedis, ${binary.version}: says what the server said when its memory is full`, () =>
    Effect.gen(function* () {
      const { address, servers } = yield* standalone(binary.path)
      yield* Effect.gen(function* () {
        const log = yield* RelayLog
        yield* log.append(anEntry(1))
        yield* ask(servers[0]!.port, "config", "set", "maxmemory", "1")
        const failure = yield* Effect.flip(log.append(anEntry(2)))
        assert.include(String((failure as { readonly cause?: unknown }).cause), "raise maxmemory")
      }).pipe(Effect.provide(over(settingsFor(address), { memoryShare: Infinity })))
    }).pipe(Effect.scoped)
  )

  it.live(
    `RelayLogRedis, ${binary.version}: appends again what a failover of a sentinel's master has lost`,
    () =>
      Effect.gen(function* () {
        const { address, servers } = yield* sentinel(binary.path)
        const [master, replica] = servers
        yield* Effect.gen(function* () {
          const log = yield* RelayLog
          const connections = yield* RedisConnections
          const stream = connections.names.relays(alice)
          yield* identified
          yield* log.append(anEntry(0))
          const lost = yield* appendUnreplicated(master!, replica!)
          yield* appendedAnew(stream, lost)
        }).pipe(Effect.provide(over(settingsFor(address))))
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    `RelayLogRedis, ${binary.version}: appends again what a cluster's failover has lost`,
    () =>
      Effect.gen(function* () {
        const { address, servers } = yield* cluster(binary.path)
        yield* Effect.gen(function* () {
          const log = yield* RelayLog
          const { commands, names } = yield* RedisConnections
          yield* identified
          yield* log.append(anEntry(0))
          const slot = yield* commands.call("cluster", "keyslot", names.relays(alice))
          const owner = Math.floor((Number(slot) * 3) / 16_384)
          const [master, replica] = [servers[owner]!, servers[owner + 3]!]
          const lost = yield* appendUnreplicated(master, replica)
          yield* appendedAnew(names.relays(alice), lost)
        }).pipe(Effect.provide(over(settingsFor(address))))
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(`RelayLogRedis, ${binary.version}: appends again what a restart without persistence has lost`, () =>
    Effect.gen(function* () {
      const { address, servers } = yield* standalone(binary.path)
      yield* Effect.gen(function* () {
        const log = yield* RelayLog
        const { names } = yield* RedisConnections
        yield* identified
        yield* Effect.forEach([1, 2, 3], (n) => log.append(anEntry(n)))
        yield* servers[0]!.signal("SIGKILL")
        const failure = yield* Effect.flip(log.append(anEntry(4)))
        assert.strictEqual(failure._tag, "RelayLogUnavailable")
        yield* servers[0]!.start
        yield* eventually(
          Effect.flatMap(entriesOf(names.relays(alice)), ({ length }) => expectThat(length === 3, `${length} entries`))
        )
        yield* log.append(anEntry(5))
      }).pipe(Effect.provide(over(settingsFor(address))))
    }).pipe(Effect.scoped)
  )
}

/** Appends two relays that only the master gets, which then is gone. Returns their ids. */
const appendUnreplicated = Effect.fnUntraced(function* (master: RedisProcess, replica: RedisProcess) {
  const log = yield* RelayLog
  yield* replica.signal("SIGSTOP")
  // Without the connection nothing waits for the replica in a buffer either.
  yield* ask(master.port, "client", "kill", "type", "replica")
  const ids = yield* Effect.forEach([1, 2], (n) => log.append(anEntry(n)))
  yield* master.signal("SIGKILL")
  yield* replica.signal("SIGCONT")
  return ids
})

/** Waits until both relays are in the stream, and not as the entries that were lost. */
const appendedAnew = (stream: string, lost: ReadonlyArray<string>) =>
  eventually(
    Effect.flatMap(entriesOf(stream), (entries) => {
      const found = entries.map(({ fields }) => fields[1]!.toString("hex"))
      const expected = [1, 2].map((n) => Buffer.from(encodeMinedRelay(aRelay(n))).toString("hex"))
      const isThere = expected.every((each) => found.includes(each))
      const isNew = entries.every(({ id }) => !lost.includes(id))
      return expectThat(isThere && isNew, `${found.length} entries, ${isNew ? "" : "not "}lost`)
    })
  )

/** Until the servers behind the connection are known. */
const identified = Effect.flatMap(RedisConnections, ({ state }) =>
  eventually(Effect.flatMap(state, (now) => expectThat(now.identified, "not identified")))
)
