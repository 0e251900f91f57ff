/** Ours goes on with the sessions that Go miners left, also with those to which no relay comes any more. */
import { assert, it } from "@effect/vitest"
import { bytesToHex } from "@noble/curves/utils.js"
import { Effect, Layer, Option, Result } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import { nodeSha256 } from "../../../adapters/crypto/NodeSha256.ts"
import * as GoSessionsRedis from "../../../adapters/redis/GoSessions.ts"
import * as LeasesRedis from "../../../adapters/redis/LeasesRedis.ts"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import type { RedisArgument } from "../../../adapters/redis/RedisLink.ts"
import { StreamLosses } from "../../../adapters/redis/StreamLosses.ts"
import * as SupplierStoreRedis from "../../../adapters/redis/SupplierStoreRedis.ts"
import { checkpoint } from "../../../domain/mining/Checkpoint.ts"
import { makeSessionLedger, SessionLedger } from "../../../domain/mining/SessionLedger.ts"
import { makeSessionTries, SessionTries } from "../../../domain/mining/SessionTries.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { GoSessions } from "../../../domain/ports/GoSessions.ts"
import { Leases } from "../../../domain/ports/Leases.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../../domain/protocol/Identifiers.ts"
import { replay } from "../../../domain/session/SessionState.ts"
import { Trie } from "../../../domain/smst/Trie.ts"
import { adoptGoSessions } from "../../../domain/supplier/AdoptGoSessions.ts"
import { aRelay } from "../../contract/StoreFixtures.ts"
import { makeWorld, SUPPLIER } from "../../domain/cache/CacheWorld.ts"
import { onEveryStandalone } from "../../support/EveryRedis.ts"

const ACTIVE = SessionId.make("aa".repeat(32))
const CLAIMED = SessionId.make("bb".repeat(32))
/** Compute units of a relay as the chain of `CacheWorld` has them. */
const UNITS = 1n

onEveryStandalone("Sessions of Go miners", (redis) => {
  const world = Layer.unwrap(
    Effect.map(makeWorld, (chain) =>
      Layer.mergeAll(SupplierStoreRedis.layer, LeasesRedis.layer, GoSessionsRedis.layer).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            StreamLosses.layer,
            Layer.succeed(ChainQuery, chain.query),
            Layer.succeed(Blocks, chain.blocks)
          )
        ),
        Layer.provideMerge(Layer.merge(RedisConnections.layer(redis.settings()), EntropyNode.layer))
      )
    )
  )
  const test = <E>(title: string, body: Effect.Effect<void, E, Layer.Success<typeof world>>) =>
    it.live(title, () => Effect.scoped(Effect.provide(body, Layer.fresh(world))))
  const command = (name: string, ...args: ReadonlyArray<RedisArgument>) =>
    RedisConnections.RedisConnections.use(({ commands }) => commands.call(name, ...args))

  /** What Go leaves of a session: each update's new nodes, a live root at the first and at each tenth update. */
  const goSession = Effect.fnUntraced(function* (
    session: SessionId,
    relays: number,
    state: string,
    change: { readonly weight?: bigint; readonly sealed?: boolean } = {}
  ) {
    const { base } = (yield* RedisConnections.RedisConnections).names
    const smst = `${base}:smst:${SUPPLIER}:${session}`
    const trie = Trie.empty(nodeSha256)
    for (let n = 1; n <= relays; n++) {
      const { relayBytes } = aRelay(n)
      Result.getOrThrow(trie.update(nodeSha256(relayBytes), relayBytes, change.weight ?? UNITS))
      const { writes } = trie.commit()
      yield* command(
        "hset",
        `${smst}:nodes`,
        ...writes.flatMap(({ digest, encoding }) => [bytesToHex(digest), encoding])
      )
      if (n === 1 || n % 10 === 0) yield* command("set", `${smst}:live_root`, trie.root(), "ex", 7_200)
    }
    if (change.sealed === true) yield* command("set", `${smst}:root`, trie.root(), "ex", 7_200)
    const record = {
      session_id: session,
      supplier_operator_address: SUPPLIER,
      service_id: "anvil",
      application_address: "pokt1application",
      session_start_height: "81",
      session_end_height: "90",
      state,
      relay_count: String(relays),
      total_compute_units: String(relays),
      created_at: "2026-01-01T00:00:00Z",
      a_newer_field: "x"
    }
    yield* command("hset", `${base}:miner:sessions:${SUPPLIER}:${session}`, ...Object.entries(record).flat())
    yield* command("sadd", `${base}:miner:sessions:${SUPPLIER}:index`, session)
    return trie.root()
  })

  const stateOf = (session: SessionId) =>
    Effect.map(
      SupplierStore.use((store) => store.load(SUPPLIER, session)),
      Option.map((stored) => ({ stored, state: replay(stored.events) }))
    )

  test(
    "become ours with every leaf that is stored, beyond Go's last checkpoint too, and are checkpointed",
    Effect.gen(function* () {
      const leases = yield* Leases
      const store = yield* SupplierStore
      const root = yield* goSession(ACTIVE, 25, "active")
      const lease = Option.getOrThrow(yield* leases.acquire(SUPPLIER, "ours"))
      yield* adoptGoSessions(lease)
      // And nothing a second time.
      yield* adoptGoSessions(lease)
      const { state, stored } = Option.getOrThrow(yield* stateOf(ACTIVE))
      assert.deepInclude(stored, { version: 1, count: 25n, sum: 25n })
      assert.strictEqual(bytesToHex(stored.root), bytesToHex(root))
      assert.strictEqual(state.status, "open")
      assert.deepInclude(state.header, { serviceId: "anvil", sessionStartBlockHeight: 81n, sessionEndBlockHeight: 90n })

      // The owner's pipeline finds it among its sessions, and stores what Go's checkpoint lacked.
      const tries = yield* makeSessionTries(SUPPLIER, 4)
      const ledger = yield* makeSessionLedger(lease).pipe(Effect.provideService(SessionTries, tries))
      assert.deepStrictEqual(
        (yield* ledger.live).map(({ session }) => session),
        [ACTIVE]
      )
      yield* checkpoint(ACTIVE).pipe(
        Effect.provideService(SessionLedger, ledger),
        Effect.provideService(SessionTries, tries)
      )
      const after = Option.getOrThrow(yield* store.load(SUPPLIER, ACTIVE))
      assert.strictEqual(bytesToHex(Option.getOrThrow(after.liveRoot)), bytesToHex(root))
    })
  )

  test(
    "that were claimed are sealed as they were claimed",
    Effect.gen(function* () {
      const lease = Option.getOrThrow(yield* Leases.use((leases) => leases.acquire(SUPPLIER, "ours")))
      const root = yield* goSession(CLAIMED, 14, "claimed", { sealed: true })
      yield* adoptGoSessions(lease)
      const { state, stored } = Option.getOrThrow(yield* stateOf(CLAIMED))
      assert.strictEqual(state.status, "sealed")
      assert.strictEqual(bytesToHex(stored.root), bytesToHex(root))
    })
  )

  test(
    "that have ended, lost leaves, or have another price are left alone; one of them stops no other",
    Effect.gen(function* () {
      const { names } = yield* RedisConnections.RedisConnections
      const lease = Option.getOrThrow(yield* Leases.use((leases) => leases.acquire(SUPPLIER, "ours")))
      const ids = Array.from({ length: 4 }, (_, n) => SessionId.make(`0${n}`.repeat(32)))
      yield* goSession(ids[0]!, 3, "proved")
      yield* goSession(ids[1]!, 3, "active", { weight: 2n })
      yield* goSession(ids[2]!, 5, "claimed", { sealed: true })
      const nodes = (yield* command("hkeys", names.trie(SUPPLIER, ids[2]!, "nodes"))) as ReadonlyArray<string>
      const leaf = (yield* SupplierStore.use((store) => store.readLeaves(SUPPLIER, ids[2]!)))[0]
      assert.include(nodes, bytesToHex(leaf!.digest))
      yield* command("hdel", names.trie(SUPPLIER, ids[2]!, "nodes"), bytesToHex(leaf!.digest))
      yield* goSession(ids[3]!, 3, "active")
      yield* command("hdel", names.session(SUPPLIER, ids[3]!), "session_end_height")
      yield* command("sadd", names.sessionIndex(SUPPLIER), "expired long ago")
      yield* goSession(ACTIVE, 2, "claiming")
      assert.deepStrictEqual(
        (yield* GoSessions.use((go) => go.unfinished(SUPPLIER))).map(({ session }) => session),
        [ids[1], ids[2], ACTIVE]
      )
      yield* adoptGoSessions(lease)
      for (const session of ids) {
        const known = yield* stateOf(session)
        assert.strictEqual(Option.isSome(known) ? known.value.stored.version : 0, 0, session)
      }
      assert.deepInclude(Option.getOrThrow(yield* stateOf(ACTIVE)).stored, { version: 1, count: 2n })
    })
  )
})
