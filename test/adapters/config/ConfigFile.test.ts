import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as ConfigFile from "../../../adapters/config/ConfigFile.ts"
import { minerConfig } from "../../../adapters/config/MinerConfig.ts"
import { relayerConfig } from "../../../adapters/config/RelayerConfig.ts"
import { accepted, aMiner, aRelayer, aService, fixture, problems } from "./reading.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-config-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const failure = (file: string) =>
  ConfigFile.loadRelayer(file).pipe(
    Effect.flip,
    Effect.map((error) => error.message),
    Effect.provide(NodeFileSystem.layer)
  )

describe("ConfigFile", () => {
  it.effect("reads a file from disk", () =>
    Effect.gen(function* () {
      const file = new URL("../../fixtures/config/relayer-small.yaml", import.meta.url).pathname
      const loaded = yield* ConfigFile.loadRelayer(file)
      assert.strictEqual(loaded.file, file)
      assert.deepStrictEqual([...loaded.config.services.keys()], ["eth"])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("says in one sentence why a file cannot be read", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const file = (name: string, content: string | Uint8Array) => {
        writeFileSync(join(path, name), content)
        return join(path, name)
      }
      assert.match(
        yield* failure(join(path, "none.yaml")),
        /none\.yaml: no such file; give the path of a YAML file to --config$/
      )
      assert.match(yield* failure(path), /: is not a file; give the path/)
      assert.match(
        yield* failure(file("latin.yaml", Uint8Array.of(0x61, 0x3a, 0x20, 0xe9))),
        /is not UTF-8 text; save it as UTF-8$/
      )
      assert.match(
        yield* failure(file("large.yaml", new Uint8Array(9 * 1024 * 1024).fill(0x23))),
        /is larger than 8 MiB/
      )
      assert.match(
        yield* failure(file("broken.yaml", "redis:\n\turl: x\n")),
        /broken\.yaml:2:1: a tab is used for indentation; use spaces$/
      )
      if (process.getuid?.() === 0) return // root may read everything
      const hidden = file("hidden.yaml", "a: 1\n")
      chmodSync(hidden, 0)
      assert.match(yield* failure(hidden), /may not be read by this user; grant read permission/)
    })
  )

  it("lets the command line replace keys, also of sections that are missing", () => {
    const override = { flag: "--redis-url", path: ["redis", "url"], text: "redis://other:1/2" } as const
    for (const text of [
      aMiner(),
      aMiner("redis: { pool_size: 9 }"),
      aMiner("redis:\n"),
      aMiner("redis: { url: 'nonsense' }")
    ]) {
      const { address } = accepted(minerConfig, text, [override]).config.redis
      assert.isTrue(address._tag === "Standalone" && address.host.host === "other" && address.database === 2)
    }
    assert.strictEqual(accepted(minerConfig, aMiner("redis: { pool_size: 9 }"), [override]).config.redis.poolSize, 9)
  })

  it("names the flag where the flag is wrong", () => {
    const decoded = ConfigFile.decode(minerConfig, "m.yaml", aMiner(), [
      { flag: "--session-ttl", path: ["session_ttl"], text: "5" },
      { flag: "--redis-url", path: ["redis", "url"], text: "nonsense" }
    ])
    assert.match(
      Result.getOrThrow(Result.flip(decoded)).message,
      /^m\.yaml: --redis-url: expected a Redis URL.*\nm\.yaml: --session-ttl: expected a duration with its unit/
    )
  })

  it("warns of further documents in a file", () => {
    const { warnings } = accepted(relayerConfig, `${aRelayer()}---\nredis: {}\n`)
    assert.match(warnings[0]?.sentence ?? "", /only the first document counts/)
  })

  it("keeps secrets out of messages and out of what is printed", () => {
    const secrets = ["s3cret", "1e10", "0042", "0123456789abcdef", "token"]
    const configs = [
      accepted(relayerConfig, fixture("relayer.yaml")).config,
      accepted(minerConfig, fixture("miner.yaml")).config
    ]
    const printable = (_: string, value: unknown) =>
      value instanceof Map ? [...value] : typeof value === "bigint" ? String(value) : value
    for (const text of configs.flatMap((config) => [
      inspect(config, { depth: 20 }),
      JSON.stringify(config, printable)
    ])) {
      for (const secret of secrets) assert.notInclude(text, secret)
    }
  })

  it("keeps wrong secrets out of problems", () => {
    const hunter = "hunter2"
    const texts = [
      aRelayer(`redis: { url: "redis://:${hunter}@a,b" }`),
      aRelayer(`redis: { url: [${hunter}] }`),
      aRelayer().replace("http://n:26657", `ftp://${hunter}@n`),
      aRelayer().replace("n:9090", `${hunter} x`),
      aService(`backends: { rest: { url: "ftp://u:${hunter}@h" } }`),
      aService(`backends: { rest: { urls: ["http://h/${hunter}", "http://h/${hunter}/"] } }`),
      aService(`backends: { rest: { urls: [[${hunter}]] } }`),
      aService(`backends: { rest: { url: "http://h", authentication: { bearer_token: { a: ${hunter} } } } }`),
      aService(`backends: { rest: { url: "http://h", headers: [${hunter}] } }`)
    ]
    for (const text of texts) {
      const found = problems(relayerConfig, text).join("\n")
      assert.notStrictEqual(found, "", text)
      assert.notInclude(found, hunter)
    }
  })
})
