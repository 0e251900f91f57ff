/** `SupplierStoreRedis` with a log and leases that do what the Redis adapters of those ports do, in as few lines. */
import { randomBytes } from "node:crypto"
import { Duration, Effect, Layer, Option } from "effect"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import type { RedisSettings } from "../../../adapters/redis/RedisSettings.ts"
import { fieldsOf, itemsOf, textOf } from "../../../adapters/redis/StoreReplies.ts"
import { StreamLosses } from "../../../adapters/redis/StreamLosses.ts"
import * as SupplierStoreRedis from "../../../adapters/redis/SupplierStoreRedis.ts"
import { LeaseLost, Leases, LeasesUnavailable } from "../../../domain/ports/Leases.ts"
import { RelayLog, RelayLogUnavailable } from "../../../domain/ports/RelayLog.ts"
import { encodeMinedRelay } from "../../../domain/relay/MinedRelay.ts"
import { formatTraceparent } from "../../../domain/tracing/Traceparent.ts"
import { StoreInspector, type StorePorts } from "../../contract/SupplierStoreWorld.ts"

/** Life of leases whose end a test waits for. */
const SHORT_LIFE = Duration.seconds(4)

const leases = (ttl: Duration.Duration) =>
  Layer.effect(
    Leases,
    Effect.gen(function* () {
      const { commands, names } = yield* RedisConnections.RedisConnections
      const away = (operation: LeasesUnavailable["operation"]) => (cause: unknown) =>
        new LeasesUnavailable({ operation, cause })
      const held = (supplier: string) => commands.call("get", names.fence(supplier))
      return Leases.of({
        ttl,
        acquire: (supplier, owner) =>
          Effect.gen(function* () {
            const nonce = randomBytes(16).toString("hex")
            const set = yield* commands.call("set", names.fence(supplier), nonce, "PX", Duration.toMillis(ttl), "NX")
            return set === "OK" ? Option.some({ supplier, nonce, owner, epoch: 1 }) : Option.none()
          }).pipe(Effect.mapError(away("acquire"))),
        renew: (leases) =>
          Effect.forEach(leases, ({ nonce, owner, supplier }) =>
            Effect.gen(function* () {
              if ((yield* Effect.mapError(held(supplier), away("renew"))) !== nonce) {
                return yield* new LeaseLost({ supplier, owner })
              }
              const renewal = commands.call("pexpire", names.fence(supplier), Duration.toMillis(ttl))
              yield* Effect.mapError(renewal, away("renew"))
            }).pipe(Effect.result)
          ),
        release: (lease) =>
          Effect.gen(function* () {
            if ((yield* held(lease.supplier)) !== lease.nonce) return
            yield* commands.call("del", names.fence(lease.supplier))
          }).pipe(Effect.mapError(away("release"))),
        announce: () => Effect.void,
        withdraw: () => Effect.void,
        replicas: Effect.succeed([])
      })
    })
  )

const log = Layer.effect(
  RelayLog,
  Effect.gen(function* () {
    const { commands, names, topology } = yield* RedisConnections.RedisConnections
    return RelayLog.of({
      append: ({ relay, trace }) =>
        Effect.gen(function* () {
          const supplier = relay.supplierOperatorAddress
          const parent = Option.match(trace, {
            onNone: () => [],
            onSome: (span) => ["traceparent", formatTraceparent(span)]
          })
          const id = yield* commands.call(
            "xadd",
            names.relays(supplier),
            "*",
            "data",
            encodeMinedRelay(relay),
            ...parent
          )
          if (topology === "cluster") yield* commands.call("publish", names.hints, supplier)
          return textOf(id)
        }).pipe(Effect.mapError((cause) => new RelayLogUnavailable({ operation: "append", cause }))),
      announceSpool: () => Effect.void
    })
  })
)

/** On a cluster, ids that the log returned, as deliveries have them. */
const doubled = (log: RelayLog["Service"]): RelayLog["Service"] => ({
  ...log,
  append: (entry) =>
    Effect.map(log.append(entry), (id) => {
      const [time = "", sequence = "0"] = id.split("-")
      return `${time}-${Number(sequence) * 2}`
    })
})

const inspector = Layer.effect(
  StoreInspector,
  Effect.gen(function* () {
    const { commands, names } = yield* RedisConnections.RedisConnections
    return StoreInspector.of({
      setAside: (supplier) =>
        commands.callBytes("xrange", names.dead(supplier), "-", "+").pipe(
          Effect.map((entries) =>
            itemsOf(entries).map((entry) => {
              const fields = fieldsOf(itemsOf(entry)[1])
              return { id: textOf(fields.get("id")), reason: textOf(fields.get("reason")) }
            })
          ),
          Effect.orDie
        ),
      setAsideLimit: SupplierStoreRedis.SET_ASIDE_LIMIT
    })
  })
)

/** Everything over these settings; connections are shared and can be used by the test. */
export const storeLayer = (settings: RedisSettings, leaseLife = SHORT_LIFE) => {
  const portLog =
    settings.address._tag === "Cluster"
      ? Layer.effect(RelayLog, Effect.map(RelayLog, doubled)).pipe(Layer.provide(log))
      : log
  return Layer.mergeAll(SupplierStoreRedis.layer, leases(leaseLife), portLog, inspector).pipe(
    Layer.provideMerge(StreamLosses.layer),
    Layer.provideMerge(RedisConnections.layer(settings))
  )
}

/** Fresh keys each time the layer is built. */
export const freshStore = (settings: () => RedisSettings): Layer.Layer<StorePorts> =>
  Layer.suspend(() => storeLayer(settings()))
