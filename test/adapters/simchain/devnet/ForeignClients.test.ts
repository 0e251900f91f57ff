import { assert, describe, it } from "@effect/vitest"
import { StargateClient } from "@cosmjs/stargate"
import { Comet38Client } from "@cosmjs/tendermint-rpc"
import { Effect } from "effect"
import { bytesToHex } from "@noble/hashes/utils.js"
import { supplier } from "../TestChain.ts"
import { testDevnet } from "./TestDevnet.ts"

const promise = <A>(run: () => Promise<A>) => Effect.promise(run)

describe("foreign clients on the devnet", () => {
  it.live("reads status, blocks, results, validators and parameters with Comet38Client", () =>
    Effect.gen(function* () {
      const { chain, nodes } = yield* testDevnet()
      yield* chain.produceUntil(9n)
      const client = yield* promise(() => Comet38Client.connect(nodes[0]?.rpcUrl ?? ""))
      const status = yield* promise(() => client.status())
      assert.strictEqual(status.nodeInfo.network, "pocket-devnet")
      assert.strictEqual(status.syncInfo.latestBlockHeight, 9)
      const { block, blockId } = yield* promise(() => client.block(7))
      const committed = yield* Effect.flatMap(chain.block(7n), Effect.fromOption)
      assert.strictEqual(bytesToHex(blockId.hash), bytesToHex(committed.hash))
      assert.strictEqual(block.header.height, 7)
      const next = yield* promise(() => client.block(8))
      assert.deepStrictEqual(next.block.header.lastBlockId?.hash, blockId.hash)
      const first = yield* promise(() => client.block(1))
      assert.isNull(first.block.header.lastBlockId)
      const chainOf = yield* promise(() => client.blockchain(2, 5))
      assert.deepStrictEqual(
        chainOf.blockMetas.map(({ header }) => header.height),
        [5, 4, 3, 2]
      )
      const results = yield* promise(() => client.blockResults(7))
      assert.strictEqual(results.height, 7)
      assert.strictEqual((yield* promise(() => client.abciInfo())).lastBlockHeight, 9)
      assert.strictEqual((yield* promise(() => client.validators({}))).total, 1)
      assert.strictEqual((yield* promise(() => client.genesis())).chainId, "pocket-devnet")
      assert.isNull(yield* promise(() => client.health()))
    })
  )

  it.live("reads accounts and balances with StargateClient", () =>
    Effect.gen(function* () {
      const { nodes } = yield* testDevnet()
      const client = yield* promise(() => StargateClient.connect(nodes[0]?.rpcUrl ?? ""))
      assert.strictEqual(yield* promise(() => client.getChainId()), "pocket-devnet")
      assert.strictEqual(yield* promise(() => client.getHeight()), 1)
      const account = yield* promise(() => client.getAccount(supplier.address))
      assert.strictEqual(account?.address, supplier.address)
      assert.deepStrictEqual(account?.pubkey, {
        type: "tendermint/PubKeySecp256k1",
        value: Buffer.from(supplier.publicKey).toString("base64")
      })
      assert.deepStrictEqual(yield* promise(() => client.getBalance(supplier.address, "upokt")), {
        denom: "upokt",
        amount: "1000000000"
      })
      const nobody = "pokt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqw9ltm9"
      assert.isNull(yield* promise(() => client.getAccount(nobody)))
    })
  )

  it.live("hears of new blocks with Comet38Client over WebSocket", () =>
    Effect.gen(function* () {
      const { chain, nodes } = yield* testDevnet()
      const url = (nodes[0]?.rpcUrl ?? "").replace("http", "ws")
      const client = yield* promise(() => Comet38Client.connect(url))
      const heights: Array<number> = []
      const subscription = client.subscribeNewBlockHeader().subscribe({ next: ({ height }) => heights.push(height) })
      const blocks: Array<number> = []
      const full = client.subscribeNewBlock().subscribe({ next: ({ header }) => blocks.push(header.height) })
      // Both are in place once the socket has answered a later call.
      yield* promise(() => client.status())
      yield* chain.produceUntil(4n)
      yield* promise(async () => {
        const deadline = Date.now() + 5_000
        while ((heights.length < 3 || blocks.length < 3) && Date.now() < deadline)
          await new Promise((done) => setImmediate(done))
      })
      assert.deepStrictEqual(heights, [2, 3, 4])
      assert.deepStrictEqual(blocks, [2, 3, 4])
      subscription.unsubscribe()
      full.unsubscribe()
      client.disconnect()
    })
  )
})
