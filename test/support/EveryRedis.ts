/** Runs a suite on every server program at hand, on one server and on a cluster. Servers are shared by a test file. */
import { afterAll, beforeAll, describe } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import type { RedisSettings } from "../../adapters/redis/RedisSettings.ts"
import { type RedisBinary, redisBinaries } from "./RedisBinaries.ts"
import type { RedisTestFailure } from "./RedisProcess.ts"
import { cluster, type RedisDeployment, settingsFor, standalone } from "./RedisServers.ts"

/** The deployment under test. Usable inside tests, not while they are registered. */
export interface RedisUnderTest {
  /** `redis 7.0.15 standalone`. */
  readonly name: string
  readonly binary: RedisBinary
  readonly topology: "standalone" | "cluster"
  readonly deployment: () => RedisDeployment
  /** Settings with a namespace of their own each time. */
  readonly settings: (change?: Partial<RedisSettings>) => RedisSettings
}

/** Longest start of a cluster on a busy machine. */
const START_MILLIS = 60_000

/** Registers `suite` once for each program and topology. */
export const onEveryRedis = (name: string, suite: (redis: RedisUnderTest) => void): void => {
  for (const binary of redisBinaries()) {
    onRedis(name, binary, "standalone", standalone(binary.path), suite)
    onRedis(name, binary, "cluster", cluster(binary.path), suite)
  }
}

/** Registers `suite` once for each program, on one server each. */
export const onEveryStandalone = (name: string, suite: (redis: RedisUnderTest) => void): void => {
  for (const binary of redisBinaries()) onRedis(name, binary, "standalone", standalone(binary.path), suite)
}

const onRedis = (
  suiteName: string,
  binary: RedisBinary,
  topology: "standalone" | "cluster",
  start: Effect.Effect<RedisDeployment, RedisTestFailure, Scope.Scope>,
  suite: (redis: RedisUnderTest) => void
): void => {
  const name = `${binary.version} ${topology}`
  describe(`${suiteName}, ${name}`, () => {
    const scope = Scope.makeUnsafe()
    let running: RedisDeployment | undefined
    beforeAll(async () => {
      running = await Effect.runPromise(Scope.provide(start, scope))
    }, START_MILLIS)
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    const deployment = () => {
      if (running === undefined) throw new Error("the servers run inside tests only")
      return running
    }
    suite({ name, binary, topology, deployment, settings: (change) => settingsFor(deployment().address, change) })
  })
}
