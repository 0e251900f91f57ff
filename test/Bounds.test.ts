/**
 * Every queue, cache, pool, label set and request body has a bound and a metric for its fill: whatever can hold entries
 * is found in the source and has to be known, with its bound and its metric.
 */
import { assert, describe, it } from "@effect/vitest"
import { holdersOf } from "./structure/Holders.ts"
import { knownHolders } from "./structure/KnownHolders.ts"
import { labelsOf, metricsOf } from "./structure/Metrics.ts"
import { sourceFiles } from "./structure/Sources.ts"

const sources = sourceFiles("domain", "adapters", "layers", "src")
const holders = sources.flatMap(holdersOf)

/** Labels of metrics. Each takes its values from a set that a caller cannot enlarge. */
const CLOSED_LABELS: Readonly<Record<string, string>> = {
  action: "changes of the list of suppliers: add, update, draining, remove",
  cache: "caches of the relayer",
  cache_type: "kinds of cached values",
  drain_reason: "causes of a hand-over: rebalance_release, key_removal, not_staked, shutdown",
  endpoint: "backends and chain endpoints of the configuration",
  instance: "name of this replica",
  kind: "claim, proof",
  level: "tiers of a cache: l1, l2, l3",
  on_chain_result: "what the chain said of a supplier: staked, not_found, error",
  operation: "reads and writes of the chain, all literals",
  outcome: "outcomes of a backend call, of a refresh, of a call to the chain",
  provider: "sources of keys: keys_file, keys_dir, keyring",
  reason: "causes of refusal, rejection or loss, all literals",
  query_type: "kinds of cached values",
  result: "results of a charge, of a try for a lock",
  rpc_type: "transports",
  service_id: "configured services, or unknown",
  source: "pubsub, pubsub_all, missed",
  status: "outcomes of a settlement",
  status_code: "HTTP statuses",
  store: "the memory stores",
  supplier: "suppliers whose keys are held",
  type: "added, removed",
  wire: "query, rpc, rpc_bodies"
}

const found = (code: string) => holdersOf({ path: "domain/x/X.ts", code }).map(({ name, line }) => `${name}:${line}`)

describe("Bounds", () => {
  it("are known for everything that holds entries", () => {
    const unknown = holders
      .filter(({ path, name }) => knownHolders[path]?.[name] === undefined)
      .map(({ path, line, name }) => `${path}:${line} ${name} has no entry in test/structure/KnownHolders.ts`)
    assert.deepStrictEqual(unknown, [])
  })

  it("are not listed for what is gone", () => {
    const present = new Set(holders.map(({ path, name }) => `${path} ${name}`))
    const gone = Object.entries(knownHolders).flatMap(([path, names]) =>
      Object.keys(names)
        .map((name) => `${path} ${name}`)
        .filter((entry) => !present.has(entry))
    )
    assert.deepStrictEqual(gone, [])
  })

  it("name a metric that exists, or say why there is none", () => {
    const metrics = new Set(sources.flatMap(metricsOf).map(({ name }) => name))
    const broken = Object.entries(knownHolders).flatMap(([path, names]) =>
      Object.entries(names)
        .filter(([, { metric }]) => !metrics.has(metric) && !/^none: \S/.test(metric))
        .map(([name, { metric }]) => `${path} ${name} names the metric ${metric}`)
    )
    assert.deepStrictEqual(broken, [])
  })

  it("hold for labels: each metric's come from closed sets", () => {
    const open = sources
      .flatMap(labelsOf)
      .filter(({ name }) => CLOSED_LABELS[name] === undefined)
      .map(({ path, line, name }) => `${path}:${line} label ${name}`)
    assert.deepStrictEqual(open, [])
  })

  it("allow no queue or hub without a bound", () => {
    const unbounded = sources.flatMap(({ path, code }) =>
      Array.from(code.matchAll(/\b(?:Queue|PubSub|TxQueue)\.unbounded\b/g), () => path)
    )
    assert.deepStrictEqual(unbounded, [])
  })
})

describe("The search for holders", () => {
  it("finds Effect's keepers, by the name they are bound to", () => {
    const code = [
      "const jobs = yield* Queue.bounded<Job>(5)",
      "const hub = yield* Effect.acquireRelease(",
      "  PubSub.sliding<string>(1),",
      "  PubSub.shutdown",
      ")",
      "const rings = yield* Cache.makeWith(read, { capacity: 9 })",
      "const workers = yield* FiberMap.make<string>()"
    ].join("\n")
    assert.deepStrictEqual(found(code), ["jobs:1", "hub:3", "rings:6", "workers:7"])
  })

  it("finds collections that are fields, properties and variables of a module", () => {
    const code = [
      "const all = new Map<string, A>()",
      "class X {",
      "  readonly #entries = new Set<() => void>()",
      "  private log: Array<string> = []",
      "  count = 0",
      "}",
      "const make = () => ({",
      "  seen: new Map(),",
      "  done: true",
      "})"
    ].join("\n")
    assert.deepStrictEqual(found(code), ["all:1", "#entries:3", "log:4", "seen:8"])
  })

  it("finds a variable that a function made beside it uses", () => {
    const code = [
      "const make = Effect.gen(function* () {",
      "  const held = new Map<string, A>()",
      "  return {",
      "    get: (key: string) => held.get(key)",
      "  }",
      "})",
      "const collect = (source: Source) => {",
      "  const chunks: Array<Buffer> = []",
      '  source.on("data", (chunk) => {',
      "    chunks.push(chunk)",
      "  })",
      "}"
    ].join("\n")
    assert.deepStrictEqual(found(code), ["held:2", "chunks:8"])
  })

  it("leaves out what ends with the call: loops, callbacks of arrays, comments", () => {
    const code = [
      "const group = (all: ReadonlyArray<A>) => {",
      "  const groups = new Map<string, A>()",
      "  const names = new Set<string>()",
      "  for (const one of all) {",
      "    groups.set(one.key, one)",
      "  }",
      "  return all.filter(({ name }) => names.has(name))",
      "}"
    ].join("\n")
    assert.deepStrictEqual(found(code), [])
  })
})
