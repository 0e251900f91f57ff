/** Nodes that ask a higher gas price than is configured: paid where it is worth it, told, and forgotten in time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Result } from "effect"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { ChainTx } from "../../../domain/ports/ChainTx.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { priceNotices } from "../../../domain/settlement/AskedGasPrice.ts"
import { freshSharedNotes } from "../../../domain/settlement/SharedNotes.ts"
import { decodeTx } from "../../../domain/tx/TxDecode.ts"
import { append, headerAt, inWorld, relaysOf, runBlocks, stateOf, testSettings } from "./MinerWorld.ts"

const endOf = (header: SessionHeader) => Effect.map(stateOf(header), ({ end }) => end)
/** Uses the whole claim window: the chain's nodes take nothing below 0.000001upokt. */
const params = { shared: { claimWindowCloseOffsetBlocks: 4n, proofWindowCloseOffsetBlocks: 4n } }
const settingsWith = (scaled: bigint) => ({
  ingest: testSettings.ingest,
  submission: { ...testSettings.submission, gasPrice: { scaled, denom: "upokt" } },
  fleet: testSettings.fleet
})

interface Paid {
  readonly kind: string
  readonly fee: bigint
  readonly gas: bigint
}

/** The port, with fee and gas of every transaction that is sent, whether it is taken or not. */
const weighed = Effect.fnUntraced(function* (sent: Array<Paid>) {
  const tx = yield* ChainTx
  return ChainTx.of({
    ...tx,
    broadcast: (bytes) =>
      Effect.suspend(() => {
        const { fee, messages } = Result.getOrThrow(decodeTx(bytes))
        sent.push({
          kind: messages[0]!._tag,
          fee: fee?.amount.reduce((sum, { amount }) => sum + amount, 0n) ?? 0n,
          gas: fee?.gasLimit ?? 0n
        })
        return tx.broadcast(bytes)
      })
  })
})

describe("a node that asks a higher gas price", () => {
  it.effect("is paid what it asks, at once, and the next transactions begin with that", () =>
    Effect.gen(function* () {
      const sent: Array<Paid> = []
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Warn") lines.push(String(Array.isArray(message) ? message[0] : message))
      })
      yield* startMiner.pipe(
        Effect.provideService(ChainTx, yield* weighed(sent)),
        Effect.provide(Logger.layer([logger]))
      )
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(26)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      const [first, ...others] = sent
      assert.deepStrictEqual([first?.kind, first?.fee], ["CreateClaim", 0n])
      // 0.000001upokt for each unit of gas, rounded up.
      const least = (gas: bigint) => (gas + 999_999n) / 1_000_000n
      // A whole uPOKT for the first gas tells the price to one in gas.
      for (const { fee, gas } of others) assert.isTrue(fee >= least(gas) && fee <= least(gas) + 2n)
      assert.strictEqual(others[0]?.kind, "CreateClaim")
      assert.strictEqual(sent.filter(({ fee }) => fee === 0n).length, 1)
      const told = lines.filter((line) => line.includes("nodes take no transaction below a gas price of"))
      assert.strictEqual(told.length, 1)
      assert.include(told[0], "configured is 0upokt")
      assert.include(told[0], "transaction.gas_price")
    }).pipe(inWorld({ params, settings: settingsWith(0n) }))
  )

  it.effect("is not paid more than a tenth of what is at stake, and the session's end names what it asked", () =>
    Effect.gen(function* () {
      const sent: Array<Paid> = []
      const node = yield* SimNode
      const log = "insufficient fees; got: 1upokt required: 2101upokt: insufficient fee"
      yield* node.setFaults({ refusals: Array.from({ length: 50 }, () => ({ codespace: "sdk", code: 13, log })) })
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* weighed(sent)))
      const header = yield* headerAt(1n)
      // Worth 21 000 uPOKT.
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(26)
      assert.isAbove(sent.length, 1)
      assert.isTrue(sent.every(({ fee }) => fee <= 1n))
      const end = yield* endOf(header)
      assert.strictEqual(end?._tag, "ClaimMissed")
      assert.include(end?._tag === "ClaimMissed" ? end.detail : "", "required: 2101upokt")
    }).pipe(inWorld({ params, settings: settingsWith(10n ** 12n) }))
  )
})

describe("what is asked", () => {
  it.effect("is said while it counts", () =>
    Effect.gen(function* () {
      const shared = freshSharedNotes(testSettings.submission)
      const configured = { scaled: 10n ** 12n, denom: "upokt" }
      assert.deepStrictEqual(yield* priceNotices(shared, configured), [])
      shared.askedPrice = { price: { scaled: 1_500_000_000_000_000_000n, denom: "upokt" }, until: 1n }
      const [notice] = yield* priceNotices(shared, configured)
      assert.include(notice, "below a gas price of 1.5upokt, configured is 0.000001upokt")
      shared.askedPrice = { ...shared.askedPrice, until: 0n }
      assert.deepStrictEqual(yield* priceNotices(shared, configured), [])
    })
  )
})
