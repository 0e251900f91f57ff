/** The connections to Redis that a configuration asks for. */
import { Effect, Layer } from "effect"
import type { RedisConfig } from "../adapters/config/RedisConfig.ts"
import * as RedisConnections from "../adapters/redis/RedisConnections.ts"
import { describeFinding, repairOf } from "../adapters/redis/RedisFindings.ts"
import * as RedisHealth from "../adapters/redis/RedisHealth.ts"
import { DEFAULT_COMMAND_TIMEOUT } from "../adapters/redis/RedisSettings.ts"

/** Connections of one process, and the look after the servers behind them. */
export const layer = ({ address, namespace, poolSize, poolTimeout }: RedisConfig) =>
  RedisHealth.layer.pipe(
    Layer.provideMerge(
      RedisConnections.layer({ address, namespace, poolSize, poolTimeout, commandTimeout: DEFAULT_COMMAND_TIMEOUT })
    )
  )

/** What is wrong with the servers now, each with its repair; none of it stops a process by itself. */
export const reasons = Effect.map(RedisHealth.RedisHealth, ({ findings }) =>
  Effect.map(findings, (found) =>
    found.map((finding) => ({ text: `${describeFinding(finding)}; ${repairOf(finding)}`, isBlocking: false }))
  )
)
