/** Names are the literal strings of the Go fleet and of the key table; none has an empty segment. */
import { assert, describe, it } from "@effect/vitest"
import { makeNames, namesMatching } from "../../../adapters/redis/RedisNames.ts"
import { defaultNamespace } from "../../../adapters/redis/RedisSettings.ts"

const standalone = makeNames(defaultNamespace, "standalone")
const cluster = makeNames(defaultNamespace, "cluster")
const S = "pokt1supplier"
const I = "aabb"

describe("RedisNames", () => {
  it("are those of the Go fleet", () => {
    const names: Readonly<Record<string, string>> = {
      "ha:relays:pokt1supplier": standalone.stream(S),
      "ha-miners": standalone.group,
      "ha:miner:sessions:pokt1supplier:aabb": standalone.session(S, I),
      "ha:miner:sessions:pokt1supplier:index": standalone.sessionIndex(S),
      "ha:miner:sessions:pokt1supplier:state:active": standalone.sessionsByState(S, "active"),
      "ha:miner:dedup:session:aabb": standalone.dedup(I),
      "ha:smst:pokt1supplier:aabb:nodes": standalone.trie(S, I, "nodes"),
      "ha:smst:pokt1supplier:aabb:root": standalone.trie(S, I, "root"),
      "ha:smst:pokt1supplier:aabb:stats": standalone.trie(S, I, "stats"),
      "ha:smst:pokt1supplier:aabb:live_root": standalone.trie(S, I, "live_root"),
      "ha:miner:rebroadcast:{claim}:pokt1supplier:40": standalone.rebroadcast("claim", S, 40n),
      "ha:miner:rebroadcast:{proof}:index": standalone.rebroadcastIndex("proof"),
      "ha:tx:track:pokt1supplier:40:aabb": standalone.txTrack(S, 40n, I),
      "ha:miner:claim:pokt1supplier": standalone.claim(S),
      "ha:miner:instance:miner-host-1": standalone.instance("miner-host-1"),
      "ha:miner:active": standalone.activeInstances,
      "ha:miner:global_leader": standalone.globalLeader,
      "ha:miner:leader:pokt1supplier": standalone.supplierLeader(S),
      "ha:supplier:pokt1supplier": standalone.supplierState(S),
      "ha:suppliers:pokt1supplier": standalone.registry(S),
      "ha:suppliers:index": standalone.registryIndex,
      "ha:service_factor:default": standalone.serviceFactorDefault,
      "ha:service_factor:service:anvil": standalone.serviceFactor("anvil"),
      "ha:cache:application:pokt1app": standalone.cache("application", "pokt1app"),
      "ha:cache:params:shared:7": standalone.cache("params", "shared", 7n),
      "ha:meter:aabb:pokt1supplier:meta": standalone.meterMeta("ha", I, S),
      "ha:meter:aabb:pokt1supplier:consumed": standalone.meterConsumed("ha", I, S),
      "ha:meter:active_sessions": standalone.activeMeters,
      "ha:app_stake:pokt1app": standalone.appStake("pokt1app"),
      "ha:service:anvil:compute_units": standalone.serviceComputeUnits("anvil"),
      "ha:params:shared": standalone.params("shared"),
      "ha:params:session": standalone.params("session"),
      "ha:sim:replay:ff00": standalone.simReplay("ff00"),
      "ha:events:cache:application:invalidate": standalone.invalidateCache("application"),
      "ha:events:cache:service:invalidate": standalone.invalidateCache("service"),
      "ha:events:cache:account:invalidate": standalone.invalidateCache("account"),
      "ha:events:cache:supplier:invalidate": standalone.invalidateCache("supplier"),
      "ha:events:cache:shared_params:invalidate": standalone.invalidateCache("shared_params"),
      "ha:events:cache:proof_params:invalidate": standalone.invalidateCache("proof_params"),
      "ha:events:cache:service_factor:invalidate": standalone.invalidateCache("service_factor"),
      "ha:events:cache:invalidate:supplier_params": standalone.invalidateSupplierParams,
      "ha:events:invalidate:params": standalone.invalidateParams,
      "ha:events:session:rewardable": standalone.sessionRewardable,
      "ha:events:supplier_update": standalone.supplierUpdate,
      "ha:events:blocks": standalone.blocks,
      "ha:meter:cleanup": standalone.meterCleanup
    }
    for (const [literal, name] of Object.entries(names)) assert.strictEqual(name, literal)
  })

  it("are private to a supplier by its hash tag", () => {
    for (const names of [standalone, cluster]) {
      assert.strictEqual(names.fence(S), "ha:mill:{pokt1supplier}:fence")
      assert.strictEqual(names.version(S, I), "ha:mill:{pokt1supplier}:ver:aabb")
      assert.strictEqual(names.log(S, I), "ha:mill:{pokt1supplier}:log:aabb")
      assert.strictEqual(names.tail(S, I), "ha:mill:{pokt1supplier}:tail:aabb")
      assert.strictEqual(names.intent(S, 40n), "ha:mill:{pokt1supplier}:intent:40")
      assert.strictEqual(names.dead(S), "ha:mill:{pokt1supplier}:dead")
      assert.strictEqual(names.spool("relayer-1"), "ha:mill:spool:relayer-1")
    }
  })

  it("put stream and trie into the supplier's slot on a cluster only", () => {
    assert.strictEqual(standalone.relays(S), "ha:relays:pokt1supplier")
    assert.strictEqual(cluster.relays(S), "ha:mill:{pokt1supplier}:relays")
    assert.strictEqual(cluster.stream(S), "ha:relays:pokt1supplier")
    assert.strictEqual(cluster.trie(S, I, "nodes"), "ha:mill:{pokt1supplier}:smst:aabb:nodes")
  })

  it("take every segment from the namespace", () => {
    const names = makeNames(
      {
        base: "b:1",
        cache: "c",
        events: "e",
        streams: "s",
        miner: "m",
        supplier: "u",
        meter: "t",
        params: "p",
        consumerGroup: "g"
      },
      "standalone"
    )
    assert.deepStrictEqual(
      [
        names.stream(S),
        names.group,
        names.claim(S),
        names.supplierState(S),
        names.activeMeters,
        names.params("session"),
        names.blocks,
        names.cache("service", "anvil"),
        names.fence(S)
      ],
      [
        "b:1:s:pokt1supplier",
        "b:1-g",
        "b:1:m:claim:pokt1supplier",
        "b:1:u:pokt1supplier",
        "b:1:t:active_sessions",
        "b:1:p:session",
        "b:1:e:blocks",
        "b:1:c:service:anvil",
        "b:1:mill:{pokt1supplier}:fence"
      ]
    )
  })

  it("of ports lie below the base, their first segment as configured", () => {
    const names = makeNames({ ...defaultNamespace, base: "b", cache: "c", events: "e" }, "standalone")
    assert.strictEqual(names.portName("cache:application:pokt1app"), "b:c:application:pokt1app")
    assert.strictEqual(names.portName("events:blocks"), "b:e:blocks")
    assert.strictEqual(names.portName("meter:cleanup"), "b:meter:cleanup")
    assert.strictEqual(standalone.portName("supplier:pokt1supplier"), "ha:supplier:pokt1supplier")
  })

  it("have no empty segment and one hash tag, whatever the parts are", () => {
    const odd = ["", ":", "::", "a:", ":a", "}", "{", "{}", " ", "%", "a{b}c"]
    for (const names of [standalone, cluster]) {
      const built = odd.flatMap((text) => [
        names.stream(text),
        names.relays(text),
        names.session(text, text),
        names.sessionsByState(text, text),
        names.trie(text, text, "root"),
        names.txTrack(text, 1n, text),
        names.version(text, text),
        names.spool(text),
        names.claim(text),
        names.cache(text, text),
        names.meterConsumed("ha", text, text),
        names.portName(text),
        names.portName(`cache:${text}:${text}`),
        names.rebroadcast("claim", text, 1n)
      ])
      for (const name of built) {
        assert.notMatch(name, /::|:$|^:/)
        assert.isAtMost(name.split("{").length, 2)
        assert.isAtMost(name.split("}").length, 2)
      }
      assert.strictEqual(new Set(odd.map((text) => names.claim(text))).size, odd.length)
      assert.strictEqual(new Set(odd.map((text) => names.portName(text))).size, odd.length)
    }
  })

  it("can be looked for", () => {
    assert.strictEqual(namesMatching(standalone.instance), "ha:miner:instance:*")
    assert.strictEqual(
      namesMatching(makeNames({ ...defaultNamespace, base: "h[a]*" }, "standalone").spool),
      "h\\[a\\]\\*:mill:spool:*"
    )
  })
})
