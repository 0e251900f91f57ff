/** Blocks of real sockets to nodes that stop, lag, lie, fork or fall silent. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer, Logger, Option, Result, type Scope, Stream } from "effect"
import type { BlockWatchSettings } from "../../../adapters/chain/BlockWatch.ts"
import * as BlocksNode from "../../../adapters/chain/BlocksNode.ts"
import * as RpcEndpoints from "../../../adapters/chain/RpcEndpoints.ts"
import { TestClock } from "effect/testing"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { eventually, type FakeComet, FakeChain, fakeChain, fakeComet } from "./FakeComet.ts"

/** Quick, so that what real nodes do in minutes happens in milliseconds. */
const quick: BlockWatchSettings = {
  chainId: "test",
  pollEvery: Duration.millis(100),
  stallAfter: Duration.seconds(20),
  callDeadline: Duration.seconds(2),
  firstPause: Duration.millis(10),
  longestPause: Duration.millis(50)
}

const follow = (nodes: ReadonlyArray<FakeComet>, settings: Partial<BlockWatchSettings> = {}) =>
  Effect.gen(function* () {
    const urls = nodes.map(({ url }) => url)
    const rpc = RpcEndpoints.layer({ ...RpcEndpoints.defaultRpcSettings(urls), deadline: Duration.millis(800) })
    const context = yield* Layer.build(BlocksNode.layer({ ...quick, ...settings }).pipe(Layer.provideMerge(rpc)))
    const blocks = Context.get(context, Blocks)
    const about = Context.get(context, BlocksNode.BlockEndpoints)
    const { shown } = Context.get(context, RpcEndpoints.RpcEndpoints)
    const seen: Array<number> = []
    yield* Effect.forkScoped(
      Stream.runForEach(blocks.changes, ({ height }) => Effect.sync(() => seen.push(Number(height))))
    )
    const latest = () =>
      Effect.runSync(Effect.match(blocks.latest, { onFailure: () => 0, onSuccess: ({ height }) => Number(height) }))
    const reasons = Effect.map(about.reasons, (all) => all.map(({ text }) => text).join("; "))
    const says = (pattern: RegExp) =>
      eventually(`reasons match ${pattern}`, () => pattern.test(Effect.runSync(reasons)))
    const reaches = (height: number) => eventually(`height ${height}`, () => latest() >= height)
    return { blocks, about, seen, shown, latest, reasons, says, reaches }
  })

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) => it.live(title, () => body, 20_000)

/** Port of a node that hears nothing. */
const nobody = (chain: FakeChain) =>
  Effect.gen(function* () {
    const node = yield* fakeComet(chain)
    yield* Effect.promise(() => node.stop())
    return node
  })

describe("BlocksNode", () => {
  test(
    "publishes what the socket announces, with the hash that the node shows",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain)
      const { blocks, seen, reaches, shown } = yield* follow([node], { pollEvery: Duration.seconds(20) })
      yield* eventually("the subscription", () => node.sockets.size === 1)
      for (let count = 0; count < 3; count++) {
        chain.add()
        node.announce()
        yield* reaches(chain.blocks.length)
      }
      assert.deepStrictEqual(seen, [5, 6, 7, 8])
      assert.strictEqual(shown.newest, 8n)
      const latest = yield* blocks.latest
      assert.deepStrictEqual(latest, {
        height: 8n,
        hash: Uint8Array.from(Buffer.from(chain.blocks[7]!.hash, "hex")),
        timeUnixNano: BigInt(Date.parse("2026-01-01T00:00:08Z")) * 1_000_000n + 1n
      })
      const second = Option.getOrThrow(yield* blocks.at(2n))
      assert.strictEqual(Buffer.from(second.hash).toString("hex").toUpperCase(), chain.blocks[1]!.hash)
      assert.isTrue(Option.isNone(yield* blocks.at(9n)))
      assert.isTrue(Option.isNone(yield* blocks.at(0n)))
    })
  )

  test(
    "reads the heights it has missed in order, after a reconnect and after events that were lost",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain)
      const { blocks, seen, reaches } = yield* follow([node], { pollEvery: Duration.seconds(20) })
      yield* eventually("the subscription", () => node.sockets.size === 1)
      for (let count = 0; count < 30; count++) chain.add()
      node.announce()
      yield* reaches(35)
      yield* Effect.promise(() => node.stop())
      for (let count = 0; count < 3; count++) chain.add()
      yield* Effect.promise(() => node.start())
      yield* reaches(38)
      assert.deepStrictEqual(
        seen.filter((height, index) => index > 0 && height <= seen[index - 1]!),
        []
      )
      yield* eventually("another socket", () => node.opened === 2)
      // A reader may skip, what was read by height has skipped none: no call is needed for them.
      const asked = node.calls.filter((method) => method === "blockchain").length
      for (let height = 6n; height <= 38n; height++) {
        assert.strictEqual(Option.getOrThrow(yield* blocks.at(height)).height, height)
      }
      assert.strictEqual(node.calls.filter((method) => method === "blockchain").length, asked)
    })
  )

  test(
    "asks for the status where sockets cannot be used, and says so",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain, { noSocket: true })
      const { about, reaches, says } = yield* follow([node])
      chain.add()
      yield* reaches(6)
      yield* says(/its WebSocket is not in use/)
      assert.isTrue((yield* about.reasons).every(({ isBlocking }) => !isBlocking))
      node.is.noSocket = false
      yield* eventually("the subscription", () => node.sockets.size === 1)
      yield* eventually("no reasons", () => Effect.runSync(about.reasons).length === 0)
    })
  )

  test(
    "waits, when it asks for the status, until the block's state can be read",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain, { noSocket: true })
      const { latest, reaches } = yield* follow([node])
      node.is.app = 5
      chain.add()
      const asked = node.calls.filter((method) => method === "abci_info").length
      yield* eventually("three looks", () => node.calls.filter((method) => method === "abci_info").length > asked + 3)
      assert.strictEqual(latest(), 5)
      node.is.app = 6
      yield* reaches(6)
    })
  )

  test(
    "leaves a socket that says nothing while there are blocks, and one on which nothing comes for long",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain, { mute: true })
      const { reaches, says } = yield* follow([node], { stallAfter: Duration.millis(500) })
      yield* eventually("the subscription", () => node.opened === 1)
      chain.add()
      yield* reaches(6)
      yield* eventually("another socket", () => node.opened === 2)
      yield* says(/has shown no new block for/)
      yield* eventually("a third one", () => node.opened >= 3)
      chain.add()
      yield* reaches(7)
    })
  )

  test(
    "keeps a socket whose word of a block comes a moment after the status has named it",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain)
      const { reaches, reasons } = yield* follow([node])
      yield* eventually("the subscription", () => node.opened === 1 && node.sockets.size === 1)
      for (let height = 6; height < 12; height++) {
        chain.add()
        yield* reaches(height)
        node.announce()
      }
      assert.strictEqual(node.opened, 1)
      assert.strictEqual(yield* reasons, "")
    })
  )

  test(
    "takes a node that was behind for well again by what its socket announces",
    Effect.gen(function* () {
      const chain = fakeChain(15)
      const quickest = yield* fakeComet(chain)
      const behind = yield* fakeComet(chain)
      behind.is.shows = 5
      const { about, reaches, says } = yield* follow([quickest, behind], { pollEvery: Duration.seconds(20) })
      yield* reaches(15)
      yield* about.hint({ height: 16n })
      yield* says(/is 10 blocks behind/)
      yield* eventually("the subscription", () => behind.sockets.size === 1)
      behind.is.shows = undefined
      chain.add()
      behind.announce()
      yield* reaches(16)
      yield* eventually("no reasons", () => Effect.runSync(about.reasons).length === 0)
    })
  )

  test(
    "leaves sockets on which garbage, words of others, large or binary frames come",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain)
      const { reaches } = yield* follow([node], { pollEvery: Duration.seconds(20) })
      const hostile: ReadonlyArray<string | Uint8Array> = [
        "no json",
        "{}",
        '{"jsonrpc":"2.0","id":7,"result":{}}',
        '{"jsonrpc":"2.0","id":1,"result":{"data":{"value":{"header":{"chain_id":"test","height":7}}}}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Server error","data":"subscription was canceled"}}',
        "x".repeat(2 << 20),
        new Uint8Array([1, 2, 3])
      ]
      for (const [index, frame] of hostile.entries()) {
        yield* eventually("the subscription", () => node.opened === index + 1 && node.sockets.size === 1)
        node.send(frame)
      }
      yield* eventually("the last subscription", () => node.opened === hostile.length + 1 && node.sockets.size === 1)
      chain.add()
      node.announce()
      yield* reaches(6)
    })
  )

  test(
    "is built while nodes are away, blocks readiness, and follows once they are there",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* nobody(chain)
      const { about, blocks, reaches } = yield* follow([node])
      assert.isUndefined(blocks.peek())
      const failure = Option.getOrThrow(Result.getFailure(yield* Effect.result(blocks.latest)))
      assert.strictEqual(failure._tag, "ChainUnavailable")
      const reasons = yield* about.reasons
      assert.isTrue(reasons.some(({ isBlocking, text }) => isBlocking && text === "no block of the chain was seen yet"))
      assert.isTrue(reasons.some(({ isBlocking, text }) => isBlocking && text.includes("ECONNREFUSED")))
      yield* Effect.promise(() => node.start())
      yield* reaches(5)
      yield* eventually("no reasons", () => Effect.runSync(about.reasons).length === 0)
    })
  )

  test(
    "does not believe a height whose block is not shown, and takes those that are",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain)
      const lines: Array<string> = []
      const logger = Logger.make(
        ({ message }) => void lines.push(String(Array.isArray(message) ? message[0] : message))
      )
      const { latest, reaches, says } = yield* follow([node]).pipe(Effect.provide(Logger.layer([logger])))
      const told = () => lines.filter((line) => /names height [12]000000 and does not show its block/.test(line)).length
      yield* eventually("the subscription", () => node.sockets.size === 1)
      node.is.says = 1_000_000
      node.announce(2_000_000)
      yield* says(/names height [12]000000 and does not show its block/)
      yield* eventually("a word in the log", () => told() === 1)
      assert.strictEqual(latest(), 5)
      chain.add()
      yield* reaches(6)
      node.is.says = undefined
      chain.add()
      node.announce()
      yield* reaches(7)
      assert.strictEqual(latest(), 7)
      assert.strictEqual(told(), 1)
    })
  )

  test(
    "never publishes a block that contradicts a published one; names the endpoint, asks it no more, and takes it back",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const forked = FakeChain.forked(chain, 4)
      for (let count = 0; count < 4; count++) forked.add({ salt: "fork" })
      const good = yield* fakeComet(chain)
      const bad = yield* nobody(forked)
      const both = yield* follow([good, bad])
      yield* Effect.promise(() => bad.start())
      yield* both.says(new RegExp(`${bad.port}: shows another chain at height [45]`))
      chain.add()
      good.announce()
      yield* both.reaches(6)
      forked.add({ salt: "fork" })
      bad.announce()
      chain.add()
      good.announce()
      yield* both.reaches(7)
      for (const height of [4n, 5n, 6n, 7n]) {
        const block = Option.getOrThrow(yield* both.blocks.at(height))
        assert.strictEqual(
          Buffer.from(block.hash).toString("hex").toUpperCase(),
          chain.blocks[Number(height) - 1]!.hash
        )
      }
      assert.isFalse((yield* both.about.reasons).some(({ isBlocking }) => isBlocking))
      bad.chain = chain
      chain.add()
      bad.announce()
      yield* both.reaches(8)
      yield* eventually("it is believed again", () => !/another chain/.test(Effect.runSync(both.reasons)))
      assert.deepStrictEqual(both.seen, [5, 6, 7, 8])
    })
  )

  test(
    "finds a fork behind a gap longer than it reads",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain)
      const { latest, says } = yield* follow([node])
      yield* eventually("the subscription", () => node.sockets.size === 1)
      const forked = FakeChain.forked(chain, 3)
      for (let count = 0; count < 300; count++) forked.add({ salt: "fork" })
      node.chain = forked
      node.announce()
      yield* says(/shows another chain at height 5/)
      assert.strictEqual(latest(), 5)
    })
  )

  test(
    "refuses a node of another chain and names what to correct",
    Effect.gen(function* () {
      const node = yield* fakeComet(fakeChain(5), { network: "other" })
      const { about, blocks } = yield* follow([node])
      const reasons = yield* about.reasons
      assert.isTrue(
        reasons.some(
          ({ isBlocking, text }) =>
            isBlocking &&
            text.includes('is a node of the chain "other", not of "test"; correct pocket_node or chain_id')
        )
      )
      assert.isTrue(Result.isFailure(yield* Effect.result(blocks.latest)))
    })
  )

  const free = { chainId: undefined }
  const blocking = (about: BlocksNode.BlockEndpoints["Service"]) =>
    Effect.runSync(about.reasons)
      .filter(({ isBlocking }) => isBlocking)
      .map(({ text }) => text)
      .join("; ")

  test(
    "without a chain id follows the chain that most nodes name, not that of the quickest",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const wrong = yield* fakeComet(fakeChain(50), { network: "other" })
      const nodes = [wrong, yield* fakeComet(chain, { slowMillis: 50 }), yield* fakeComet(chain, { slowMillis: 80 })]
      const { latest, says, seen } = yield* follow(nodes, free)
      assert.strictEqual(latest(), 5)
      yield* says(new RegExp(`${wrong.port}: is a node of the chain "other", not of "test"`))
      chain.add()
      yield* eventually("the next block", () => latest() === 6)
      assert.deepStrictEqual(seen, [5, 6])
    })
  )

  test(
    "without a chain id believes no node while they disagree, names them, and goes on once they agree",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const right = yield* fakeComet(chain)
      const wrong = yield* fakeComet(fakeChain(50), { network: "other", slowMillis: 50 })
      const { about, blocks, latest, seen } = yield* follow([right, wrong], free)
      yield* eventually("the disagreement", () => /nodes disagree/.test(blocking(about)))
      assert.include(blocking(about), `127.0.0.1:${right.port} says "test", 127.0.0.1:${wrong.port} says "other"`)
      assert.include(blocking(about), "set pocket_node.chain_id")
      assert.strictEqual(latest(), 0)
      assert.isTrue(Result.isFailure(yield* Effect.result(blocks.at(3n))))
      chain.add()
      right.announce()
      wrong.announce()
      const asked = wrong.calls.length
      yield* eventually("further looks", () => wrong.calls.length > asked + 2)
      assert.deepStrictEqual(seen, [])
      wrong.chain = chain
      wrong.is.network = "test"
      yield* eventually("a block", () => latest() === 6)
      yield* eventually("no reasons", () => Effect.runSync(about.reasons).length === 0)
    })
  )

  test(
    "without a chain id takes the word of the nodes that answer, says which did not, and names one that comes back wrong",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const away = yield* nobody(fakeChain(50))
      away.is.network = "other"
      const node = yield* fakeComet(chain)
      const { about, latest, says } = yield* follow([away, node], free)
      yield* eventually("a block", () => latest() === 5)
      yield* says(new RegExp(`the chain "test" is the word of some nodes only, 127.0.0.1:${away.port} did not say`))
      assert.strictEqual(blocking(about), "")
      yield* Effect.promise(() => away.start())
      yield* says(new RegExp(`${away.port}: is a node of the chain "other", not of "test"`))
      assert.strictEqual(latest(), 5)
    })
  )

  test(
    "without a chain id asks all nodes when the first of them is back, and does not believe that one alone",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const nodes = [yield* nobody(fakeChain(50)), yield* nobody(chain), yield* nobody(chain)] as const
      nodes[0].is.network = "other"
      nodes[1].is.slowMillis = 100
      nodes[2].is.slowMillis = 100
      const { latest, says } = yield* follow(nodes, { ...free, longestPause: Duration.seconds(10) })
      yield* says(/no block of the chain was seen yet/)
      yield* Effect.forEach(nodes, (node) => Effect.promise(() => node.start()))
      yield* eventually("a block", () => latest() === 5)
      yield* says(new RegExp(`${nodes[0].port}: is a node of the chain "other"`))
    })
  )

  test(
    "follows the quickest of several, names those behind, and goes on when one stops",
    Effect.gen(function* () {
      const chain = fakeChain(10)
      const first = yield* fakeComet(chain)
      const second = yield* fakeComet(chain, { shows: 4 })
      const { about, reaches, says, latest } = yield* follow([first, second])
      assert.strictEqual(latest(), 10)
      yield* says(/is 6 blocks behind/)
      second.is.shows = undefined
      yield* eventually("no reasons", () => Effect.runSync(about.reasons).length === 0)
      yield* Effect.promise(() => first.stop())
      chain.add()
      second.announce()
      yield* reaches(11)
      yield* says(/shows no blocks/)
      assert.isFalse((yield* about.reasons).some(({ isBlocking }) => isBlocking))
      yield* Effect.promise(() => second.stop())
      yield* eventually("not ready", () => Effect.runSync(about.reasons).some(({ isBlocking }) => isBlocking))
      yield* Effect.promise(() => first.start())
      chain.add()
      yield* reaches(12)
    })
  )

  test(
    "reads blocks by height where they still are, and says nothing of what no node shows",
    Effect.gen(function* () {
      const chain = fakeChain(10)
      const pruned = yield* fakeComet(chain, { base: 8 })
      const archive = yield* fakeComet(chain)
      const alone = yield* follow([pruned])
      assert.isTrue(Option.isNone(yield* alone.blocks.at(3n)))
      const { blocks } = yield* follow([pruned, archive])
      assert.strictEqual(Option.getOrThrow(yield* blocks.at(3n)).height, 3n)
      // A node that has lost its newest blocks does not say that they are not committed.
      pruned.is.shows = 8
      const failure = Option.getOrThrow(Result.getFailure(yield* Effect.result(alone.blocks.at(9n))))
      assert.strictEqual(failure._tag, "ChainUnavailable")
      pruned.is.silent = true
      const silent = Option.getOrThrow(Result.getFailure(yield* Effect.result(alone.blocks.at(8n))))
      assert.strictEqual(silent._tag, "ChainUnavailable")
    })
  )

  test(
    "is built although a node is silent, follows a slow one, and one that answers at last",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const silent = yield* fakeComet(chain, { silent: true })
      const alone = yield* follow([silent], { callDeadline: Duration.millis(200) })
      yield* alone.says(/failed status \(deadline\): no answer within/)
      assert.isTrue((yield* alone.about.reasons).some(({ isBlocking }) => isBlocking))
      const slow = yield* fakeComet(chain, { slowMillis: 100 })
      const both = yield* follow([silent, slow])
      assert.strictEqual(both.latest(), 5)
      for (let count = 0; count < 3; count++) {
        chain.add()
        slow.announce()
      }
      yield* both.reaches(8)
      silent.is.silent = false
      yield* alone.reaches(8)
      yield* eventually("no reasons", () => Effect.runSync(alone.about.reasons).length === 0)
    })
  )

  test(
    "looks at once when somebody announces a block, and believes only the node",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain, { mute: true })
      const { about, latest, reaches } = yield* follow([node], { pollEvery: Duration.seconds(20) })
      yield* eventually("the subscription", () => node.sockets.size === 1)
      chain.add()
      yield* eventually("the look of a hint", () =>
        Effect.runPromise(Effect.as(about.hint({ height: 6n }), latest() === 6))
      )
      const asked = node.calls.length
      yield* about.hint({ height: 6n })
      yield* about.hint({ height: 1_000n })
      chain.add()
      node.is.mute = false
      node.announce()
      yield* reaches(7)
      assert.strictEqual(latest(), 7)
      assert.isAtMost(node.calls.length - asked, 4)
    })
  )

  it.effect("asks a node for its status each half minute, also while headers come", () =>
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain)
      const { about, latest } = yield* follow([node], {
        pollEvery: Duration.minutes(10),
        stallAfter: Duration.hours(1)
      })
      const live = (what: string, until: () => boolean) => TestClock.withLive(eventually(what, until))
      yield* live("the subscription", () => node.sockets.size === 1)
      yield* live("the look after it", () => Effect.runSync(about.endpoints)[0]?.socketFailure === undefined)
      node.is.txIndex = "off"
      for (const seconds of [20, 20]) {
        assert.deepStrictEqual(yield* about.indexReasons, [])
        yield* TestClock.adjust(Duration.seconds(seconds))
        const { height } = chain.add()
        node.announce()
        yield* live("the block", () => latest() === height)
      }
      yield* live("the index is known to be off", () => Effect.runSync(about.indexReasons).length === 1)
    })
  )

  test(
    "names nodes that keep no index of transactions, to those who look for some",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const without = yield* fakeComet(chain, { txIndex: "off" })
      const { about } = yield* follow([without, yield* fakeComet(chain)])
      yield* eventually("both looked at", () => Effect.runSync(about.endpoints).every(({ shown }) => shown === 5n))
      const [reason, ...others] = yield* about.indexReasons
      assert.deepStrictEqual(others, [])
      assert.isFalse(reason?.isBlocking)
      assert.match(reason?.text ?? "", new RegExp(`${without.port} keeps no index of transactions.*newest 64 blocks`))
      without.is.txIndex = "on"
      yield* about.hint({ height: 6n })
      chain.add()
      yield* eventually("it is known", () => Effect.runSync(about.indexReasons).length === 0)
    })
  )

  test(
    "hands late readers the newest block first and ends with its scope",
    Effect.gen(function* () {
      const chain = fakeChain(5)
      const node = yield* fakeComet(chain)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { blocks } = yield* follow([node])
          yield* eventually("the subscription", () => node.sockets.size === 1)
          const first = yield* Effect.forkChild(blocks.changes.pipe(Stream.take(1), Stream.runCollect))
          assert.deepStrictEqual(yield* Fiber.join(first), [yield* blocks.latest])
        })
      )
      yield* eventually("the socket is closed", () => node.sockets.size === 0)
      const asked = node.calls.length
      chain.add()
      node.announce()
      assert.strictEqual(node.calls.length, asked)
    })
  )
})
