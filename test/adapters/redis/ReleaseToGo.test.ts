/** A supplier given back to Go's miners: their records, roots and stream, or a refusal that says what is under way. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { releaseForRollback } from "../../../adapters/redis/GoRollback.ts"
import { RedisConnections } from "../../../adapters/redis/RedisConnections.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import type { SessionEvent } from "../../../domain/session/SessionEvent.ts"
import { aLeaf, alice, aSeal, aTally, first, second } from "../../contract/StoreFixtures.ts"
import { acquire, append, commit, handOver, load, takeNow } from "../../contract/SupplierStoreWorld.ts"
import { onEveryStandalone } from "../../support/EveryRedis.ts"
import { storeLayer } from "./StoreWorld.ts"

type Ports = Layer.Success<ReturnType<typeof storeLayer>>

const command = (name: string, ...args: ReadonlyArray<string | number>) =>
  RedisConnections.use(({ commands }) => commands.call(name, ...args))

const opened = (sessionId: string): SessionEvent => ({
  _tag: "SessionOpened",
  supplier: alice,
  application: "pokt1application",
  service: "anvil",
  sessionId,
  startHeight: 31n,
  endHeight: 40n,
  computeUnitsPerRelay: 7n
})

onEveryStandalone("Rollback to Go", (redis) => {
  const test = <E>(name: string, body: () => Effect.Effect<void, E, Ports>) =>
    it.live(name, () =>
      Effect.provide(
        Effect.suspend(body),
        Layer.suspend(() => storeLayer(redis.settings()))
      )
    )

  test("writes records, indexes, roots and stats, and lets the group read from the beginning", () =>
    Effect.gen(function* () {
      const { names } = yield* RedisConnections
      const lease = yield* acquire()
      const ids = yield* append(0, 3)
      yield* takeNow(lease)
      const checkpoint = (count: number) => Option.some({ liveRoot: aTally(count).root, tailCovered: count })
      yield* commit(lease, {
        leaves: [aLeaf(1)],
        ...aTally(1),
        events: [opened(first)],
        checkpoint: checkpoint(1),
        acknowledged: [ids[0]!]
      })
      yield* commit(lease, {
        session: second,
        leaves: [aLeaf(1), aLeaf(2)],
        ...aTally(2),
        events: [
          opened(second),
          aSeal(2),
          { _tag: "ClaimSubmitted", txHash: "AB", height: 46n },
          { _tag: "ClaimIncluded", height: 47n, claimedUpokt: 1n }
        ],
        checkpoint: checkpoint(2)
      })
      yield* command("sadd", names.sessionsByState(alice, "claiming"), second)
      assert.deepStrictEqual(yield* releaseForRollback(lease), [first, second])

      const index = (yield* command("smembers", names.sessionIndex(alice))) as ReadonlyArray<string>
      assert.sameMembers([...index], [first, second])
      assert.deepStrictEqual(yield* command("smembers", names.sessionsByState(alice, "active")), [first])
      assert.deepStrictEqual(yield* command("smembers", names.sessionsByState(alice, "claimed")), [second])
      assert.deepStrictEqual(yield* command("smembers", names.sessionsByState(alice, "claiming")), [])
      const field = (session: string, name: string) => command("hget", names.session(alice, session), name)
      assert.deepStrictEqual(
        [yield* field(first, "state"), yield* field(first, "relay_count"), yield* field(first, "claimed_root_hash")],
        ["active", "1", null]
      )
      assert.deepStrictEqual(
        [
          yield* field(second, "state"),
          yield* field(second, "total_compute_units"),
          yield* field(second, "claim_tx_hash"),
          yield* command("strlen", names.trie(alice, second, "root")),
          yield* command("get", names.trie(alice, second, "stats")),
          yield* command("exists", names.trie(alice, first, "root"))
        ],
        ["claimed", "14", "AB", 48, "2:14", 0]
      )
      assert.match(String(yield* field(first, "created_at")), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

      // Go reads as a consumer of its own, and finds what is not settled.
      const read = yield* command("xreadgroup", "GROUP", names.group, "miner-go-1", "STREAMS", names.stream(alice), ">")
      const entries = (read as ReadonlyArray<readonly [string, ReadonlyArray<readonly [string]>]>)[0]?.[1] ?? []
      assert.deepStrictEqual(
        entries.map(([id]) => id),
        ids.slice(1)
      )

      // Should the supplier come back, its sessions are adopted from what Go has.
      const store = yield* SupplierStore
      yield* handOver(lease)
      assert.deepStrictEqual(yield* store.sessions(alice), [first, second])
      const back = yield* load(second)
      assert.deepStrictEqual(
        [back.version, back.events.map(({ _tag }) => _tag)],
        [1, ["SessionOpened", "SessionSealed"]]
      )
      for (const key of ["nodes", "live_root"] as const) {
        assert.strictEqual(yield* command("ttl", names.trie(alice, first, key)), -1)
      }
    }))

  test("is refused while a session waits for its claim, or has leaves that no checkpoint covers", () =>
    Effect.gen(function* () {
      const { names } = yield* RedisConnections
      const store = yield* SupplierStore
      const lease = yield* acquire()
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), events: [opened(first)] })
      assert.deepInclude(yield* Effect.flip(releaseForRollback(lease)), {
        _tag: "RollbackRefused",
        reason: "not_checkpointed"
      })
      const checkpoint = Option.some({ liveRoot: aTally(1).root, tailCovered: 1 })
      yield* commit(lease, { expectedVersion: 1, ...aTally(1), events: [aSeal(1)], checkpoint })
      assert.deepInclude(yield* Effect.flip(releaseForRollback(lease)), {
        reason: "claim_under_way",
        sessions: [first]
      })
      assert.strictEqual(yield* command("exists", names.session(alice, first)), 0)
      yield* store.forget(lease, first)
      yield* handOver(lease)
      assert.strictEqual((yield* Effect.flip(releaseForRollback(lease)))._tag, "LeaseLost")
    }))
})
