/** What a node does with transactions that wait for a block: cache, limits, re-check. */
import { assert, describe, it } from "@effect/vitest"
import { updateParams } from "../../../adapters/simchain/Governance.ts"
import type { PackedMessage } from "../../../domain/tx/UnorderedTx.ts"
import { SECOND, supplier, type TestChain, testChain } from "./TestChain.ts"

describe("the mempool", () => {
  it("knows bytes it has: 19 without text, also after they were executed", () => {
    const chain = testChain()
    chain.until(7n)
    const bytes = chain.tx([claimOf(chain)])
    const known = { codespace: "sdk", code: 19, log: "" }
    assert.isUndefined(chain.check(bytes))
    assert.deepStrictEqual(chain.check(bytes), known)
    const [tx] = chain.next().txs
    assert.strictEqual(tx?.result.code, 0)
    assert.deepStrictEqual(chain.check(bytes), known)
  })

  it("forgets refused bytes and those that failed in a block", () => {
    const chain = testChain()
    const refused = chain.tx([claim(chain)], { chainId: "another" })
    assert.strictEqual(chain.check(refused)?.code, 4)
    assert.strictEqual(chain.check(refused)?.code, 4)
    // The claim window is not open: the transaction fails in its block.
    const failing = chain.tx([claim(chain)])
    assert.isUndefined(chain.check(failing))
    assert.strictEqual(chain.next().txs[0]?.result.code, 1)
    assert.match(chain.check(failing)?.log ?? "", /has already used timeout/)
  })

  it("is full at its limit of transactions and of bytes: 20 without text", () => {
    const full = { codespace: "sdk", code: 20, log: "" }
    const few = testChain({ limits: { maxTxs: 1 } })
    assert.isUndefined(few.check(few.tx([claim(few)])))
    assert.deepStrictEqual(few.check(few.tx([claim(few)])), full)
    const small = testChain({ limits: { maxTotalBytes: 800 } })
    assert.isUndefined(small.check(small.tx([claim(small)])))
    assert.deepStrictEqual(small.check(small.tx([claim(small)])), full)
  })

  it("refuses a transaction above its size: 21 without text; above the block's: without code", () => {
    const small = testChain({ limits: { maxTxBytes: 100 } })
    assert.deepStrictEqual(small.check(small.tx([claim(small)])), { codespace: "sdk", code: 21, log: "" })
    const tiny = testChain({ params: { block: { maxBytes: 100 } } })
    assert.match(tiny.check(tiny.tx([claim(tiny)]))?.log ?? "", /^tx pre check: tx size is too big: \d+, max: 100$/)
  })

  it("says that the application's pool is full: undefined 1", () => {
    const chain = testChain({ limits: { maxApplicationTxs: 1 } })
    assert.isUndefined(chain.check(chain.tx([claim(chain)])))
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain)])), {
      codespace: "undefined",
      code: 1,
      log: "pool reached max tx capacity"
    })
  })

  it("loses a waiting transaction past its time-out without notice, and takes the bytes again to say why", () => {
    const chain = testChain()
    const timeoutUnixNano = chain.state.timeUnixNano + SECOND / 2n
    const bytes = chain.tx([claim(chain)], { timeoutUnixNano })
    assert.isUndefined(chain.check(bytes))
    assert.strictEqual(chain.next().txs.length, 0)
    assert.strictEqual(chain.cell.mempool.pending.length, 0)
    assert.strictEqual(chain.check(bytes)?.code, 42)
  })

  it("re-checks what waits after each block: what the account can no longer pay disappears", () => {
    const chain = testChain({
      suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: "anvil" }], balance: 3_000n }]
    })
    const waiting = chain.tx([claim(chain)], { fee: 2_000n })
    assert.isUndefined(chain.check(waiting))
    // It may not be in the next block, and meanwhile the price of transactions changes.
    const [pending] = chain.cell.mempool.pending
    chain.cell.mempool = { ...chain.cell.mempool, pending: [{ ...pending!, notBefore: 9n }] }
    chain.administer(updateParams("auth", { unorderedTransactions: false }))
    chain.next()
    assert.strictEqual(chain.cell.mempool.pending.length, 0)
    assert.strictEqual(chain.check(waiting)?.code, 37)
  })
})

/** A claim message that no handler accepts yet; CheckTx does not care. */
const claim = (chain: TestChain): PackedMessage => chain.claimMessage(chain.header(1n), new Uint8Array(48).fill(1))

/** A claim message that its handler accepts from block 8 on. */
const claimOf = (chain: TestChain): PackedMessage => {
  const valid = new Uint8Array(48).fill(1, 0, 32)
  valid[39] = 100
  valid[47] = 1
  return chain.claimMessage(chain.header(1n), valid)
}
