/** A recorded chain goes on where it was, whatever ended its process. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { sendOverGrpc } from "../../../adapters/chain/Broadcasts.ts"
import { makeGrpcTransport } from "../../../adapters/chain/GrpcTransport.ts"
import { startDevnet } from "../../../adapters/simchain/devnet/Devnet.ts"
import { demoGenesis } from "../../../adapters/simchain/Genesis.ts"
import * as RecordedChain from "../../../adapters/simchain/RecordedChain.ts"
import * as Sim from "../../../adapters/simchain/SimChain.ts"
import { ChainTx } from "../../../domain/ports/ChainTx.ts"
import { ChainWorld, reachClaimWindow, worldClaim, worldTx } from "../../contract/ChainWorld.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import { rpc } from "./devnet/TestDevnet.ts"

const genesis = demoGenesis({
  services: [{ id: "svc", name: "Service", computeUnitsPerRelay: 1n }],
  gateways: [{ publicKey: testKey("gateway").publicKey }],
  applications: [{ publicKey: testKey("application").publicKey, serviceIds: ["svc"] }],
  suppliers: [{ publicKey: testKey("supplier").publicKey, services: [{ serviceId: "svc" }] }]
})

const temporaryJournal = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-chain-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => join(directory, "chain.jsonl")
)

const withChain = <A, E>(
  path: string,
  body: (chain: Sim.SimChain["Service"]) => Effect.Effect<A, E>,
  origin = "--seed a"
) =>
  Sim.SimChain.use(body).pipe(Effect.provide(RecordedChain.layer({ genesis, seed: "a", path, origin })), Effect.scoped)

/** Hashes of all blocks. */
const hashes = (chain: Sim.SimChain["Service"]) =>
  Effect.flatMap(chain.state, ({ height }) =>
    Effect.forEach(
      Array.from({ length: Number(height) }, (_, index) => BigInt(index + 1)),
      (each) => Effect.map(chain.block(each), (block) => Buffer.from(Option.getOrThrow(block).hash).toString("hex"))
    )
  )

const produce = (blocks: number) => (chain: Sim.SimChain["Service"]) =>
  Effect.forEach(
    Array.from({ length: blocks }),
    () => Effect.andThen(TestClock.adjust("1 seconds"), chain.produceBlock),
    {
      discard: true
    }
  ).pipe(Effect.andThen(hashes(chain)))

/** How bytes reach a chain. */
type Way = (
  chain: Sim.SimChain["Service"]
) => Effect.Effect<(bytes: Uint8Array) => Effect.Effect<void, unknown>, unknown, ChainTx | Scope.Scope>

const loseReplies: Way = (chain) =>
  Effect.map(
    chain.makeNode({ loseReplies: 2 }),
    ({ tx }) =>
      (bytes) =>
        Effect.flip(tx.broadcast(bytes))
  )

const overRpc: Way = (chain) =>
  Effect.map(
    startDevnet({ chain }),
    ({ nodes }) =>
      (bytes) =>
        Effect.tap(
          rpc(nodes[0]?.rpcUrl ?? "", "broadcast_tx_sync", { tx: Buffer.from(bytes).toString("base64") }),
          ({ json }) => Effect.sync(() => assert.include(JSON.stringify(json), '"code":0'))
        )
  )

const overGrpc: Way = (chain) =>
  Effect.gen(function* () {
    const { nodes } = yield* startDevnet({ chain })
    const [host = "", port] = (nodes[0]?.grpcTarget ?? "").split(":")
    const transport = yield* makeGrpcTransport({ host, port: Number(port), isInsecure: true })
    return (bytes) =>
      Effect.map(sendOverGrpc(transport, "node", bytes), (verdict) => assert.isTrue(Option.isNone(verdict)))
  })

describe("a recorded chain", () => {
  it.effect("has the same blocks after a start, and goes on behind them", () =>
    Effect.gen(function* () {
      const path = yield* temporaryJournal
      const before = yield* withChain(path, produce(5))
      assert.lengthOf(before, 6)
      yield* TestClock.adjust("1 hours")
      assert.deepStrictEqual(yield* withChain(path, hashes), before)
      const after = yield* withChain(path, produce(2))
      assert.deepStrictEqual(after.slice(0, 6), before)
      assert.deepStrictEqual(yield* withChain(path, hashes), after)
    })
  )

  it.effect("passes over a line that was cut short", () =>
    Effect.gen(function* () {
      const path = yield* temporaryJournal
      const before = yield* withChain(path, produce(3))
      appendFileSync(path, '{"time":"170000')
      const after = yield* withChain(path, produce(1))
      assert.deepStrictEqual(after.slice(0, 4), before)
      assert.deepStrictEqual(yield* withChain(path, hashes), after)
    })
  )

  const ways: ReadonlyArray<readonly [name: string, way: Way]> = [
    ["the port", () => Effect.map(ChainTx, (tx) => tx.broadcast)],
    ["the port, where the answer is lost", loseReplies],
    ["a devnet's RPC", overRpc],
    ["a devnet's gRPC", overGrpc]
  ]
  it.effect.each(ways)("keeps transactions sent over %s, those in blocks and those that wait for one", ([, way]) =>
    Effect.gen(function* () {
      const path = yield* temporaryJournal
      yield* TestClock.setTime(1_800_000_000_000)
      /** Makes claims of the first session, the first of which gets into a block. */
      const claims = (chain: Sim.SimChain["Service"]) =>
        Effect.gen(function* () {
          const tx = yield* ChainTx
          const send = yield* way(chain)
          const header = yield* reachClaimWindow
          const sent = [
            yield* worldTx([yield* worldClaim(header, 3n)], tx.chainId),
            yield* worldTx([yield* worldClaim(header, 4n)], tx.chainId)
          ]
          for (const { txBytes } of sent) {
            yield* send(txBytes)
            if (txBytes === sent[0]?.txBytes) yield* chain.produceBlock
          }
          return sent.map(({ hash }) => hash)
        }).pipe(
          Effect.provideService(ChainWorld, {
            nextBlock: Effect.asVoid(chain.produceBlock),
            setReadsBroken: () => Effect.void,
            setTxsBroken: () => Effect.void,
            application: testKey("application"),
            supplier: testKey("supplier"),
            service: "svc",
            computeUnitsPerRelay: 1n
          }),
          Effect.provide(Layer.provide(Sim.layerNode(), Layer.succeed(Sim.SimChain, chain))),
          Effect.scoped,
          Effect.orDie
        )
      const [included = "", waiting = ""] = yield* withChain(path, claims)
      yield* withChain(path, (chain) =>
        Effect.gen(function* () {
          const { height } = yield* chain.state
          const txsOf = (at: bigint) =>
            Effect.map(chain.block(at), (block) => Option.getOrThrow(block).txs.map(({ hash }) => hash))
          assert.deepStrictEqual(yield* txsOf(height), [included])
          assert.deepStrictEqual(yield* chain.pending, [waiting])
          yield* chain.produceBlock
          assert.deepStrictEqual(yield* txsOf(height + 1n), [waiting])
        })
      )
    })
  )

  it.effect("refuses a journal of another chain, and one that does not lead to its blocks", () =>
    Effect.gen(function* () {
      const path = yield* temporaryJournal
      yield* withChain(path, produce(3))
      const other = yield* Effect.flip(withChain(path, hashes, "--seed b"))
      assert.match(other.message, /chain\.jsonl is of a chain that was started with --seed a; start with the same/)
      const whole = readFileSync(path, "utf8")
      writeFileSync(path, whole.replace(/"time":"(\d+)\d"/, '"time":"$17"'))
      assert.match((yield* Effect.flip(withChain(path, hashes))).message, /cannot be followed \(block 1 comes out diff/)
      writeFileSync(path, whole.replace('"hash"', '"hush"'))
      assert.match(
        (yield* Effect.flip(withChain(path, hashes))).message,
        /cannot be followed \(line 2 is no part of a chain\)/
      )
    })
  )
})
