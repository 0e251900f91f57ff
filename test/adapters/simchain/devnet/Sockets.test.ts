/** WebSockets of a devnet node drop clients as CometBFT's do, and our own subscription survives it. */
import { createServer, connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { WebSocket } from "ws"
import * as BlocksNode from "../../../../adapters/chain/BlocksNode.ts"
import * as RpcEndpoints from "../../../../adapters/chain/RpcEndpoints.ts"
import { MAX_CLIENTS } from "../../../../adapters/simchain/devnet/Subscriptions.ts"
import { Blocks } from "../../../../domain/ports/Blocks.ts"
import { eventually } from "../../chain/FakeComet.ts"
import { testDevnet } from "./TestDevnet.ts"

const HEADERS = "tm.event='NewBlockHeader'"

/** A foreign client: what it hears, and the code with which its socket closes. */
class Client {
  readonly heard: Array<string> = []
  pings = 0
  closed: number | undefined
  readonly socket: WebSocket

  constructor(url: string, autoPong = true) {
    this.socket = new WebSocket(url, { autoPong })
    this.socket.on("message", (data: Buffer) => this.heard.push(data.toString()))
    this.socket.on("ping", () => this.pings++)
    this.socket.on("close", (code) => (this.closed = code))
  }

  ask(method: string, query: string): void {
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", id: 7, method, params: { query } }))
  }

  get heights(): ReadonlyArray<string> {
    return this.heard.flatMap((text) => /"height":"([0-9]+)"/.exec(text)?.[1] ?? [])
  }
}

const opened = (url: string, autoPong = true) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Client>((resolve) => {
          const client = new Client(url, autoPong)
          client.socket.once("open", () => resolve(client))
        })
    ),
    ({ socket }) => Effect.sync(() => socket.terminate())
  )

/** Hands connections on to a port; while it is held, nothing comes back over those that speak WebSocket. */
const slowLine = (port: number) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly port: number; readonly hold: (held: boolean) => void; readonly close: () => void }>(
          (resolve) => {
            const lines = new Set<Socket>()
            const all = new Set<Socket>()
            const server = createServer((near) => {
              const far = connect(port, "127.0.0.1")
              for (const socket of [near, far]) {
                all.add(socket)
                socket.on("error", () => socket.destroy())
              }
              near.on("close", () => far.destroy())
              far.on("close", () => near.destroy())
              near.once("data", (first) => {
                if (first.toString("latin1").toLowerCase().includes("upgrade: websocket")) lines.add(far)
              })
              near.pipe(far)
              far.pipe(near)
            })
            server.listen(0, "127.0.0.1", () => {
              const address = server.address()
              resolve({
                port: typeof address === "object" && address !== null ? address.port : 0,
                hold: (held) => lines.forEach((line) => (held ? line.pause() : line.resume())),
                close: () => {
                  for (const socket of all) socket.destroy()
                  server.close()
                }
              })
            })
          }
        )
    ),
    ({ close }) => Effect.sync(close)
  )

describe("WebSockets of a devnet node", () => {
  it.effect("ping each 27 s, and drop a peer that sent neither text nor a pong for 30 s without a close frame", () =>
    Effect.gen(function* () {
      const { nodes } = yield* testDevnet()
      const url = nodes[0]?.webSocketUrl ?? ""
      const faithful = yield* opened(url)
      const mute = yield* opened(url, false)
      const pinging = yield* opened(url, false)
      const talking = yield* opened(url, false)
      const wait = (what: string, until: () => boolean) => TestClock.withLive(eventually(what, until))
      yield* wait("all are served", () => Effect.runSync(nodes[0]!.webSockets) === 4)
      yield* TestClock.adjust("26 seconds")
      assert.deepStrictEqual([faithful.pings, mute.pings], [0, 0])
      yield* TestClock.adjust("1 seconds")
      yield* wait("a ping", () => faithful.pings === 1 && mute.pings === 1 && pinging.pings === 1)
      pinging.socket.ping()
      talking.ask("health", "")
      yield* wait("an answer", () => talking.heard.length === 1)
      yield* TestClock.adjust("3 seconds")
      assert.isUndefined(mute.closed)
      yield* TestClock.adjust("1 seconds")
      yield* wait("the mute are dropped", () => mute.closed !== undefined && pinging.closed !== undefined)
      assert.deepStrictEqual([mute.closed, pinging.closed], [1006, 1006])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual([faithful.closed, talking.closed], [undefined, undefined])
    })
  )

  it.live("take subscriptions of a hundred clients, frames of a million bytes, and queries of 512", () =>
    Effect.gen(function* () {
      const { nodes } = yield* testDevnet()
      const url = nodes[0]?.webSocketUrl ?? ""
      const clients = yield* Effect.forEach(Array.from({ length: MAX_CLIENTS }), () => opened(url), { concurrency: 20 })
      for (const client of clients) client.ask("subscribe", HEADERS)
      yield* eventually("all are answered", () => clients.every(({ heard }) => heard.length === 1))
      const late = yield* opened(url)
      const [first] = clients as [Client]
      late.ask("subscribe", HEADERS)
      // Nobody subscribes to more while there are so many.
      first.ask("subscribe", "tm.event='NewBlock'")
      yield* eventually("both are refused", () => late.heard.length === 1 && first.heard.length === 2)
      for (const text of [late.heard[0], first.heard[1]]) assert.include(text, "max_subscription_clients 100 reached")
      first.ask("unsubscribe_all", "")
      late.ask("subscribe", "x".repeat(513))
      yield* eventually("too long", () => late.heard.length === 2)
      assert.include(late.heard[1], "maximum query length exceeded")
      late.ask("subscribe", HEADERS)
      yield* eventually("there is room", () => late.heard.length === 3)
      assert.strictEqual(late.heard[2], `{"jsonrpc":"2.0","id":7,"result":{}}`)
      late.socket.send("x".repeat(1_000_001))
      yield* eventually("it is dropped", () => late.closed !== undefined)
    })
  )

  it.live("end the subscription of a client that does not read, with an error, and keep its socket", () =>
    Effect.gen(function* () {
      const { chain, nodes } = yield* testDevnet()
      const node = nodes[0]!
      const slow = yield* opened(node.webSocketUrl)
      const quick = yield* opened(node.webSocketUrl)
      for (const client of [slow, quick]) client.ask("subscribe", HEADERS)
      yield* eventually("both are subscribed", () => slow.heard.length === 1 && quick.heard.length === 1)
      slow.socket.pause()
      // More than sockets of the operating system buffer.
      yield* node.setWireFaults({ oversizedBytes: 400_000 })
      yield* chain.produceUntil(50n)
      yield* eventually("the quick one", () => quick.heights.length === 49)
      yield* node.setWireFaults({ oversizedBytes: 0 })
      for (let height = 100; height <= 600; height += 50) {
        yield* chain.produceUntil(BigInt(height))
        yield* eventually("the quick one keeps up", () => quick.heights.length === height - 1)
      }
      slow.socket.resume()
      const overflow =
        '{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"Server error","data":"subscription was canceled' +
        ' (reason: internal subscription event buffer is out of capacity)"}}'
      yield* eventually("the overflow is told", () => slow.heard.at(-1) === overflow)
      assert.isBelow(slow.heights.length, 599)
      assert.isAtLeast(slow.heights.length, 200)
      assert.isUndefined(slow.closed)
      const before = slow.heard.length
      yield* chain.produceUntil(601n)
      yield* eventually("the quick one", () => quick.heights.at(-1) === "601")
      assert.strictEqual(slow.heard.length, before)
      slow.ask("subscribe", HEADERS)
      yield* eventually("it may subscribe again", () => slow.heard.length === before + 1)
    })
  )

  it.live("that drop our subscription do not keep blocks from it: the gap is read", () =>
    Effect.gen(function* () {
      const { chain, nodes } = yield* testDevnet()
      const node = nodes[0]!
      const line = yield* slowLine(Number(new URL(node.rpcUrl).port))
      const url = Redacted.make(`http://127.0.0.1:${line.port}`)
      const settings = {
        ...BlocksNode.defaultBlocksSettings("pocket-devnet", Duration.seconds(60)),
        pollEvery: Duration.seconds(60),
        firstPause: Duration.millis(10)
      }
      const context = yield* Layer.build(
        BlocksNode.layer(settings).pipe(Layer.provideMerge(RpcEndpoints.layer(RpcEndpoints.defaultRpcSettings([url]))))
      )
      const blocks = Context.get(context, Blocks)
      const endpoints = Context.get(context, BlocksNode.BlockEndpoints)
      const latest = () => Effect.runSync(Effect.orDie(blocks.latest)).height
      yield* eventually("the subscription", () => Effect.runSync(endpoints.endpoints)[0]?.socketFailure === undefined)
      yield* chain.produceUntil(3n)
      yield* eventually("a block", () => latest() === 3n)
      line.hold(true)
      yield* node.setWireFaults({ oversizedBytes: 400_000 })
      yield* chain.produceUntil(60n)
      yield* node.setWireFaults({ oversizedBytes: 0 })
      yield* chain.produceUntil(600n)
      yield* Effect.sleep(1)
      assert.isBelow(Number(latest()), 600)
      line.hold(false)
      yield* eventually("the newest block", () => latest() === 600n)
      for (const height of [4n, 61n, 300n, 599n, 600n]) {
        const block = yield* Effect.flatMap(blocks.at(height), Effect.fromOption)
        const committed = yield* Effect.flatMap(chain.block(height), Effect.fromOption)
        assert.deepStrictEqual(block.hash, committed.hash)
      }
      yield* chain.produceUntil(601n)
      yield* eventually("the subscription is there again", () => latest() === 601n)
      assert.isTrue(Option.isSome(yield* blocks.at(601n)))
    })
  )
})
