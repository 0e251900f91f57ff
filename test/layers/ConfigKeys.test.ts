/** Every key of a file is read by the process that it configures, or its reader says that it has no effect. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Redacted } from "effect"
import type { Reader } from "../../adapters/config/ConfigReader.ts"
import { minerConfig } from "../../adapters/config/MinerConfig.ts"
import { relayerConfig } from "../../adapters/config/RelayerConfig.ts"
import * as Chain from "../../layers/Chain.ts"
import { runMinerProcess } from "../../layers/Miner.ts"
import { runRelayer } from "../../layers/Relayer.ts"
import { backendsOf, policyOf } from "../../layers/RelayerSettings.ts"
import { accepted, aService, fixture } from "../adapters/config/reading.ts"
import { redisBinaries } from "../support/RedisBinaries.ts"
import { standalone } from "../support/RedisServers.ts"

/** The same value; notes in `seen` every property that is read, by its path without items and entries. */
const watched = <A>(value: A, seen: Set<string>, path = ""): A => {
  const inner = (each: unknown): unknown => watch(each, path)
  const watch = (each: unknown, at: string): unknown => {
    if (Array.isArray(each)) return each.map((item) => watch(item, at))
    if (each instanceof Map) return new Map(Array.from(each, ([name, entry]) => [name, watch(entry, at)]))
    if (typeof each !== "object" || each === null || Object.getPrototypeOf(each) !== Object.prototype) return each
    return new Proxy(each, {
      get: (target, property, receiver) => {
        const found: unknown = Reflect.get(target, property, receiver)
        if (typeof property === "symbol") return found
        const place = at === "" ? property : `${at}.${property}`
        seen.add(place)
        return watch(found, place)
      }
    })
  }
  // A proxy of a value has its shape.
  return inner(value) as A
}

/** Keys that were not read although nothing says that they have no effect. */
const unread = (reader: Reader<unknown>, seen: ReadonlySet<string>): ReadonlyArray<string> => {
  const rows = reader.rows("")
  /** Sections whose switch has no effect, or may not be on. */
  const off = rows
    .filter(({ place, status }) => place.endsWith(".enabled") && (status === "warned" || status === "refused"))
    .map(({ place }) => place.slice(0, -"enabled".length))
  return rows
    .filter(({ place, status }) => status === "used" && !off.some((section) => place.startsWith(section)))
    .filter(({ property }) => !seen.has(property.replace(/\.backends\.urls?/, ".backends.endpoints")))
    .map(({ place }) => place)
}

const aRedis = Effect.suspend(() => standalone(redisBinaries()[0]?.path ?? ""))

const aFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-keys-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Keys of a file of one key, and a node that nobody is. */
const aStart = Effect.gen(function* () {
  const folder = yield* aFolder
  const keysFile = join(folder, "keys.yaml")
  writeFileSync(keysFile, `keys: ["${"07".repeat(32)}"]\n`, { mode: 0o600 })
  const nowhere = { rpcUrl: Redacted.make("http://127.0.0.1:1/"), grpc: { host: "127.0.0.1", port: 1 } }
  const { address } = yield* aRedis
  return { folder, keysFile, nowhere, address }
})

const anyPort = { host: "127.0.0.1", port: 0 }
const listening = { enabled: true, address: anyPort }

describe("keys of a configuration file", () => {
  it.live(
    "are read by a relayer",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { address, folder, keysFile, nowhere } = yield* aStart
          const { config } = accepted(relayerConfig, fixture("relayer.yaml"))
          const seen = new Set<string>()
          const started = yield* Deferred.make<void>()
          const own = watched(
            {
              ...config,
              listen: anyPort,
              metrics: listening,
              healthCheck: listening,
              redis: { ...config.redis, address },
              keys: { ...config.keys, keysFile, keysDir: undefined },
              pocketNode: { ...config.pocketNode, ...nowhere, moreNodes: [{ ...nowhere, grpcInsecure: true }] },
              responseCompression: { ...config.responseCompression, enabled: true },
              cacheWarmup: { ...config.cacheWarmup, enabled: true },
              spool: { ...config.spool, directory: join(folder, "spool") }
            },
            seen
          )
          yield* Effect.forkScoped(
            runRelayer(own, Chain.layerRelayer(own), () => Effect.asVoid(Deferred.succeed(started, undefined)))
          )
          yield* Deferred.await(started)
          assert.deepStrictEqual(unread(relayerConfig, seen), [])
        })
      ),
    60_000
  )

  it.live(
    "are read by a miner",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { address, keysFile, nowhere } = yield* aStart
          const { config } = accepted(minerConfig, fixture("miner.yaml"))
          const seen = new Set<string>()
          const started = yield* Deferred.make<void>()
          const own = watched(
            {
              ...config,
              metrics: listening,
              logging: { ...config.logging, sampling: true },
              redis: { ...config.redis, address },
              keys: { ...config.keys, keysFile, keysDir: undefined },
              pocketNode: { ...config.pocketNode, ...nowhere, moreNodes: [{ ...nowhere, grpcInsecure: true }] }
            },
            seen
          )
          yield* Effect.forkScoped(
            runMinerProcess(own, Chain.layerMiner(own), () => Effect.asVoid(Deferred.succeed(started, undefined)))
          )
          yield* Deferred.await(started)
          assert.deepStrictEqual(unread(minerConfig, seen), [])
        })
      ),
    60_000
  )

  it("of profiles and transports change what backends are called with", () => {
    const settings = (keys: string) => {
      const { config } = accepted(
        relayerConfig,
        aService(`timeout_profile: own\npool_profile: own\nbackends: { jsonrpc: { url: "http://h" } }\n`) + keys
      )
      return JSON.stringify([backendsOf(config), Array.from(policyOf(config, "relayer").services.values())])
    }
    const profiles = (timeouts: string, pools: string) =>
      settings(`timeout_profiles: { own: { ${timeouts} } }\npool_profiles: { own: { ${pools} } }\n`)
    const plain = profiles("", "")
    for (const timeouts of ["request", "response_header", "dial", "tls_handshake"]) {
      assert.notStrictEqual(profiles(`${timeouts}_timeout_seconds: 17`, ""), plain, timeouts)
    }
    for (const pools of ["max_conns_per_host", "idle_conn_timeout_seconds"]) {
      assert.notStrictEqual(profiles("", `${pools}: 17`), plain, pools)
    }
    const none = "timeout_profiles: { own: {} }\npool_profiles: { own: {} }\n"
    for (const name of [
      "max_conns_per_host",
      "idle_conn_timeout_seconds",
      "dial_timeout_seconds",
      "tls_handshake_timeout_seconds",
      "tcp_keep_alive_seconds"
    ]) {
      assert.notStrictEqual(settings(`${none}http_transport: { ${name}: 17 }\n`), plain, name)
    }
  })
})
