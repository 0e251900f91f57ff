/** A claim from relays to settlement on the simulated chain. */
import { assert, describe, it } from "@effect/vitest"
import { totalSupply } from "../../../adapters/simchain/ChainState.ts"
import { application, eventsOf, eventsTagged, mineRelays, SERVICE, supplier, testChain } from "./TestChain.ts"

describe("a claim on the simulated chain", () => {
  it("is created, proven, validated and settled", () => {
    const chain = testChain()
    const header = chain.header(1n)
    assert.deepStrictEqual(
      [header.sessionStartBlockHeight, header.sessionEndBlockHeight, header.applicationAddress, header.serviceId],
      [1n, 6n, application.address, SERVICE]
    )
    const { trie } = mineRelays(header, 5)
    // Demo windows: claims in blocks 8 to 10, proofs in blocks 10 to 12, settlement with block 12.
    chain.until(7n)
    const created = chain.deliver(chain.tx([chain.claimMessage(header, trie.root)]))
    assert.strictEqual(created.log, "")
    assert.strictEqual(created.code, 0)
    chain.until(9n)
    const supply = totalSupply(chain.state)
    const proven = chain.deliver(chain.tx([chain.proofMessage(header, trie.prove(chain.path(header)))]))
    assert.strictEqual(proven.log, "")
    const checked = eventsTagged(chain.until(10n), "ProofValidityChecked")
    assert.deepStrictEqual(
      checked.map((event) => [event.failureReason, event.claimProofStatusInt, event.blockHeight]),
      [["", 1, 10n]]
    )
    assert.strictEqual(chain.state.proofs.size, 0)
    const settled = chain.until(12n)
    assert.deepStrictEqual(
      eventsTagged(settled, "ClaimSettled").map((event) => ({
        supplier: event.supplierOperatorAddress,
        relays: event.numRelays,
        claimed: event.claimedUpokt,
        settled: event.settledUpokt
      })),
      // 5 relays × 100 units × 42 uPOKT.
      [{ supplier: supplier.address, relays: 5n, claimed: 21_000n, settled: 21_000n }]
    )
    assert.strictEqual(chain.claims().length, 0)
    // Settled 21 000 burned and minted again; inflation 2 100 is minted.
    assert.strictEqual(totalSupply(chain.state), supply + 2_100n)
    assert.isTrue(eventsOf(settled).some((event) => event._tag === "SettlementBatch"))
  })
})
