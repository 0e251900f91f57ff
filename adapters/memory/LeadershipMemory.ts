/** `Leadership` over the shared memory stores: for replicas of one process, as tests have them. */
import { Duration, Effect, Layer, Option } from "effect"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { Leadership } from "../../domain/ports/Leadership.ts"
import { LEADER_TTL } from "../../domain/supplier/LeaderElection.ts"
import { MemoryStores } from "./MemoryStores.ts"

/** A leadership that lasts `ttl` from acquisition or renewal. */
export const layerWith = (ttl: Duration.Duration): Layer.Layer<Leadership, never, MemoryStores> =>
  Layer.effect(
    Leadership,
    Effect.gen(function* () {
      const stores = yield* MemoryStores
      const life = Duration.toMillis(ttl)
      const present = (now: number) => {
        const { leader } = stores
        return leader.present !== undefined && leader.present.expiresAt > now ? leader.present.value : undefined
      }
      const lead = (replica: string, now: number) => {
        stores.leader.present = { value: replica, expiresAt: now + life }
        return true
      }
      return Leadership.of({
        ttl,
        acquire: (replica) =>
          Effect.map(monotonicMillis, (now) => {
            const leader = present(now)
            return leader === undefined || leader === replica ? lead(replica, now) : false
          }),
        renew: (replica) =>
          Effect.map(monotonicMillis, (now) => (present(now) === replica ? lead(replica, now) : false)),
        release: (replica) =>
          Effect.map(monotonicMillis, (now) => {
            if (present(now) === replica) stores.leader.present = undefined
          }),
        leader: Effect.map(monotonicMillis, (now) => Option.fromUndefinedOr(present(now)))
      })
    })
  )

/** For 30 s. */
export const layer = layerWith(LEADER_TTL)
