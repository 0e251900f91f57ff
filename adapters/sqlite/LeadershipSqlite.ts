/**
 * `Leadership` beside an SQLite database. The file belongs to one process, so that process leads from its start to its
 * end: nothing is stored, and no TTL ends it. Two ids within one process still exclude each other.
 */
import { type Duration, Effect, Layer, Option } from "effect"
import { Leadership } from "../../domain/ports/Leadership.ts"
import { LEADER_TTL } from "../../domain/supplier/LeaderElection.ts"

/** For the process that has the database. `ttl` only paces the renewals. */
export const layerWith = (ttl: Duration.Duration): Layer.Layer<Leadership> =>
  Layer.sync(Leadership, () => {
    let leader: string | undefined
    return {
      ttl,
      acquire: (replica) => Effect.sync(() => (leader ??= replica) === replica),
      renew: (replica) => Effect.sync(() => leader === replica),
      release: (replica) =>
        Effect.sync(() => {
          if (leader === replica) leader = undefined
        }),
      leader: Effect.sync(() => Option.fromUndefinedOr(leader))
    }
  })

/** Renewed as if it ended after 30 s. */
export const layer = layerWith(LEADER_TTL)
