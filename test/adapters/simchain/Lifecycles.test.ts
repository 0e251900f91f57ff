/** Stakes, delegations and params through sessions: who serves when, who leaves when, which windows apply. */
import { assert, describe, it } from "@effect/vitest"
import {
  delegate,
  stakeApplication,
  undelegate,
  unstakeApplication
} from "../../../adapters/simchain/ApplicationLifecycle.ts"
import { balanceOf, sharedAt, sharedLive, totalSupply } from "../../../adapters/simchain/ChainState.ts"
import { stakeGateway, unstakeGateway } from "../../../adapters/simchain/GatewayLifecycle.ts"
import { POKT } from "../../../adapters/simchain/Genesis.ts"
import {
  addService,
  updateComputeUnits,
  updateSessionParams,
  updateSharedParams
} from "../../../adapters/simchain/Governance.ts"
import { allOf, fund, type Operation } from "../../../adapters/simchain/Operation.ts"
import { stakeSupplier, unstakeSupplier } from "../../../adapters/simchain/SupplierLifecycle.ts"
import { computeUnitsAt } from "../../../domain/protocol/ComputeUnitsHistory.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import {
  application,
  eventsTagged,
  gateway,
  otherSupplier,
  SERVICE,
  supplier,
  type TestChain,
  testChain
} from "./TestChain.ts"

const serving = (chain: TestChain, height: bigint) =>
  chain.session(height).suppliers.map(({ operatorAddress }) => operatorAddress)

const refusal = (chain: TestChain, operation: Operation): string => {
  try {
    chain.administer(operation)
  } catch (error) {
    return String(error)
  }
  return "accepted"
}

const claimRoot = (count: number): Uint8Array => {
  const root = new Uint8Array(48).fill(3, 0, 32)
  root[38] = (count * 100) >> 8
  root[39] = (count * 100) & 255
  root[47] = count
  return root
}

describe("suppliers", () => {
  it("serve from the session after their stake", () => {
    const chain = testChain()
    const late = testKey("late supplier")
    chain.administer(
      allOf(
        fund(late.publicKey, 2_000n * POKT),
        stakeSupplier({
          operatorAddress: late.address,
          stake: 500n * POKT,
          services: [{ serviceId: SERVICE, endpoints: [], revShare: [] }]
        }),
        updateSessionParams({ numSuppliersPerSession: 15n })
      )
    )
    chain.until(7n)
    assert.notInclude(serving(chain, 6n), late.address)
    assert.include(serving(chain, 7n), late.address)
    assert.strictEqual(balanceOf(chain.state, late.address), 1_500n * POKT - 1n)
  })

  it("serve to the end of the session in which they unstake, and leave after the unbonding period", () => {
    const chain = testChain()
    const before = balanceOf(chain.state, supplier.address)
    chain.administer(unstakeSupplier(supplier.address))
    chain.until(7n)
    assert.include(serving(chain, 6n), supplier.address)
    assert.notInclude(serving(chain, 7n), supplier.address)
    chain.until(11n)
    assert.isTrue(chain.state.suppliers.has(supplier.address))
    // Unstaked at 6, one session of 6 blocks later.
    chain.until(12n)
    assert.isFalse(chain.state.suppliers.has(supplier.address))
    assert.strictEqual(balanceOf(chain.state, supplier.address), before + 100_000n * POKT)
    assert.match(refusal(chain, unstakeSupplier(supplier.address)), /does not exist/)
  })

  it("stay when they restake before they have left", () => {
    const chain = testChain()
    chain.administer(unstakeSupplier(supplier.address))
    chain.until(8n)
    assert.match(refusal(chain, unstakeSupplier(supplier.address)), /unstaking already/)
    chain.administer(
      stakeSupplier({
        operatorAddress: supplier.address,
        services: [{ serviceId: SERVICE, endpoints: [], revShare: [] }]
      })
    )
    chain.until(13n)
    assert.notInclude(serving(chain, 12n), supplier.address)
    assert.include(serving(chain, 13n), supplier.address)
    chain.until(40n)
    assert.isTrue(chain.state.suppliers.has(supplier.address))
    // Configs of past sessions are forgotten once those have settled.
    assert.strictEqual(chain.state.suppliers.get(supplier.address)!.serviceConfigHistory.length, 1)
  })

  it("need the minimum stake and services that exist", () => {
    const chain = testChain()
    const input = { operatorAddress: supplier.address }
    assert.match(refusal(chain, stakeSupplier({ ...input, stake: POKT - 1n })), /below the minimum/)
    assert.match(
      refusal(chain, stakeSupplier({ ...input, services: [{ serviceId: "no", endpoints: [], revShare: [] }] })),
      /service no does not exist/
    )
    assert.match(refusal(chain, stakeSupplier({ ...input, ownerAddress: gateway.address })), /another owner/)
    assert.match(refusal(chain, stakeSupplier({ ...input, stake: 10n ** 18n })), /balance of .* is smaller/)
  })
})

describe("applications and gateways", () => {
  it("use services at once when new, and changed ones from the next session", () => {
    const chain = testChain()
    const fresh = testKey("fresh application")
    chain.administer(addService({ id: "base", computeUnitsPerRelay: 5n }))
    chain.administer(fund(fresh.publicKey, 100n * POKT))
    chain.administer(stakeApplication({ address: fresh.address, stake: 10n * POKT, serviceIds: [SERVICE] }))
    chain.next()
    assert.strictEqual(chain.session(2n, fresh.address).header.sessionEndBlockHeight, 6n)
    chain.administer(stakeApplication({ address: application.address, serviceIds: ["base"] }))
    chain.until(7n)
    assert.strictEqual(chain.session(6n).header.serviceId, SERVICE)
    assert.throws(() => chain.session(7n), /not staked for service ID/)
  })

  it("leave a session after they unstake, stake returned", () => {
    const chain = testChain()
    const before = balanceOf(chain.state, application.address)
    chain.administer(unstakeApplication(application.address))
    chain.until(7n)
    assert.strictEqual(chain.session(6n).header.sessionEndBlockHeight, 6n)
    assert.throws(() => chain.session(7n), /application is not active/)
    chain.until(12n)
    assert.isFalse(chain.state.applications.has(application.address))
    assert.strictEqual(balanceOf(chain.state, application.address), before + 100_000n * POKT)
    assert.throws(() => chain.session(6n), /could not find app/)
  })

  it("delegate and undelegate; old removals are forgotten", () => {
    const chain = testChain()
    assert.match(refusal(chain, delegate(application.address, gateway.address)), /already delegated/)
    assert.match(refusal(chain, delegate(application.address, supplier.address)), /gateway not found/)
    chain.administer(undelegate(application.address, gateway.address))
    assert.match(refusal(chain, undelegate(application.address, gateway.address)), /not delegated/)
    chain.next()
    const pending = () => chain.state.applications.get(application.address)!.pendingUndelegations
    assert.deepStrictEqual(pending(), [{ sessionEndHeight: 6n, gatewayAddresses: [gateway.address] }])
    // Kept while 6 ≥ h − (grace 1 + 2 × 6).
    chain.until(19n)
    assert.strictEqual(pending().length, 1)
    chain.next()
    assert.strictEqual(pending().length, 0)
  })

  it("lose a gateway one block after its last session, which leaves after its unbonding period", () => {
    const chain = testChain()
    const before = balanceOf(chain.state, gateway.address)
    chain.administer(unstakeGateway(gateway.address))
    chain.until(6n)
    assert.strictEqual(chain.state.applications.get(application.address)!.delegateeGatewayAddresses.length, 1)
    chain.next()
    assert.strictEqual(chain.state.applications.get(application.address)!.delegateeGatewayAddresses.length, 0)
    assert.match(refusal(chain, delegate(application.address, gateway.address)), /gateway inactive/)
    chain.until(12n)
    assert.isFalse(chain.state.gateways.has(gateway.address))
    assert.strictEqual(balanceOf(chain.state, gateway.address), before + POKT)
    assert.match(refusal(chain, stakeGateway(gateway.address, 1n)), /below the minimum/)
  })
})

describe("shared params", () => {
  it("move the grid with the next session; running sessions keep their windows", () => {
    const chain = testChain()
    const first = chain.header(1n)
    chain.until(7n)
    const second = chain.header(7n)
    // In block 8: sessions of 10 blocks, claims two blocks later.
    chain.administer(
      updateSharedParams({
        numBlocksPerSession: 10n,
        claimWindowOpenOffsetBlocks: 3n,
        supplierUnbondingPeriodSessions: 2n,
        applicationUnbondingPeriodSessions: 2n
      })
    )
    chain.next()
    assert.strictEqual(sharedLive(chain.state).numBlocksPerSession, 6n)
    assert.deepStrictEqual(chain.header(8n), second)
    assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(first, claimRoot(2))])).log, "")
    chain.until(12n)
    assert.strictEqual(sharedLive(chain.state).numBlocksPerSession, 6n)
    chain.next()
    assert.deepStrictEqual(
      [sharedLive(chain.state).numBlocksPerSession, sharedLive(chain.state).sessionGridAnchorHeight],
      [10n, 13n]
    )
    const third = chain.header(13n)
    assert.deepStrictEqual([third.sessionStartBlockHeight, third.sessionEndBlockHeight], [13n, 22n])
    assert.strictEqual(chain.session(13n).sessionNumber, 3n)
    // The second session ends at 12 under the old params: claims from 14 on.
    assert.strictEqual(chain.height, 13n)
    assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(second, claimRoot(2))])).log, "")
    assert.strictEqual(eventsTagged(chain.until(18n), "ClaimExpired").length, 1)
    // The third ends at 22 under the new: claims from 26 on.
    chain.until(24n)
    assert.match(
      chain.deliver(chain.tx([chain.claimMessage(third, claimRoot(2))])).log,
      /\(25\) is less than the session's earliest claim commit height \(26\)/
    )
    assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(third, claimRoot(2))])).log, "")
  })

  it("change prices at once, but sessions keep those of their start", () => {
    const chain = testChain({ params: { proof: { proofRequestProbability: 0 } } })
    const first = chain.header(1n)
    chain.administer(updateSharedParams({ computeUnitsToTokensMultiplier: 84_000_000n }))
    chain.next()
    assert.strictEqual(sharedLive(chain.state).computeUnitsToTokensMultiplier, 84_000_000n)
    assert.strictEqual(sharedAt(chain.state, 6n).computeUnitsToTokensMultiplier, 42_000_000n)
    chain.until(7n)
    chain.deliver(chain.tx([chain.claimMessage(first, claimRoot(2))]))
    assert.strictEqual(eventsTagged(chain.until(12n), "ClaimSettled")[0]?.claimedUpokt, 8_400n)
    chain.until(13n)
    chain.deliver(chain.tx([chain.claimMessage(chain.header(7n), claimRoot(2))]))
    assert.strictEqual(eventsTagged(chain.until(18n), "ClaimSettled")[0]?.claimedUpokt, 16_800n)
  })

  it("are refused when they break the chain's rules", () => {
    const chain = testChain()
    assert.match(refusal(chain, updateSharedParams({ gracePeriodEndOffsetBlocks: 6n })), /below/)
    assert.match(refusal(chain, updateSessionParams({ numSuppliersPerSession: 0n })), /below 1/)
  })
})

describe("services", () => {
  it("change their compute units with the next session", () => {
    const chain = testChain()
    chain.administer(updateComputeUnits(SERVICE, 7n))
    chain.next()
    const service = chain.state.services.get(SERVICE)!
    assert.strictEqual(service.computeUnitsPerRelay, 7n)
    const at = (height: bigint) => computeUnitsAt(service.computeUnits, height, service.computeUnitsPerRelay)
    assert.deepStrictEqual([at(1n), at(6n), at(7n)], [100n, 100n, 7n])
  })
})

describe("the supply", () => {
  it("changes by what settlements mint and burn and by slashes only", () => {
    const chain = testChain({ params: { proof: { proofRequestProbability: 0.5 } } })
    for (let height = 2n; height <= 60n; height++) {
      const before = totalSupply(chain.state)
      const session = chain.state.blockHashes.length > 8 ? chain.header(height - 8n > 0n ? height - 8n : 1n) : undefined
      for (const signer of session === undefined ? [] : [supplier, otherSupplier]) {
        chain.check(chain.tx([chain.claimMessage(session!, claimRoot(Number(height % 50n) + 1), signer)], { signer }))
      }
      const block = chain.next()
      const moved = eventsTagged(block, "SettlementBatch").reduce(
        (sum, { opType, totalAmount }) =>
          sum + (opType === "mint" ? totalAmount : opType === "burn" ? -totalAmount : 0n),
        0n
      )
      const slashed = eventsTagged(block, "SupplierSlashed").reduce((sum, event) => sum + event.proofMissingPenalty, 0n)
      assert.strictEqual(totalSupply(chain.state), before + moved - slashed)
    }
    assert.isTrue(chain.state.suppliers.get(supplier.address)!.stake < 100_000n * POKT)
  })
})
