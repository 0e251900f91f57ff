/** A supplier goes back to Go miners: what they find in Redis, and what keeps it with us. */
import { assert, it } from "@effect/vitest"
import { bytesToHex } from "@noble/curves/utils.js"
import { Duration, Effect, Layer, Option, Redacted, Result } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import { nodeSha256 } from "../../../adapters/crypto/NodeSha256.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import * as BroadcastRedis from "../../../adapters/redis/BroadcastRedis.ts"
import * as GoRollback from "../../../adapters/redis/GoRollback.ts"
import * as LeasesRedis from "../../../adapters/redis/LeasesRedis.ts"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import * as SharedCacheRedis from "../../../adapters/redis/SharedCacheRedis.ts"
import { bytesOf, fieldsOf, textOf } from "../../../adapters/redis/StoreReplies.ts"
import { StreamLosses } from "../../../adapters/redis/StreamLosses.ts"
import * as SupplierStoreRedis from "../../../adapters/redis/SupplierStoreRedis.ts"
import { SupplierStates } from "../../../domain/cache/SupplierStates.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../../domain/ports/ChainTx.ts"
import { Leases } from "../../../domain/ports/Leases.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../../domain/protocol/Identifiers.ts"
import type { SessionEvent } from "../../../domain/session/SessionEvent.ts"
import { Trie } from "../../../domain/smst/Trie.ts"
import { releaseForRollback } from "../../../domain/supplier/ReleaseForRollback.ts"
import { aRelay } from "../../contract/StoreFixtures.ts"
import { makeWorld, SUPPLIER, supplier } from "../../domain/cache/CacheWorld.ts"
import { onEveryStandalone } from "../../support/EveryRedis.ts"

const OPEN = SessionId.make("aa".repeat(32))
const SEALED = SessionId.make("cc".repeat(32))

/** Leaves of a trie of so many relays, and the trie. */
const trieOf = (relays: number) => {
  const trie = Trie.empty(nodeSha256)
  const paths = Array.from({ length: relays }, (_, n) => {
    const { relayBytes } = aRelay(n)
    const key = nodeSha256(relayBytes)
    return { key, path: nodeSha256(key), value: relayBytes, weight: 7n }
  })
  const leaves = Result.getOrThrow(trie.insertBatch(paths)).writes
  return { leaves, root: trie.root(), count: BigInt(relays), sum: 7n * BigInt(relays), paths }
}

const opened = (session: string): SessionEvent => ({
  _tag: "SessionOpened",
  supplier: SUPPLIER,
  application: "pokt1application",
  service: "anvil",
  sessionId: session,
  startHeight: 101n,
  endHeight: 110n,
  computeUnitsPerRelay: 7n
})

onEveryStandalone("Release for Go miners", (redis) => {
  const world = Layer.unwrap(
    Effect.map(makeWorld, (chain) =>
      Layer.mergeAll(SupplierStates.layer, LeasesRedis.layer, GoRollback.layer).pipe(
        Layer.provideMerge(SupplierStoreRedis.layer),
        Layer.provideMerge(
          Layer.mergeAll(
            SharedCacheRedis.layer,
            BroadcastRedis.layer,
            StreamLosses.layer,
            Layer.succeed(ChainQuery, chain.query),
            Layer.succeed(Blocks, chain.blocks),
            Layer.mock(ChainTx, { chainId: "pocket" }),
            SupplierKeysMemory.layer([Redacted.make(supplier.privateKey)])
          )
        ),
        Layer.provideMerge(Layer.merge(RedisConnections.layer(redis.settings()), EntropyNode.layer))
      )
    )
  )
  const test = <E>(title: string, body: Effect.Effect<void, E, Layer.Success<typeof world>>) =>
    it.live(title, () => Effect.scoped(Effect.provide(body, Layer.fresh(world))))
  const command = (name: string, ...args: ReadonlyArray<string>) =>
    RedisConnections.RedisConnections.use(({ commands }) => commands.call(name, ...args))
  const bytesAt = (key: string) =>
    Effect.map(
      RedisConnections.RedisConnections.use(({ commands }) => commands.callBytes("get", key)),
      (reply) => bytesOf(reply)
    )

  test(
    "leaves a trie that Go finds whole, its record and indexes, and the state",
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const leases = yield* Leases
      const { names } = yield* RedisConnections.RedisConnections
      const { leaves, root, count, sum, paths } = trieOf(40)
      const lease = Option.getOrThrow(yield* leases.acquire(SUPPLIER, "miner-0"))
      yield* store.commit(lease, {
        session: OPEN,
        expectedVersion: 0,
        leaves,
        root,
        count,
        sum,
        events: [opened(OPEN)],
        checkpoint: Option.none(),
        acknowledged: []
      })
      yield* leases.release(lease)
      const rolled = yield* releaseForRollback(SUPPLIER, Duration.seconds(20))
      assert.deepStrictEqual(rolled, [OPEN])

      const record = fieldsOf(
        yield* RedisConnections.RedisConnections.use(({ commands }) =>
          commands.callBytes("hgetall", `${names.base}:miner:sessions:${SUPPLIER}:${OPEN}`)
        )
      )
      const texts = Object.fromEntries([...record].map(([name, value]) => [name, textOf(value)]))
      assert.deepInclude(texts, {
        session_id: OPEN,
        supplier_operator_address: SUPPLIER,
        service_id: "anvil",
        application_address: "pokt1application",
        session_start_height: "101",
        session_end_height: "110",
        state: "active",
        relay_count: "40",
        total_compute_units: "280"
      })
      assert.notProperty(texts, "claimed_root_hash")
      assert.match(texts["last_updated_at"] ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
      const index = `${names.base}:miner:sessions:${SUPPLIER}`
      assert.deepStrictEqual(yield* command("smembers", `${index}:index`), [OPEN])
      assert.deepStrictEqual(yield* command("smembers", `${index}:state:active`), [OPEN])
      const smst = `${names.base}:smst:${SUPPLIER}:${OPEN}`
      assert.strictEqual(yield* command("exists", `${smst}:root`, `${smst}:stats`), 0)

      // As Go opens it: from the live root, node by node.
      const live = yield* bytesAt(`${smst}:live_root`)
      assert.strictEqual(bytesToHex(live ?? new Uint8Array()), bytesToHex(root))
      const trie = Trie.open(root, nodeSha256)
      for (;;) {
        const digests = trie.unresolved(paths.map(({ path }) => path))
        if (digests.length === 0) break
        const nodes = yield* store.readNodes(SUPPLIER, OPEN, digests)
        for (const [n, digest] of digests.entries()) {
          assert.isTrue(Result.isSuccess(trie.resolve(digest, nodes[n] ?? new Uint8Array())))
        }
      }

      assert.strictEqual(yield* command("exists", names.fence(SUPPLIER), names.claim(SUPPLIER)), 0)
      assert.include(String(yield* command("get", `${names.base}:supplier:${SUPPLIER}`)), '"status":"active"')
    })
  )

  test(
    "is refused while a miner of ours is alive, while one holds the supplier, and while a claim is due",
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const leases = yield* Leases
      const refusal = Effect.map(Effect.flip(releaseForRollback(SUPPLIER, Duration.seconds(3))), (error) =>
        error._tag === "NotReleased" ? error.reason : error._tag
      )
      yield* leases.announce("miner-2")
      assert.strictEqual(yield* refusal, "replicas")
      yield* leases.withdraw("miner-2")
      const lease = Option.getOrThrow(yield* leases.acquire(SUPPLIER, "miner-0"))
      assert.strictEqual(yield* refusal, "owned")
      const { leaves, root, count, sum } = trieOf(3)
      yield* store.commit(lease, {
        session: SEALED,
        expectedVersion: 0,
        leaves,
        root,
        count,
        sum,
        events: [
          opened(SEALED),
          { _tag: "RelaysAccepted", root, count, sum },
          { _tag: "SessionSealed", root, count, sum, height: 112n }
        ],
        checkpoint: Option.none(),
        acknowledged: []
      })
      yield* leases.release(lease)
      assert.strictEqual(yield* refusal, "unfinished")
      // It is ours to finish: free for a miner of ours.
      assert.isTrue(Option.isSome(yield* leases.acquire(SUPPLIER, "miner-0")))
    })
  )
})
