/** Calls to a node over real sockets: documented answers, refusals, and all that is no answer. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Result } from "effect"
import { RpcError } from "../../../adapters/chain/CometAnswers.ts"
import { makeCometRpc } from "../../../adapters/chain/CometRpc.ts"
import { EndpointFailed } from "../../../adapters/chain/EndpointFailed.ts"
import { fakeChain, fakeComet, sha } from "./FakeComet.ts"

const rpcOf = (url: Redacted.Redacted, maxResultsBytes = 1 << 20) => makeCometRpc({ url, maxResultsBytes })

/** Fields of an error, for comparison. */
const factsOf = (error: Error): object => Object.fromEntries(Object.entries(error))

const failureOf = <A, E>(effect: Effect.Effect<A, E>) => Effect.map(Effect.result(effect), Result.getFailure)

describe("CometRpc", () => {
  it.live("reads status, heads, blocks, consensus params", () =>
    Effect.gen(function* () {
      const chain = fakeChain(30)
      chain.add({ txs: [new Uint8Array([1, 2]), new Uint8Array([3])] })
      const node = yield* fakeComet(chain, { base: 3, txIndex: "off" })
      const rpc = yield* rpcOf(node.url)
      assert.deepStrictEqual(yield* rpc.status, {
        network: "test",
        height: 31n,
        earliestHeight: 3n,
        isCatchingUp: false,
        isIndexing: false
      })
      const heads = yield* rpc.heads(12n, 31n)
      assert.deepStrictEqual(
        heads.map(({ height }) => height),
        Array.from({ length: 20 }, (_, index) => BigInt(12 + index))
      )
      const seventh = chain.blocks[11]!
      assert.deepStrictEqual(heads[0], {
        chainId: "test",
        height: 12n,
        hash: Uint8Array.from(Buffer.from(seventh.hash, "hex")),
        parentHash: Uint8Array.from(Buffer.from(seventh.parent, "hex")),
        timeUnixNano: BigInt(Date.parse("2026-01-01T00:00:12Z")) * 1_000_000n + 1n
      })
      assert.deepStrictEqual(yield* rpc.heads(32n, 33n), [])
      assert.deepStrictEqual(yield* rpc.heads(1n, 2n), [])
      const block = Option.getOrThrow(yield* rpc.block(31n))
      assert.deepStrictEqual(block.txs, [new Uint8Array([1, 2]), new Uint8Array([3])])
      assert.isTrue(Option.isNone(yield* rpc.block(32n)))
      assert.isTrue(Option.isNone(yield* rpc.block(2n)))
      assert.deepStrictEqual(yield* rpc.consensusParams, { maxBytes: 22_020_096n, maxGas: -1n })
    })
  )

  it.live("finds transactions by hash and says in the node's words why not", () =>
    Effect.gen(function* () {
      const chain = fakeChain(2)
      const tx = new Uint8Array([7, 7])
      chain.add({
        txs: [tx],
        results: [{ code: 5, data: null, log: "no", codespace: "sdk", gas_used: "9", events: [] }]
      })
      const node = yield* fakeComet(chain)
      const rpc = yield* rpcOf(node.url)
      const found = yield* rpc.tx(sha(tx))
      assert.strictEqual(found.height, 3n)
      assert.deepInclude(found.tx_result, { code: 5, log: "no", codespace: "sdk" })
      const failure = Option.getOrThrow(yield* failureOf(rpc.tx("00".repeat(32))))
      assert.instanceOf(failure, RpcError)
      assert.deepInclude(factsOf(failure), { code: -32603, data: `tx (${"00".repeat(32)}) not found` })
    })
  )

  it.live("hands over elements of results; a body above its bound is refused", () =>
    Effect.gen(function* () {
      const chain = fakeChain(2)
      chain.add({ events: Array.from({ length: 3_000 }, (_, index) => ({ type: `t${index}`, attributes: [] })) })
      const node = yield* fakeComet(chain)
      const rpc = yield* rpcOf(node.url)
      const types: Array<string> = []
      const isThere = yield* rpc.blockResults(3n, ["result.finalize_block_events[]"], ({ bytes }) => {
        types.push((JSON.parse(new TextDecoder().decode(bytes)) as { type: string }).type)
        return true
      })
      assert.isTrue(isThere)
      assert.strictEqual(types.length, 3_000)
      assert.strictEqual(types.at(-1), "t2999")
      assert.isFalse(yield* rpc.blockResults(4n, [], () => true))
      const small = yield* rpcOf(node.url, 10_000)
      const failure = Option.getOrThrow(yield* failureOf(small.blockResults(3n, [], () => true)))
      assert.deepInclude(factsOf(failure), { kind: "overloaded", detail: "the answer is longer than 10000 bytes" })
    })
  )

  it.live("tells failures of the endpoint by kind and field", () =>
    Effect.gen(function* () {
      const node = yield* fakeComet(fakeChain(5))
      const rpc = yield* rpcOf(node.url)
      const kindOf = Effect.map(failureOf(rpc.status), (failure) => {
        const error = Option.getOrThrow(failure)
        return error instanceof EndpointFailed ? `${error.kind}: ${error.detail}` : error.message
      })
      node.is.raw = { status: 502, body: "<html>bad gateway</html>" }
      assert.strictEqual(yield* kindOf, "undecodable: HTTP 502 without a JSON-RPC answer")
      node.is.raw = { status: 429, body: "slow down" }
      assert.strictEqual(yield* kindOf, "overloaded: HTTP 429 without a JSON-RPC answer")
      // A failed method of GET, or −32700, has HTTP 500: the status says nothing.
      node.is.raw = {
        status: 500,
        body: '{"jsonrpc":"2.0","id":-1,"error":{"code":-32603,"message":"Internal error","data":"why"}}'
      }
      assert.match(yield* kindOf, /refused status \(-32603 Internal error\): why/)
      node.is.raw = {
        status: 200,
        body: '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}'
      }
      assert.match(yield* kindOf, /^unimplemented/)
      node.is.raw = { status: 200, body: '{"jsonrpc":"2.0","result":{}}' }
      assert.match(yield* kindOf, /^undecodable: .*id differs/)
      node.is.raw = undefined
      node.is.id = 999
      assert.match(yield* kindOf, /^undecodable: .*id differs/)
      node.is.id = undefined
      Object.assign(node.is, { says: "seven" })
      assert.match(yield* kindOf, /^undecodable: [^]*latest_block_height/)
      Object.assign(node.is, { says: undefined })
      assert.strictEqual((yield* rpc.status).height, 5n)
      yield* Effect.promise(() => node.stop())
      assert.match(yield* kindOf, /^transport/)
    })
  )

  it.live("refuses an endless answer and one for another height", () =>
    Effect.gen(function* () {
      let body: (write: (text: string) => void) => void = () => {}
      const server = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const created = createServer((_, response) => {
            response.on("error", () => {})
            body((text) => response.write(text))
            if (!isEndless) response.end()
          })
          await new Promise<void>((resolve) => created.listen(0, "127.0.0.1", resolve))
          return created
        }),
        (open) =>
          Effect.promise(() => {
            open.closeAllConnections()
            return new Promise<void>((resolve) => open.close(() => resolve()))
          })
      )
      let isEndless = true
      const rpc = yield* rpcOf(Redacted.make(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
      body = (write) => {
        for (let count = 0; count < 40; count++) write("x".repeat(50_000))
      }
      const endless = Option.getOrThrow(yield* failureOf(rpc.status))
      assert.deepInclude(factsOf(endless), { kind: "overloaded" })
      isEndless = false
      body = (write) => write('{"jsonrpc":"2.0","id":1,"result":{"height":"8","txs_results":null}}')
      const other = Option.getOrThrow(yield* failureOf(rpc.blockResults(7n, [], () => true)))
      assert.match(other.message, /results of block 7 were asked for, those of 8 came/)
      body = (write) => write('{"jsonrpc":"2.0","id":1,"result":{"height":"7","txs_results":[{"code":0')
      const cut = Option.getOrThrow(yield* failureOf(rpc.blockResults(7n, [], () => true)))
      assert.deepInclude(factsOf(cut), { kind: "undecodable" })
    })
  )

  it.live("asks ABCI and hands over its refusals", () =>
    Effect.gen(function* () {
      const node = yield* fakeComet(fakeChain(5))
      const seen: Array<unknown> = []
      node.is.abci = (path, data, height) => {
        seen.push([path, data, height])
        return { value: "AQI=", height: "4" }
      }
      const rpc = yield* rpcOf(node.url)
      assert.deepStrictEqual(yield* rpc.abciQuery("/a.B/C", new Uint8Array([0xab, 1]), 4n), {
        code: 0,
        codespace: "",
        log: "",
        value: new Uint8Array([1, 2]),
        height: 4n
      })
      assert.deepStrictEqual(seen, [["/a.B/C", "ab01", "4"]])
      node.is.abci = () => ({ code: 22, log: "rpc error: code = NotFound desc = x: key not found", codespace: "sdk" })
      assert.deepInclude(yield* rpc.abciQuery("/a.B/C", new Uint8Array(), 0n), { code: 22, codespace: "sdk" })
    })
  )

  it.live("keeps credentials and tokens of the URL out of errors, and sends them", () =>
    Effect.gen(function* () {
      const node = yield* fakeComet(fakeChain(5))
      const url = Redacted.make(`http://us%20er:s3cret@127.0.0.1:${node.port}/rpc/t0ken/?key=k3y`)
      const rpc = yield* rpcOf(url)
      yield* rpc.status
      assert.deepStrictEqual(node.requests[0], {
        url: "/rpc/t0ken/?key=k3y",
        authorization: `Basic ${Buffer.from("us er:s3cret").toString("base64")}`
      })
      assert.strictEqual(rpc.address.name, `127.0.0.1:${node.port}`)
      yield* Effect.promise(() => node.stop())
      const failure = Option.getOrThrow(yield* failureOf(rpc.status))
      const text = `${failure.message} ${String(failure)} ${JSON.stringify(failure)} ${failure.stack}`
      for (const secret of ["s3cret", "t0ken", "k3y"]) assert.notInclude(text, secret)
    })
  )
})
