import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import {
  describeRedisAddress,
  parseRedisUrl,
  type RedisAddress,
  unusedOptions
} from "../../../adapters/config/RedisUrl.ts"

const read = (text: string): RedisAddress =>
  Result.getOrThrowWith(parseRedisUrl(text), (sentence) => new Error(sentence))

describe("RedisUrl", () => {
  it("reads a single server with and without TLS", () => {
    assert.deepStrictEqual(read("redis://localhost"), {
      _tag: "Standalone",
      username: undefined,
      password: undefined,
      host: { host: "localhost", port: 6379 },
      tls: false,
      database: 0
    })
    const address = read("rediss://app:p%40ss@[2001:db8::1]:6380/3")
    assert.isTrue(address._tag === "Standalone" && address.tls && address.database === 3)
    assert.strictEqual(address.username, "app")
    assert.strictEqual(address.password === undefined ? "" : Redacted.value(address.password), "p@ss")
    assert.strictEqual(describeRedisAddress(address), "rediss://[2001:db8::1]:6380/3")
    assert.strictEqual(describeRedisAddress(read("redis://h:1?db=4")), "redis://h:1/4")
  })

  it("reads sentinels with the master's name", () => {
    const address = read("redis-sentinel://:pw@s1,s2:26380/mymaster?db=2")
    assert.isTrue(address._tag === "Sentinel")
    assert.strictEqual(describeRedisAddress(address), "redis-sentinel://s1:26379,s2:26380/mymaster?db=2")
    assert.strictEqual(address.username, undefined)
  })

  it("reads the nodes of a cluster", () => {
    assert.strictEqual(
      describeRedisAddress(read("redis-cluster://a:7000,b:7001,c")),
      "redis-cluster://a:7000,b:7001,c:6379"
    )
  })

  it("takes any certificate only where that is asked for, over TLS", () => {
    const skips = (text: string) => {
      const address = read(text)
      return address._tag === "Standalone" && address.isUnverified === true
    }
    assert.isTrue(skips("rediss://h?skip_verify=true"))
    assert.isTrue(skips("rediss://h/3?db=2&skip_verify=1"))
    for (const text of [
      "rediss://h",
      "rediss://h?skip_verify=false",
      "rediss://h?skip_verify",
      "redis://h?skip_verify=1"
    ])
      assert.isFalse(skips(text), text)
  })

  it("names options of Go's client that have no effect", () => {
    assert.deepStrictEqual(unusedOptions("redis://:pw@h/1?db=2&dial_timeout=3s&skip_verify=1"), [
      "dial_timeout",
      "skip_verify"
    ])
    assert.deepStrictEqual(unusedOptions("rediss://h?skip_verify=1&pool_size=5"), ["pool_size"])
    assert.deepStrictEqual(unusedOptions("redis://h"), [])
  })

  it("says what is wrong and what to write, without the URL", () => {
    const cases: ReadonlyArray<readonly [string, RegExp]> = [
      ["", /expected a Redis URL with the scheme .*; write for example/],
      ["http://:hunter2@h", /expected a Redis URL with the scheme/],
      ["localhost:6379", /expected a Redis URL with the scheme/],
      ["redis://", /expected host:port after redis:\/\//],
      ["redis://:hunter2@a:99999", /expected host:port after redis:\/\//],
      ["redis://:hunter2@a,b", /several hosts need redis-sentinel/],
      ["redis://:hunter%2@a", /wrong percent escape; write % as %25/],
      ["redis://:hunter2@a/zero", /expected a database number/],
      ["redis-sentinel://:hunter2@a", /the name of the master is missing; write for example/],
      ["redis-cluster://:hunter2@a/1", /a Redis Cluster has only database 0/],
      ["redis://a:hunter2@b@c", /./]
    ]
    for (const [text, expected] of cases) {
      const sentence = Result.match(parseRedisUrl(text), { onSuccess: () => "", onFailure: (failure) => failure })
      if (text !== "redis://a:hunter2@b@c") assert.match(sentence, expected, text)
      assert.notInclude(sentence, "hunter2")
    }
  })

  it("takes everything before the last @ for the login", () => {
    const address = read("redis://a:hunter2@b@c")
    assert.strictEqual(address.password === undefined ? "" : Redacted.value(address.password), "hunter2@b")
  })
})
