/** Seals that wait for replicas of the server (`WAIT`), on a master whose replica answers, stands still, or is not there. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Layer, Metric, References } from "effect"
import { SupplierStoreSettings } from "../../../adapters/redis/SupplierStoreRedis.ts"
import { aLeaf, aSeal, aTally } from "../../contract/StoreFixtures.ts"
import { acquire, commit, load } from "../../contract/SupplierStoreWorld.ts"
import { onEveryRedis } from "../../support/EveryRedis.ts"
import { redisProcess } from "../../support/RedisProcess.ts"
import { storeLayer } from "./StoreWorld.ts"

const seconds = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(effect), ([took]) => Duration.toSeconds(took))

/** Seals counted as not replicated so far. */
const behind = Effect.map(Metric.snapshot, (all) =>
  all.reduce(
    (sum, { id, state }) =>
      id === "relaymill_redis_seals_not_replicated_total" && "count" in state ? sum + Number(state.count) : sum,
    0
  )
)

onEveryRedis("SupplierStoreRedis, seals", (redis) => {
  const over = (sealReplicas: number) =>
    storeLayer(redis.settings()).pipe(
      Layer.provide(Layer.succeed(SupplierStoreSettings, { blockTime: Duration.minutes(1), sealReplicas })),
      Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
    )
  const sealed = Effect.gen(function* () {
    const lease = yield* acquire()
    const open = yield* seconds(commit(lease, { leaves: [aLeaf(1)], ...aTally(1) }))
    const before = yield* behind
    const seal = yield* seconds(commit(lease, { expectedVersion: 1, ...aTally(1), events: [aSeal(1)] }))
    assert.deepStrictEqual((yield* load()).events, [aSeal(1)])
    return { open, seal, missed: (yield* behind) - before }
  })

  if (redis.topology === "standalone")
    it.live("wait for a replica and no longer", () =>
      Effect.gen(function* () {
        const master = redis.deployment().servers[0]!
        const replica = yield* redisProcess(redis.binary.path, {
          args: ["--replicaof", "127.0.0.1", String(master.port)]
        })
        const until = Effect.gen(function* () {
          const { seal, missed } = yield* Effect.provide(sealed, over(1))
          assert.isBelow(seal, 1)
          assert.strictEqual(missed, 0)
        })
        // The replica is in step some time after its start.
        yield* Effect.retry(until, { times: 5 })
        yield* replica.signal("SIGSTOP")
        const alone = yield* Effect.provide(sealed, over(1))
        yield* replica.signal("SIGCONT")
        assert.isAtLeast(alone.seal, 0.9)
        assert.isBelow(alone.open, 0.9)
        assert.strictEqual(alone.missed, 1)
      })
    )

  if (redis.topology === "cluster")
    it.live("wait for the replica of the supplier's master", () =>
      Effect.retry(
        Effect.gen(function* () {
          const { missed } = yield* Effect.provide(sealed, over(1))
          assert.strictEqual(missed, 0)
        }),
        { times: 5 }
      )
    )

  it.live("wait for none where none is asked for", () =>
    Effect.gen(function* () {
      const { seal, missed } = yield* Effect.provide(sealed, over(0))
      assert.isBelow(seal, 0.9)
      assert.strictEqual(missed, 0)
    })
  )
})
