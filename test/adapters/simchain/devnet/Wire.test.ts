import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js"
import { hexToBytes } from "@noble/hashes/utils.js"
import { Effect, Result } from "effect"
import { WebSocket } from "ws"
import { demoGenesis } from "../../../../adapters/simchain/Genesis.ts"
import { servedPaths } from "../../../../adapters/simchain/devnet/QueryRouter.ts"
import {
  BroadcastMode,
  BroadcastTxRequestSchema,
  BroadcastTxResponseSchema
} from "../../../../domain/chain/proto/cosmos/tx_pb.ts"
import { decodeQuery, encodeQuery, messageType } from "../../../../domain/chain/QueryMessages.ts"
import { keyOf } from "../../../support/RelayBuilder.ts"
import { loadVectors } from "../../../vectors/load.ts"
import { application, SERVICE, supplier } from "../TestChain.ts"
import { devnetAt, post, rpc, testDevnet } from "./TestDevnet.ts"

/** One unary call over raw bytes: the answer's bytes and the height it tells, or the error. */
const call = (target: string, path: string, request: Uint8Array, height?: string) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Client(target, credentials.createInsecure())),
    (client) =>
      Effect.callback<{ bytes?: Uint8Array; height?: string; error?: ServiceError }>((resume) => {
        const metadata = new Metadata()
        if (height !== undefined) metadata.set("x-cosmos-block-height", height)
        let told: string | undefined
        client
          .makeUnaryRequest(
            path,
            (bytes: Uint8Array) => Buffer.from(bytes),
            (bytes: Buffer) => new Uint8Array(bytes),
            request,
            metadata,
            (error, bytes) =>
              resume(
                Effect.succeed({
                  ...(error !== null && { error }),
                  ...(bytes !== undefined && { bytes }),
                  ...(told !== undefined && { height: told })
                })
              )
          )
          .on("metadata", (answer) => (told = answer.get("x-cosmos-block-height")[0]?.toString()))
      }),
    (client) => Effect.sync(() => client.close())
  )

const none = new Uint8Array(0)

interface TxCase {
  readonly name: string
  readonly tx_hex: string
  readonly tx_hash: string
  readonly private_key_hex: string
  readonly chain_id: string
  readonly account_number: string
  readonly block_time_unix_nano: string
}

describe("the devnet's wire", () => {
  it.live("answers requests of the vectors with messages that decode and encode to the same bytes", () =>
    Effect.gen(function* () {
      const { nodes } = yield* testDevnet()
      const target = nodes[0]?.grpcTarget ?? ""
      for (const path of servedPaths.filter((each) => each.endsWith("/Params"))) {
        const { bytes, height } = yield* call(target, path, none)
        assert.strictEqual(height, "1", path)
        const type = messageType(`${path.slice(1).split(".Query/")[0]}.QueryParamsResponse`)
        if (type === undefined || bytes === undefined) throw new Error(path)
        const decoded = Result.getOrThrow(decodeQuery(type, bytes))
        assert.deepStrictEqual(encodeQuery(type, decoded), bytes, path)
      }
      const cases = loadVectors<ReadonlyArray<{ type: string; bytes_hex: string }>>("queries")
      const requests = cases.filter(({ type }) => type.endsWith("Request"))
      assert.isAbove(requests.length, 5)
      for (const { bytes_hex: hex, type } of requests) {
        const found = /^(.*)\.Query(?:Get)?(\w+)Request$/.exec(type)
        const path = servedPaths.find(
          (each) => each === `/${found?.[1]}.Query/${found?.[2]}` || each === `/${found?.[1]}.Query/Get${found?.[2]}`
        )
        if (path === undefined) continue
        const { bytes, error } = yield* call(target, path, hexToBytes(hex))
        if (error !== undefined) assert.include([2, 3, 5, 13], error.code, `${type}: ${error.message}`)
        else {
          const response = messageType(type.replace(/Request$/, "Response"))
          if (response === undefined || bytes === undefined) throw new Error(type)
          assert.deepStrictEqual(encodeQuery(response, Result.getOrThrow(decodeQuery(response, bytes))), bytes, type)
        }
      }
    })
  )

  it.live("tells absence, ignorance, wrong heights and unknown methods apart, over gRPC and ABCI", () =>
    Effect.gen(function* () {
      const { chain, nodes } = yield* testDevnet()
      yield* chain.produceUntil(5n)
      const { grpcTarget = "", rpcUrl = "" } = nodes[0] ?? {}
      const absent = Uint8Array.from([0x0a, 1, 0x78])
      const gone = yield* call(grpcTarget, "/pocket.application.Query/Application", absent)
      assert.strictEqual(gone.error?.code, 5)
      const unknown = yield* call(grpcTarget, "/pocket.application.Query/Nothing", none)
      assert.strictEqual(unknown.error?.code, 12)
      const past = yield* call(grpcTarget, "/pocket.shared.Query/Params", none, "3")
      assert.strictEqual(past.height, "3")
      const future = yield* call(grpcTarget, "/pocket.shared.Query/Params", none, "99")
      assert.strictEqual(future.error?.code, 2)
      assert.include(future.error?.details, "codespace sdk code 26")
      const abci = (path: string, data: string, height = "0") =>
        Effect.map(rpc(rpcUrl, "abci_query", { path, data, height, prove: false }), ({ json }) => json)
      const codeOf = (json: unknown) => (json as { result: { response: { code: number } } }).result.response.code
      assert.strictEqual(codeOf(yield* abci("/pocket.application.Query/Application", "0a0178")), 22)
      assert.strictEqual(codeOf(yield* abci("/pocket.application.Query/Nothing", "")), 6)
      assert.strictEqual(codeOf(yield* abci("/pocket.shared.Query/Params", "", "99")), 26)
      assert.strictEqual(codeOf(yield* abci("/pocket.shared.Query/Params", "ff")), 18)
      assert.strictEqual(codeOf(yield* abci("/cosmos.tx.v1beta1.Service/BroadcastTx", "")), 18)
      assert.deepStrictEqual(yield* abci("/pocket.session.Query/Params", ""), {
        jsonrpc: "2.0",
        id: 1,
        result: {
          response: {
            code: 0,
            log: "",
            info: "",
            index: "0",
            key: null,
            value: "CgIYAg==",
            proofOps: null,
            height: "5",
            codespace: ""
          }
        }
      })
      yield* (
        nodes[0]?.setWireFaults({ prunedBelow: 4n, unimplemented: ["/pocket.proof.Query/AllClaims"] }) ?? Effect.void
      )
      const pruned = yield* call(grpcTarget, "/pocket.shared.Query/Params", none, "3")
      assert.include(pruned.error?.details, "failed to load state at height")
      assert.strictEqual((yield* call(grpcTarget, "/pocket.proof.Query/AllClaims", none)).error?.code, 12)
    })
  )

  it.live("speaks JSON-RPC as CometBFT does: errors, ids, batches, GET", () =>
    Effect.gen(function* () {
      const { chain, nodes } = yield* testDevnet()
      yield* chain.produceUntil(5n)
      const url = nodes[0]?.rpcUrl ?? ""
      const errorOf = (json: unknown) => (json as { error: { code: number; message: string; data?: string } }).error
      const ahead = yield* rpc(url, "block", { height: "9" })
      assert.strictEqual(ahead.status, 200)
      assert.deepStrictEqual(errorOf(ahead.json), {
        code: -32603,
        message: "Internal error",
        data: "height 9 must be less than or equal to the current blockchain height 5"
      })
      assert.strictEqual(errorOf((yield* rpc(url, "block", { height: 9 })).json).code, -32602)
      assert.strictEqual(errorOf((yield* rpc(url, "nothing")).json).code, -32601)
      assert.strictEqual(errorOf((yield* rpc(url, "subscribe", { query: "tm.event='Tx'" })).json).code, -32601)
      const torn = yield* post(url, "{")
      assert.strictEqual(torn.status, 500)
      assert.strictEqual(errorOf(torn.json).code, -32700)
      const long = yield* post(url, "x".repeat(1_000_001))
      assert.strictEqual(long.status, 400)
      const batch = Array.from({ length: 11 }, (_, id) => ({ jsonrpc: "2.0", id, method: "health" }))
      assert.strictEqual(errorOf((yield* post(url, batch)).json).code, -32600)
      assert.lengthOf((yield* post(url, batch.slice(1))).json as ReadonlyArray<unknown>, 10)
      assert.isUndefined((yield* post(url, { jsonrpc: "2.0", method: "health" })).json)
      const got = yield* Effect.promise(
        async () =>
          (await fetch(`${url}/block?height=5`)).json() as Promise<{
            id: number
            result: { block: { header: { height: string } } }
          }>
      )
      assert.strictEqual(got.id, -1)
      assert.strictEqual(got.result.block.header.height, "5")
      const query = yield* Effect.promise(() => fetch(`${url}/abci_query?path="/pocket.session.Query/Params"&data=0x`))
      assert.strictEqual(query.status, 200)
      const failed = yield* Effect.promise(() => fetch(`${url}/block?height=99`))
      assert.strictEqual(failed.status, 500)
    })
  )

  it.live("takes the vectors' transactions at their time, and refuses them later in the chain's words", () =>
    Effect.gen(function* () {
      const cases = loadVectors<ReadonlyArray<TxCase>>("transactions")
      assert.lengthOf(cases, 24)
      for (const vector of cases) {
        const { publicKey, address } = keyOf(hexToBytes(vector.private_key_hex))
        const plain = demoGenesis({ chainId: vector.chain_id, accounts: [{ publicKey, balance: 10n ** 15n }] })
        const account = plain.accounts.get(address)
        if (account === undefined) throw new Error("no account")
        const numbered = { ...account, accountNumber: BigInt(vector.account_number) }
        const genesis = { ...plain, accounts: new Map([[address, numbered]]) }
        const { chain, nodes } = yield* devnetAt(genesis, BigInt(vector.block_time_unix_nano))
        const { grpcTarget = "", rpcUrl = "" } = nodes[0] ?? {}
        const send = Effect.map(
          rpc(rpcUrl, "broadcast_tx_sync", { tx: Buffer.from(vector.tx_hex, "hex").toString("base64") }),
          ({ json }) => json as { result?: { code: number; codespace: string; hash: string }; error?: { data: string } }
        )
        const wrong = Uint8Array.from(hexToBytes(vector.tx_hex))
        wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
        const request = toBinary(
          BroadcastTxRequestSchema,
          create(BroadcastTxRequestSchema, { txBytes: wrong, mode: BroadcastMode.SYNC })
        )
        const { bytes } = yield* call(grpcTarget, "/cosmos.tx.v1beta1.Service/BroadcastTx", request)
        const { txResponse } = fromBinary(BroadcastTxResponseSchema, bytes ?? none)
        assert.strictEqual(txResponse?.code, 4, vector.name)
        const { result } = yield* send
        assert.deepStrictEqual([result?.code, result?.hash], [0, vector.tx_hash], vector.name)
        assert.strictEqual((yield* send).error?.data, "tx already exists in cache")
        // The next block comes months later: the transaction is gone, and out of time when it comes again.
        yield* chain.produceBlock
        assert.deepStrictEqual(yield* chain.pending, [])
        const late = yield* send
        assert.deepStrictEqual([late.result?.codespace, late.result?.code], ["sdk", 42], vector.name)
      }
    })
  )

  it.live("limits subscriptions, and cuts connections while it is told to", () =>
    Effect.gen(function* () {
      const { nodes } = yield* testDevnet()
      const node = nodes[0]
      if (node === undefined) throw new Error("no node")
      const socket = yield* Effect.promise(
        () =>
          new Promise<WebSocket>((resolve) => {
            const opened = new WebSocket(node.webSocketUrl)
            opened.on("open", () => resolve(opened))
          })
      )
      const ask = (method: string, query?: string) =>
        Effect.promise(
          () =>
            new Promise<string>((resolve) => {
              socket.once("message", (data: Buffer) => resolve(data.toString()))
              socket.send(
                JSON.stringify({ jsonrpc: "2.0", id: 7, method, params: query === undefined ? {} : { query } })
              )
            })
        )
      assert.strictEqual(yield* ask("subscribe", "tm.event='NewBlock'"), `{"jsonrpc":"2.0","id":7,"result":{}}`)
      assert.include(yield* ask("subscribe", "tm.event='NewBlock'"), "already subscribed")
      for (const height of [1, 2, 3, 4]) yield* ask("subscribe", `tm.event='Tx' AND tx.height=${height}`)
      assert.include(yield* ask("subscribe", "tm.event='NewBlockHeader'"), "max_subscriptions_per_client 5 reached")
      assert.include(yield* ask("subscribe", "what is this"), "max_subscriptions_per_client")
      yield* ask("unsubscribe_all")
      assert.include(yield* ask("subscribe", "what is this"), "failed to parse query")
      const closed = Effect.promise(() => new Promise<number>((resolve) => socket.once("close", resolve)))
      yield* node.setWireFaults({ dropConnections: true })
      assert.strictEqual(yield* closed, 1006)
      const refused = yield* Effect.promise(() =>
        fetch(`${node.rpcUrl}/health`).then(
          () => "answered",
          () => "cut"
        )
      )
      assert.strictEqual(refused, "cut")
      yield* node.setWireFaults({ dropConnections: false })
      yield* node.restart()
      assert.strictEqual((yield* Effect.promise(() => fetch(`${node.rpcUrl}/health`))).status, 200)
    })
  )

  it.live("is driven over its control surface", () =>
    Effect.gen(function* () {
      const { chain, controlUrl, nodes } = yield* testDevnet({ nodes: 2 })
      const command = (path: string, body: unknown) => post(`${controlUrl}${path}`, body)
      assert.strictEqual((yield* command("/params/shared", { numBlocksPerSession: 8 })).status, 200)
      assert.strictEqual((yield* command("/fund", { address: supplier.address, amount: "5" })).status, 200)
      assert.strictEqual((yield* command("/applications/unstake", { address: application.address })).status, 200)
      assert.strictEqual((yield* command("/applications/unstake", { address: application.address })).status, 400)
      assert.strictEqual((yield* command("/services/add", { id: `${SERVICE}-2`, computeUnitsPerRelay: 3 })).status, 200)
      assert.strictEqual((yield* command("/blocks", { count: 3 })).status, 200)
      const state = yield* chain.state
      assert.strictEqual(state.height, 4n)
      assert.strictEqual(state.accounts.get(supplier.address)?.balance, 1_000_000_005n)
      assert.isTrue(state.services.has(`${SERVICE}-2`))
      assert.strictEqual((yield* command("/params/shared", { nothing: 8 })).status, 400)
      assert.strictEqual((yield* command("/nodes/7/faults", {})).status, 404)
      const faults = { lagBlocks: 2, wrongChainId: "other", heightLie: "100", txIndexOff: true }
      assert.strictEqual((yield* command("/nodes/1/faults", faults)).status, 200)
      yield* chain.produceUntil(6n)
      const { json } = yield* rpc(nodes[1]?.rpcUrl ?? "", "status")
      const { result } = json as {
        result: {
          node_info: { network: string; other: { tx_index: string } }
          sync_info: { latest_block_height: string }
        }
      }
      assert.strictEqual(result.node_info.network, "other")
      assert.strictEqual(result.node_info.other.tx_index, "off")
      assert.strictEqual(result.sync_info.latest_block_height, "104")
      assert.strictEqual((yield* command("/nodes/0/faults", { garbage: true })).status, 200)
      const garbage = yield* Effect.promise(async () => (await fetch(`${nodes[0]?.rpcUrl}/health`)).arrayBuffer())
      assert.strictEqual(garbage.byteLength, 8)
    })
  )
})
