/** What happens at the end of the last proof block: amounts, caps, expiry, discards, slashes, difficulty. */
import { assert, describe, it } from "@effect/vitest"
import { unstakeApplication } from "../../../adapters/simchain/ApplicationLifecycle.ts"
import { requirementOf } from "../../../adapters/simchain/ClaimFacts.ts"
import { balanceOf, totalSupply } from "../../../adapters/simchain/ChainState.ts"
import type { CommittedBlock } from "../../../adapters/simchain/CommittedBlock.ts"
import { daoAddress, POKT, serviceOwnerAddress, validatorAddress } from "../../../adapters/simchain/Genesis.ts"
import { updateComputeUnits, updateParams } from "../../../adapters/simchain/Governance.ts"
import { unstakeSupplier } from "../../../adapters/simchain/SupplierLifecycle.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import type { PackedMessage } from "../../../domain/tx/UnorderedTx.ts"
import { type TestKey, testKey } from "../../support/RelayBuilder.ts"
import {
  application,
  eventsTagged,
  mineRelays,
  otherSupplier,
  SERVICE,
  supplier,
  type TestChain,
  testChain,
  type TestChainOptions
} from "./TestChain.ts"

/** No claim needs a proof. */
const noProofs = { proof: { proofRequestProbability: 0, proofRequirementThreshold: 10n ** 18n } }

const rootOf = (count: number, digest = 7): Uint8Array => {
  const root = new Uint8Array(48).fill(digest, 0, 32)
  const view = new DataView(root.buffer)
  view.setBigUint64(32, BigInt(count) * 100n)
  view.setBigUint64(40, BigInt(count))
  return root
}

/** Claims so many relays of the first session for each supplier, and commits the settling block 12. */
const settle = (
  options: TestChainOptions,
  claims: ReadonlyArray<readonly [signer: TestKey, relays: number]>,
  before?: (chain: TestChain) => void
): { readonly chain: TestChain; readonly block: CommittedBlock } => {
  const chain = testChain(options)
  const header = chain.header(1n)
  chain.until(7n)
  for (const [signer, relays] of claims) {
    const message: PackedMessage = chain.claimMessage(header, rootOf(relays), signer)
    assert.isUndefined(chain.check(chain.tx([message], { signer })))
  }
  for (const { result } of chain.next().txs) assert.strictEqual(result.log, "")
  before?.(chain)
  return { chain, block: chain.until(12n) }
}

const stakeOfApplication = (chain: TestChain) => chain.state.applications.get(application.address)!.stake

const oneApplication = (stake: bigint, perSessionSpendLimit?: bigint): TestChainOptions => ({
  applications: [
    {
      publicKey: application.publicKey,
      serviceIds: [SERVICE],
      stake,
      ...(perSessionSpendLimit !== undefined && { perSessionSpendLimit })
    }
  ],
  params: noProofs
})

describe("settlement", () => {
  it("pays each role its part, and inflation on top, which the application reimburses", () => {
    const { chain, block } = settle({ params: noProofs }, [[supplier, 5]])
    // 5 × 100 × 42 = 21 000: supplier 70 %, proposer 5 %, owner 15 %, rest DAO; inflation ⌈2 100⌉ split likewise.
    assert.strictEqual(balanceOf(chain.state, supplier.address), 1_000n * POKT - 2_000n + 14_700n + 1_470n)
    assert.strictEqual(balanceOf(chain.state, validatorAddress), 1_050n + 105n)
    assert.strictEqual(balanceOf(chain.state, serviceOwnerAddress), 3_150n + 315n)
    assert.strictEqual(balanceOf(chain.state, daoAddress), 2_100n + 210n + 2_100n)
    assert.strictEqual(stakeOfApplication(chain), 100_000n * POKT - 21_000n - 2_100n)
    const [event] = eventsTagged(block, "ClaimSettled")
    assert.deepStrictEqual(
      [event?.settledUpokt, event?.mintedUpokt, event?.overservicingLossUpokt, event?.deflationLossUpokt],
      [21_000n, 21_000n, 0n, 0n]
    )
    assert.strictEqual(event?.mintRatio, "1")
    assert.strictEqual(event?.proofRequirementInt, 0)
    assert.deepStrictEqual(event?.rewardDistribution, {
      [supplier.address]: 16_170n,
      [serviceOwnerAddress]: 3_465n,
      [daoAddress]: 4_410n
    })
  })

  it("mints less than it burns under a mint ratio below one", () => {
    const { chain, block } = settle(
      {
        params: {
          ...noProofs,
          tokenomics: {
            mintRatio: { numerator: 975n, denominator: 1_000n },
            globalInflationPerClaim: { numerator: 0n, denominator: 1n }
          }
        }
      },
      [[supplier, 5]]
    )
    const [event] = eventsTagged(block, "ClaimSettled")
    assert.deepStrictEqual([event?.mintedUpokt, event?.deflationLossUpokt, event?.mintRatio], [20_475n, 525n, "0.975"])
    assert.strictEqual(stakeOfApplication(chain), 100_000n * POKT - 21_000n)
    assert.strictEqual(balanceOf(chain.state, supplier.address), 1_000n * POKT - 2_000n + 14_332n)
  })

  it("follows the revenue shares; the first takes the remainder", () => {
    const [first, second] = [testKey("share one").address, testKey("share two").address]
    const { chain } = settle(
      {
        params: { ...noProofs, tokenomics: { globalInflationPerClaim: { numerator: 0n, denominator: 1n } } },
        suppliers: [
          {
            publicKey: supplier.publicKey,
            services: [
              {
                serviceId: SERVICE,
                revShare: [
                  { address: first, percentage: 33n },
                  { address: second, percentage: 67n }
                ]
              }
            ]
          }
        ]
      },
      [[supplier, 1]]
    )
    // 4 200 × 70 % = 2 940: 970.2 and 1 969.8.
    assert.strictEqual(balanceOf(chain.state, first), 971n)
    assert.strictEqual(balanceOf(chain.state, second), 1_969n)
  })

  it("caps a claim at an equal share of the application's stake", () => {
    const { chain, block } = settle(oneApplication(POKT), [
      [supplier, 300],
      [otherSupplier, 5]
    ])
    // Floor 1 000 000 / 2. 300 relays are worth 1 260 000, with inflation 1 386 000; ⌊500 000 / 1.1⌋ is paid.
    const amounts = new Map(
      eventsTagged(block, "ClaimSettled").map((event) => [
        event.supplierOperatorAddress,
        [event.claimedUpokt, event.settledUpokt, event.overservicingLossUpokt]
      ])
    )
    assert.deepStrictEqual(amounts.get(supplier.address), [1_260_000n, 454_545n, 805_455n])
    assert.deepStrictEqual(amounts.get(otherSupplier.address), [21_000n, 21_000n, 0n])
    assert.deepStrictEqual(
      eventsTagged(block, "ApplicationOverserviced").map((event) => [
        event.supplierOperatorAddr,
        event.expectedBurn,
        event.effectiveBurn,
        event.spendLimitExceeded
      ]),
      [[supplier.address, 1_386_000n, 500_000n, false]]
    )
    assert.strictEqual(stakeOfApplication(chain), POKT - 500_000n - 23_100n)
    // Below the minimum stake it unstakes at the end of the session of block 12.
    assert.strictEqual(chain.state.applications.get(application.address)!.unstakeSessionEndHeight, 12n)
  })

  it("lets a claim draw from what others leave unused, up to the bonus multiplier", () => {
    const options = oneApplication(POKT)
    const { block } = settle(
      { ...options, params: { ...options.params, tokenomics: { overservicingBonusMultiplier: 2n } } },
      [
        [supplier, 300],
        [otherSupplier, 5]
      ]
    )
    // Unused 476 900 goes to the only one in excess: ⌊976 900 / 1.1⌋.
    const settled = eventsTagged(block, "ClaimSettled").find(
      (event) => event.supplierOperatorAddress === supplier.address
    )
    assert.strictEqual(settled?.settledUpokt, 888_090n)
  })

  it("keeps within the application's own spend limit and says so", () => {
    const { block } = settle(oneApplication(100n * POKT, 110_000n), [[supplier, 300]])
    assert.strictEqual(eventsTagged(block, "ClaimSettled")[0]?.settledUpokt, 100_000n)
    assert.deepStrictEqual(
      eventsTagged(block, "ApplicationOverserviced").map((event) => [event.effectiveBurn, event.spendLimitExceeded]),
      [[110_000n, true]]
    )
  })

  it("counts expiring claims in the division of the stake", () => {
    const { block } = settle(
      {
        ...oneApplication(POKT),
        params: { proof: { proofRequestProbability: 0, proofRequirementThreshold: 2_000_000n } }
      },
      [
        [supplier, 100],
        // 1 000 relays are worth 4.2 POKT: above the threshold, and no proof comes.
        [otherSupplier, 1_000]
      ]
    )
    assert.strictEqual(eventsTagged(block, "ClaimExpired").length, 1)
    // 100 relays cost 462 000 with inflation, below the floor of 500 000.
    assert.strictEqual(eventsTagged(block, "ClaimSettled")[0]?.settledUpokt, 420_000n)
    const alone = settle(
      {
        ...oneApplication(POKT),
        params: { proof: { proofRequestProbability: 0, proofRequirementThreshold: 2_000_000n } }
      },
      [
        [supplier, 200],
        [otherSupplier, 1_000]
      ]
    )
    assert.strictEqual(eventsTagged(alone.block, "ClaimSettled")[0]?.settledUpokt, 454_545n)
  })

  it("sums bank moves by reason and keeps the supply exact", () => {
    const chain = testChain({ params: noProofs })
    const header = chain.header(1n)
    chain.until(7n)
    for (const signer of [supplier, otherSupplier]) {
      chain.check(chain.tx([chain.claimMessage(header, rootOf(7), signer)], { signer }))
    }
    chain.until(11n)
    const before = totalSupply(chain.state)
    const batches = eventsTagged(chain.next(), "SettlementBatch")
    const total = (opType: string) =>
      batches.filter((event) => event.opType === opType).reduce((sum, event) => sum + event.totalAmount, 0n)
    assert.strictEqual(total("burn"), 2n * 29_400n)
    assert.strictEqual(total("mint"), 2n * (29_400n + 2_940n))
    assert.strictEqual(totalSupply(chain.state), before + total("mint") - total("burn"))
    assert.isTrue(batches.every((event) => event.sessionEndBlockHeight === 6n))
    assert.strictEqual(batches.find((event) => event.opType === "burn")?.numClaims, 2)
  })
})

describe("claims that are not paid", () => {
  it("expire without the required proof and slash the supplier", () => {
    const { chain, block } = settle({}, [[supplier, 5]])
    assert.deepStrictEqual(
      eventsTagged(block, "ClaimExpired").map((event) => [event.expirationReason, event.claimProofStatusInt]),
      [["PROOF_MISSING", 0]]
    )
    assert.deepStrictEqual(
      eventsTagged(block, "SupplierSlashed").map((event) => [
        event.supplierOperatorAddress,
        event.proofMissingPenalty,
        event.supplierStakeAfterSlash
      ]),
      [[supplier.address, 320n * POKT, 99_680n * POKT]]
    )
    assert.strictEqual(chain.state.suppliers.get(supplier.address)!.stake, 99_680n * POKT)
    assert.strictEqual(chain.claims().length, 0)
    assert.strictEqual(stakeOfApplication(chain), 100_000n * POKT)
  })

  it("expire with an invalid proof", () => {
    const chain = testChain()
    const header = chain.header(1n)
    const { trie } = mineRelays(header, 3)
    const other = mineRelays(header, 4, { salt: "other" }).trie
    chain.until(7n)
    chain.deliver(chain.tx([chain.claimMessage(header, trie.root)]))
    chain.until(9n)
    assert.strictEqual(chain.deliver(chain.tx([chain.proofMessage(header, other.prove(chain.path(header)))])).log, "")
    const [event] = eventsTagged(chain.until(12n), "ClaimExpired")
    assert.deepStrictEqual([event?.expirationReason, event?.claimProofStatusInt], ["PROOF_INVALID", 2])
  })

  it("slash a poor supplier to nothing, which unstakes it but keeps it in sessions for ever", () => {
    const { chain, block } = settle(
      { suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: SERVICE }], stake: 100n * POKT }] },
      [[supplier, 5]]
    )
    assert.strictEqual(eventsTagged(block, "SupplierSlashed")[0]?.proofMissingPenalty, 100n * POKT)
    const slashed = () => chain.state.suppliers.get(supplier.address)
    assert.deepStrictEqual([slashed()?.stake, slashed()?.unstakeSessionEndHeight], [0n, 12n])
    chain.until(60n)
    assert.strictEqual(slashed()?.unstakeSessionEndHeight, 12n)
    assert.strictEqual(chain.session(60n).suppliers[0]?.operatorAddress, supplier.address)
  })

  it("draw anew with their status: an invalid one below the threshold may be settled", () => {
    const verifiers = rememberingVerifiers()
    const chain = testChain({ params: { proof: { proofRequestProbability: 0.5 } } })
    const header = chain.header(1n)
    chain.until(9n)
    // A trie whose claim draws a proof while pending, and none once it is invalid.
    const trie = Array.from({ length: 40 }, (_, salt) => mineRelays(header, 1, { salt: `draw ${salt}` }).trie).find(
      ({ root }) => {
        const claim = { supplierOperatorAddress: supplier.address, sessionHeader: header, rootHash: root }
        const drawn = (proofValidationStatus: number) =>
          requirementOf(chain.state, { ...claim, proofValidationStatus }, verifiers)
        return drawn(0) === "probabilistic" && drawn(2) === "not_required"
      }
    )!
    assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(header, trie.root)])).log, "")
    const wrong = mineRelays(header, 2, { salt: "wrong" }).trie.prove(chain.path(header))
    assert.strictEqual(chain.deliver(chain.tx([chain.proofMessage(header, wrong)])).log, "")
    assert.strictEqual(chain.claims()[0]?.proofValidationStatus, 2)
    const [event] = eventsTagged(chain.until(12n), "ClaimSettled")
    assert.deepStrictEqual([event?.claimProofStatusInt, event?.proofRequirementInt], [2, 0])
  })

  it("are discarded, neither paid nor slashed, when the supplier's config has ended", () => {
    const { chain, block } = settle({ params: noProofs }, [[supplier, 5]], (current) =>
      current.administer(unstakeSupplier(supplier.address))
    )
    // Unstaked in block 9: the config ends with block 12, at 13. It is active at 12, so the claim is paid.
    assert.strictEqual(eventsTagged(block, "ClaimSettled").length, 1)
    const earlier = testChain({ params: noProofs })
    const header = earlier.header(1n)
    earlier.administer(unstakeSupplier(supplier.address))
    earlier.until(7n)
    earlier.deliver(earlier.tx([earlier.claimMessage(header, rootOf(5))]))
    const settled = earlier.until(12n)
    const [event] = eventsTagged(settled, "ClaimDiscarded")
    assert.match(event?.error ?? "", /: internal claim settlement error$/)
    assert.strictEqual(eventsTagged(settled, "SupplierSlashed").length, 0)
    assert.strictEqual(earlier.claims().length, 0)
    assert.strictEqual(stakeOfApplication(earlier), 100_000n * POKT)
    assert.strictEqual(stakeOfApplication(chain), 100_000n * POKT - 23_100n)
  })

  it("are discarded when the application or the supplier is gone", () => {
    const chain = testChain({ params: noProofs })
    const header = chain.header(1n)
    chain.administer(unstakeApplication(application.address))
    chain.until(7n)
    chain.deliver(chain.tx([chain.claimMessage(header, rootOf(5))]))
    // Unbonded at the end of block 12, after the settlement of the same block.
    assert.strictEqual(eventsTagged(chain.until(12n), "ClaimSettled").length, 1)
    assert.isFalse(chain.state.applications.has(application.address))
    const forgotten = testChain({ params: noProofs })
    forgotten.until(7n)
    forgotten.deliver(forgotten.tx([forgotten.claimMessage(forgotten.header(1n), rootOf(5))]))
    forgotten.cell.state = { ...forgotten.state, applications: new Map() }
    assert.match(eventsTagged(forgotten.until(12n), "ClaimDiscarded")[0]?.error ?? "", /application not found/)
  })

  it("settle for nothing when the application has nothing left", () => {
    const { block } = settle(oneApplication(POKT), [[supplier, 5]], (chain) => {
      const poor = { ...chain.state.applications.get(application.address)!, stake: 0n }
      chain.cell.state = { ...chain.state, applications: new Map([[application.address, poor]]) }
    })
    const [event] = eventsTagged(block, "ClaimSettled")
    assert.deepStrictEqual([event?.settledUpokt, event?.mintedUpokt, event?.claimedUpokt], [0n, 0n, 21_000n])
    assert.deepStrictEqual(event?.rewardDistributionDetailed, [])
    assert.strictEqual(eventsTagged(block, "SettlementBatch").length, 0)
  })
})

describe("difficulty", () => {
  it("follows the relays of settled claims, for sessions from the next one on", () => {
    const { chain } = settle({ params: { ...noProofs, service: { targetNumRelays: 10n } } }, [
      [supplier, 300],
      [otherSupplier, 100]
    ])
    const { difficulty } = chain.state.services.get(SERVICE)!
    // First settlement: the average starts at 400, the new one is the same but for rounding.
    assert.strictEqual(difficulty.live?.numRelaysEma, 400n)
    assert.deepStrictEqual(
      difficulty.entries.map((entry) => entry.effectiveHeight),
      [12n, 13n]
    )
    assert.strictEqual(difficulty.live?.targetHash[0], 6)
  })

  it("does not change with expired claims", () => {
    const { chain } = settle({}, [[supplier, 300]])
    assert.strictEqual(chain.state.services.get(SERVICE)!.difficulty.live, undefined)
  })
})

describe("values of a session", () => {
  it("are those of its start, whatever changes while it runs or settles", () => {
    const { block } = settle({ params: noProofs }, [[supplier, 5]], (chain) => {
      chain.administer(updateComputeUnits(SERVICE, 1_000n))
      chain.administer(updateParams("tokenomics", { mintRatio: { numerator: 1n, denominator: 1n } }))
    })
    assert.strictEqual(eventsTagged(block, "ClaimSettled")[0]?.claimedUpokt, 21_000n)
  })
})
