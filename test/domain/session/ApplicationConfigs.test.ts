import { assert, describe, it } from "@effect/vitest"
import type { Application } from "../../../domain/chain/Application.ts"
import {
  applicationServices,
  isApplicationActive,
  isApplicationUnbonded,
  stakeApplication,
  unstakeApplication
} from "../../../domain/session/ApplicationConfigs.ts"
import { someParams } from "../protocol/VectorParams.ts"
import { anApplication } from "./ActorRecords.ts"

const { address, stake } = anApplication()
const staked = (
  current: Application | undefined,
  next: bigint,
  serviceIds: ReadonlyArray<string>,
  perSessionSpendLimit?: bigint
) => stakeApplication(current, { address, stake, serviceIds, perSessionSpendLimit }, next)
const configs = (application: Application) =>
  application.serviceConfigHistory.map(
    (update) => `${update.serviceId} ${update.activationHeight}-${update.deactivationHeight}`
  )

describe("application configs", () => {
  it("a new application may use its services at once", () => {
    const application = staked(undefined, 11n, ["a", "b"])
    assert.deepStrictEqual(configs(application), [])
    assert.deepStrictEqual(applicationServices(application, 1n), ["a", "b"])
  })

  it("the same set of services leaves the history alone", () => {
    assert.deepStrictEqual(configs(staked(staked(undefined, 11n, ["a", "b"]), 21n, ["b", "a"])), [])
  })

  it("another set begins with the next session, the old one counts since height 1", () => {
    const changed = staked(staked(undefined, 11n, ["a", "b"]), 21n, ["b", "c"])
    assert.deepStrictEqual(configs(changed), ["a 1-21", "b 1-21", "b 21-0", "c 21-0"])
    assert.deepStrictEqual(applicationServices(changed, 20n), ["a", "b"])
    assert.deepStrictEqual(applicationServices(changed, 21n), ["b", "c"])
  })

  it("a second change in a session drops what has never served", () => {
    const twice = staked(staked(staked(undefined, 11n, ["a"]), 21n, ["b"]), 21n, ["c"])
    assert.deepStrictEqual(configs(twice), ["a 1-21", "c 21-0"])
  })

  it("a restake keeps delegations, cancels unstaking, and keeps or replaces the spend limit", () => {
    const before = anApplication({
      delegateeGatewayAddresses: ["gateway"],
      unstakeSessionEndHeight: 40n,
      perSessionSpendLimit: 5n
    })
    const after = staked(before, 21n, ["svc"])
    assert.deepStrictEqual(after, { ...before, unstakeSessionEndHeight: 0n })
    assert.strictEqual(staked(before, 21n, ["svc"], 7n).perSessionSpendLimit, 7n)
    assert.strictEqual(staked(before, 21n, ["svc"], 0n).perSessionSpendLimit, undefined)
  })

  it("is active to the end of the session in which it unstakes or is transferred", () => {
    const unstaking = unstakeApplication(anApplication(), 40n)
    assert.deepStrictEqual(
      [40n, 50n].map((end) => isApplicationActive(unstaking, end)),
      [true, false]
    )
    const transferring = anApplication({ pendingTransfer: { destinationAddress: "other", sessionEndHeight: 40n } })
    assert.deepStrictEqual(
      [40n, 50n].map((end) => isApplicationActive(transferring, end)),
      [true, false]
    )
    assert.isTrue(isApplicationActive(anApplication(), 10_000n))
  })

  it("is removed at the first session end after the unbonding period", () => {
    const params = someParams({ applicationUnbondingPeriodSessions: 2n })
    assert.deepStrictEqual(
      [50n, 59n, 60n].map((height) => isApplicationUnbonded({ unstakeSessionEndHeight: 40n }, height, params, params)),
      [false, false, true]
    )
    assert.isFalse(isApplicationUnbonded(anApplication(), 60n, params, params))
  })
})
