import { create, fromBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Result } from "effect"
import { paginate } from "../../../../adapters/simchain/devnet/Pages.ts"
import { PageRequestSchema } from "../../../../domain/chain/proto/cosmos/pagination_pb.ts"
import { loadVectors } from "../../../vectors/load.ts"
import { QueryParamsResponseSchema } from "../../../../domain/chain/proto/pocket/shared_pb.ts"
import { application, supplier } from "../TestChain.ts"
import { post, rpc, testDevnet } from "./TestDevnet.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const dataOf = (json: unknown) => (json as { error?: { data: string } }).error?.data

describe("faults of the wire", () => {
  it.live("fills the pool, runs out of gas, hides blocks and transactions", () =>
    Effect.gen(function* () {
      const { chain, nodes } = yield* testDevnet()
      yield* chain.produceUntil(6n)
      const [node] = nodes
      if (node === undefined) throw new Error("no node")
      const [vector] = loadVectors<ReadonlyArray<{ tx_hex: string }>>("transactions")
      const tx = Buffer.from(vector?.tx_hex ?? "", "hex").toString("base64")
      yield* node.setWireFaults({ mempoolFull: true, prunedBelow: 4n, txIndexOff: true })
      assert.include(
        dataOf((yield* rpc(node.rpcUrl, "broadcast_tx_sync", { tx })).json),
        "mempool is full: number of txs"
      )
      assert.strictEqual(
        dataOf((yield* rpc(node.rpcUrl, "block", { height: "3" })).json),
        "height 3 is not available, lowest height is 4"
      )
      assert.strictEqual(
        dataOf((yield* rpc(node.rpcUrl, "block_results", { height: "3" })).json),
        "could not find results for height #3"
      )
      assert.strictEqual(
        dataOf((yield* rpc(node.rpcUrl, "tx", { hash: tx.slice(0, 44) })).json),
        "transaction indexing is disabled"
      )
      yield* node.setWireFaults({ mempoolFull: false, outOfGas: true })
      const { json } = yield* rpc(node.rpcUrl, "broadcast_tx_sync", { tx })
      assert.strictEqual((json as { result: { code: number } }).result.code, 11)
    })
  )

  it.live("answers late, too long, or not at all, and comes back after a restart", () =>
    Effect.gen(function* () {
      const { nodes } = yield* testDevnet()
      const [node] = nodes
      if (node === undefined) throw new Error("no node")
      yield* node.setWireFaults({ slowMillis: 60, oversizedBytes: 2_000_000 })
      const begun = performance.now()
      const health = yield* Effect.promise(async () => (await fetch(`${node.rpcUrl}/health`)).text())
      assert.isAtLeast(performance.now() - begun, 50)
      assert.isAbove(health.length, 2_000_000)
      yield* node.setWireFaults({ slowMillis: 0, oversizedBytes: 0 })
      yield* node.node.setFaults({ queriesFail: true })
      const ask = (path: string) =>
        Effect.promise(() =>
          fetch(`${node.rpcUrl}${path}`).then(
            () => "answered",
            () => "cut"
          )
        )
      assert.strictEqual(yield* ask("/status"), "cut")
      yield* node.node.setFaults({ queriesFail: false })
      assert.strictEqual(yield* ask("/status"), "answered")
      const restarting = yield* Effect.forkChild(node.restart("300 millis"), { startImmediately: true })
      yield* Effect.sleep("50 millis")
      assert.strictEqual(yield* ask("/status"), "cut")
      const deadline = Date.now() + 5_000
      while ((yield* ask("/status")) === "cut" && Date.now() < deadline) yield* Effect.sleep("5 millis")
      assert.strictEqual(yield* ask("/status"), "answered")
      yield* Fiber.join(restarting)
    })
  )

  it.live("forgets what a command told it to", () =>
    Effect.gen(function* () {
      const { controlUrl } = yield* testDevnet()
      const answer = yield* post(`${controlUrl}/nodes/0/faults`, { dropAccepted: 1, lagBlocks: "2" })
      assert.strictEqual(answer.status, 200)
      const { nodes } = (yield* Effect.promise(async () => (await fetch(controlUrl)).json())) as {
        nodes: ReadonlyArray<{ faults: { dropAccepted: number; lagBlocks: string } }>
      }
      assert.deepStrictEqual([nodes[0]?.faults.dropAccepted, nodes[0]?.faults.lagBlocks], [1, "2"])
    })
  )

  it.live("tells parameters that the chain does not have, and takes keys off accounts", () =>
    Effect.gen(function* () {
      const { chain, controlUrl } = yield* testDevnet()
      const ports = yield* chain.makeNode()
      const told = { computeUnitCostGranularity: 0, supplierUnbondingPeriodSessions: "0" }
      assert.strictEqual((yield* post(`${controlUrl}/nodes/0/faults`, { sharedParams: told })).status, 200)
      const { nodes } = (yield* Effect.promise(async () => (await fetch(controlUrl)).json())) as {
        nodes: ReadonlyArray<{ rpcUrl: string }>
      }
      const ask = rpc(nodes[0]?.rpcUrl ?? "", "abci_query", { path: "/pocket.shared.Query/Params", data: "" })
      const params = Effect.map(ask, ({ json }) => {
        const { value } = (json as { result: { response: { value: string } } }).result.response
        return fromBinary(QueryParamsResponseSchema, Buffer.from(value, "base64")).params
      })
      const broken = yield* params
      assert.deepStrictEqual(
        [broken?.computeUnitCostGranularity, broken?.supplierUnbondingPeriodSessions, broken?.numBlocksPerSession],
        [0n, 0n, 6n]
      )
      assert.strictEqual((yield* ports.query.sharedParams).computeUnitCostGranularity, 1_000_000n)
      yield* post(`${controlUrl}/nodes/0/faults`, { sharedParams: {} })
      assert.strictEqual((yield* params)?.computeUnitCostGranularity, 1_000_000n)

      const { address } = application
      yield* post(`${controlUrl}/accounts/key`, { address, publicKey: null })
      yield* chain.produceBlock
      const account = yield* ports.query.account(address)
      assert.isUndefined(Option.getOrThrow(account).publicKey)
      const other = yield* post(`${controlUrl}/accounts/key`, { address, publicKey: hex(supplier.publicKey) })
      assert.deepInclude(other.json, {
        error: `set public key of ${address} refused: the key is that of another address`
      })
      yield* post(`${controlUrl}/accounts/key`, { address, publicKey: hex(application.publicKey) })
      yield* chain.produceBlock
      assert.deepStrictEqual(Option.getOrThrow(yield* ports.query.account(address)).publicKey, application.publicKey)
    })
  )

  it("cuts pages as the SDK does", () => {
    const entries = ["c", "a", "b", "e", "d"].map((key) => ({ key, value: key }))
    const page = (fields: object) =>
      Result.map(paginate(entries, create(PageRequestSchema, fields)), (found) => [
        found.values.join(""),
        Buffer.from(found.pagination.nextKey).toString(),
        found.pagination.total
      ])
    const text = (key: string) => new TextEncoder().encode(key)
    assert.deepStrictEqual(Result.getOrThrow(page({})), ["abcde", "", 5n])
    assert.deepStrictEqual(Result.getOrThrow(page({ limit: 2n })), ["ab", "c", 0n])
    assert.deepStrictEqual(Result.getOrThrow(page({ limit: 2n, countTotal: true })), ["ab", "c", 5n])
    assert.deepStrictEqual(Result.getOrThrow(page({ limit: 2n, key: text("c") })), ["cd", "e", 0n])
    assert.deepStrictEqual(Result.getOrThrow(page({ limit: 9n, key: text("e") })), ["e", "", 0n])
    assert.deepStrictEqual(Result.getOrThrow(page({ limit: 2n, reverse: true })), ["ed", "c", 0n])
    assert.deepStrictEqual(Result.getOrThrow(page({ limit: 2n, reverse: true, key: text("c") })), ["cb", "a", 0n])
    assert.deepStrictEqual(Result.getOrThrow(page({ limit: 2n, offset: 4n })), ["e", "", 0n])
    assert.strictEqual(Result.getOrThrow(Result.flip(page({ offset: 1n, key: text("a") }))).status, 13)
  })
})
