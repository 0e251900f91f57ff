import { assert, describe, it } from "@effect/vitest"
import type { Supplier } from "../../../domain/chain/Supplier.ts"
import {
  activeConfig,
  isSupplierUnbonded,
  pruneConfigs,
  stakeSupplier,
  unstakeSupplier
} from "../../../domain/session/SupplierConfigs.ts"
import { someParams } from "../protocol/VectorParams.ts"
import { aService, aSupplier } from "./ActorRecords.ts"

const { ownerAddress, operatorAddress, stake } = aSupplier()
const staked = (current: Supplier | undefined, next: bigint, ...services: ReadonlyArray<string>) =>
  stakeSupplier(
    current,
    { ownerAddress, operatorAddress, stake, services: services.map((text) => aService(text.slice(0, 1), text)) },
    next
  )
/** Service (with its version), activation and deactivation of each config. */
const configs = (supplier: Supplier) =>
  supplier.serviceConfigHistory.map(
    (update) => `${update.service.endpoints[0]?.url} ${update.activationHeight}-${update.deactivationHeight}`
  )

describe("supplier configs", () => {
  it("a stake serves from the next session on", () => {
    const supplier = staked(undefined, 11n, "a1", "b1")
    assert.deepStrictEqual(configs(supplier), ["a1 11-0", "b1 11-0"])
    assert.strictEqual(activeConfig(supplier, "a", 10n), undefined)
    assert.strictEqual(activeConfig(supplier, "a", 11n)?.serviceId, "a")
    assert.strictEqual(activeConfig(supplier, "c", 11n), undefined)
  })

  it("a restake closes all open configs at the next session, also of services left out", () => {
    const supplier = staked(staked(undefined, 11n, "a1", "b1"), 31n, "a2")
    assert.deepStrictEqual(configs(supplier), ["a1 11-31", "b1 11-31", "a2 31-0"])
    assert.strictEqual(activeConfig(supplier, "a", 30n)?.endpoints[0]?.url, "a1")
    assert.strictEqual(activeConfig(supplier, "a", 31n)?.endpoints[0]?.url, "a2")
    assert.strictEqual(activeConfig(supplier, "b", 31n), undefined)
  })

  it("a second restake in a session replaces what still waits; what it leaves out never serves", () => {
    const waiting = staked(staked(undefined, 11n, "a1"), 31n, "a2", "b2")
    const supplier = staked(waiting, 31n, "a3")
    assert.deepStrictEqual(configs(supplier), ["a1 11-31", "b2 31-31", "a3 31-0"])
    for (const height of [30n, 31n, 99n]) assert.strictEqual(activeConfig(supplier, "b", height), undefined)
  })

  it("a restake without services changes no config", () => {
    const supplier = staked(undefined, 11n, "a1")
    const again = stakeSupplier(supplier, { ownerAddress, operatorAddress, stake: stake + 1n, services: [] }, 31n)
    assert.deepStrictEqual(again, { ...supplier, stake: stake + 1n })
  })

  it("an unstake closes every config at the next session, also one closed earlier; a restake cancels it", () => {
    const supplier = unstakeSupplier(staked(staked(undefined, 11n, "a1"), 31n, "a2"), 41n)
    assert.strictEqual(supplier.unstakeSessionEndHeight, 40n)
    assert.deepStrictEqual(configs(supplier), ["a1 11-41", "a2 31-41"])
    const restaked = staked(supplier, 41n, "a3")
    assert.strictEqual(restaked.unstakeSessionEndHeight, 0n)
    assert.strictEqual(activeConfig(restaked, "a", 41n)?.endpoints[0]?.url, "a3")
  })

  it("is removed at the first session end after the unbonding period", () => {
    const params = someParams({ supplierUnbondingPeriodSessions: 2n })
    const removedAt = (height: bigint, at = params) =>
      isSupplierUnbonded({ unstakeSessionEndHeight: 40n }, height, at, params)
    assert.deepStrictEqual(
      [50n, 59n, 60n, 61n, 70n].map((height) => removedAt(height)),
      [false, false, true, false, true]
    )
    // The grid changed meanwhile: the period counts by the old one, the session end by the new one.
    const longer = someParams({ numBlocksPerSession: 25n, sessionGridAnchorHeight: 41n, sessionNumberAtAnchor: 5n })
    assert.deepStrictEqual(
      [60n, 65n].map((height) => removedAt(height, longer)),
      [false, true]
    )
    assert.isFalse(isSupplierUnbonded({ unstakeSessionEndHeight: 0n }, 60n, params, params))
  })

  it("keeps a closed config until the last session it served has settled", () => {
    const supplier = staked(staked(undefined, 11n, "a1"), 31n, "a2")
    // The session that ends at 30 settles at 40 under the defaults.
    const kept = (height: bigint) => pruneConfigs(supplier.serviceConfigHistory, height, someParams({})).length
    assert.deepStrictEqual([31n, 40n, 41n, 1_000n].map(kept), [2, 2, 1, 1])
  })
})
