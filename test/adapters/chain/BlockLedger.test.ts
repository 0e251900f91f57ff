/** What was published stays, whatever endpoints show, in whatever order. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { BlockLedger, BLOCKS_KEPT } from "../../../adapters/chain/BlockLedger.ts"
import type { BlockHead } from "../../../adapters/chain/CometRpc.ts"

/** Hash of the block of a chain at a height: 32 bytes that no other has. */
const hashOf = (chain: number, height: bigint): Uint8Array => {
  const hash = new Uint8Array(32).fill(chain)
  new DataView(hash.buffer).setBigUint64(0, height)
  return hash
}

/** Chains share blocks below `fork`. */
const headOf = (height: number, chain = 0, fork = 1): BlockHead => {
  const at = BigInt(height)
  const of = (wanted: bigint) => hashOf(wanted < BigInt(fork) ? 0 : chain, wanted)
  return { chainId: "test", height: at, hash: of(at), parentHash: of(at - 1n), timeUnixNano: at * 1_000n }
}

const outcomes = (ledger: BlockLedger, heads: ReadonlyArray<BlockHead>) =>
  heads.map((head) =>
    Result.match(ledger.offer(head), { onFailure: ({ height }) => `no: ${height}`, onSuccess: String })
  )

describe("BlockLedger", () => {
  it("takes newer blocks, knows those it has, and remembers older ones", () => {
    const ledger = new BlockLedger()
    const heads = [5, 5, 6, 9, 8, 3, 9].map((height) => headOf(height))
    assert.deepStrictEqual(outcomes(ledger, heads), ["newest", "known", "newest", "newest", "older", "older", "known"])
    assert.strictEqual(ledger.latest?.height, 9n)
    assert.deepStrictEqual(ledger.at(3n)?.hash, hashOf(0, 3n))
    assert.strictEqual(ledger.at(7n), undefined)
  })

  it("refuses another block at a height, above another parent, below another child, and a newer one that is older", () => {
    const ledger = new BlockLedger()
    outcomes(ledger, [headOf(5), headOf(6)])
    assert.deepStrictEqual(outcomes(ledger, [headOf(6, 1), headOf(7, 1), headOf(4, 1)]), ["no: 6", "no: 6", "no: 4"])
    assert.deepStrictEqual(outcomes(ledger, [{ ...headOf(9), timeUnixNano: 6_000n }]), ["no: 9"])
    assert.strictEqual(ledger.latest?.height, 6n)
    assert.strictEqual(ledger.size, 2)
  })

  it("keeps so many blocks, the newest of them", () => {
    const ledger = new BlockLedger()
    for (let height = 1; height <= BLOCKS_KEPT + 10; height++) ledger.offer(headOf(height))
    assert.strictEqual(ledger.size, BLOCKS_KEPT)
    assert.strictEqual(ledger.at(10n), undefined)
    assert.strictEqual(ledger.at(11n)?.height, 11n)
    // Reads of old heights push out each other only.
    outcomes(ledger, [headOf(2), headOf(3)])
    assert.strictEqual(ledger.latest?.height, BigInt(BLOCKS_KEPT + 10))
    assert.strictEqual(ledger.at(12n)?.height, 12n)
  })

  const Offer = Schema.Struct({
    height: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 })),
    chain: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 }))
  })
  it.effect.prop(
    "never goes back, never changes a hash, and never links blocks that do not follow each other",
    { offers: Schema.Array(Offer) },
    ({ offers }) =>
      Effect.sync(() => {
        const ledger = new BlockLedger()
        const published = new Map<bigint, string>()
        let newest = 0n
        for (const { chain, height } of offers) {
          ledger.offer(headOf(height, chain, 4))
          const latest = ledger.latest?.height ?? 0n
          assert.isTrue(latest >= newest)
          newest = latest
          for (let at = 1n; at <= 12n; at++) {
            const hash = ledger.at(at)?.hash.join()
            if (published.has(at)) assert.strictEqual(hash, published.get(at))
            if (hash !== undefined) published.set(at, hash)
            const [before, after] = [ledger.at(at)?.hash[31], ledger.at(at + 1n)?.hash[31]]
            // From the fork on, neighbours are of one chain.
            if (at >= 4n && before !== undefined && after !== undefined) assert.strictEqual(before, after)
          }
        }
      })
  )
})
