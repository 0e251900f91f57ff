/** What a miner's file changes in the client of its nodes. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { minerConfig } from "../../adapters/config/MinerConfig.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import * as Chain from "../../layers/Chain.ts"
import { makeGrpcNode } from "../adapters/chain/GrpcNode.ts"
import { accepted } from "../adapters/config/reading.ts"

/** Turns of the event loop in which a further call would have arrived. */
const TURNS = 200

describe("the client of a miner's nodes", () => {
  it.live("keeps no more queries under way than worker_pools.query_workers", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      node.answer = () => "silence"
      const { config } = accepted(
        minerConfig,
        [
          `pocket_node: { query_node_rpc_url: "http://127.0.0.1:1", query_node_grpc_url: "127.0.0.1:${node.port}", grpc_insecure: true }`,
          "keys: { keys_file: k.yaml }",
          "worker_pools: { query_workers: 3 }"
        ].join("\n")
      )
      const query = Context.get(yield* Layer.build(Chain.layerMiner(config)), ChainQuery)
      const balances = () => node.calls.filter(({ path }) => path.endsWith("/Balance")).length
      for (let n = 0; n < 8; n++) yield* Effect.forkScoped(Effect.ignore(query.balance("pokt1operator")))
      const turn = Effect.promise(() => new Promise(setImmediate))
      const end = performance.now() + 4_000
      while (balances() < 3) {
        assert.isBelow(performance.now(), end)
        yield* turn
      }
      for (let turns = 0; turns < TURNS; turns++) yield* turn
      assert.strictEqual(balances(), 3)
    }).pipe(Effect.scoped)
  )
})
