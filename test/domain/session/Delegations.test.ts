import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Application } from "../../../domain/chain/Application.ts"
import { ringAddresses } from "../../../domain/ring/RingMembers.ts"
import {
  delegate,
  isGatewayActive,
  isGatewayUnbonded,
  losesDelegations,
  pruneUndelegations,
  undelegate,
  unstakeGateway
} from "../../../domain/session/Delegations.ts"
import { sessionEnd } from "../../../domain/session/SessionGrid.ts"
import { someParams } from "../protocol/VectorParams.ts"
import { aGateway, anAddress, anApplication } from "./ActorRecords.ts"

const [g, h] = [anAddress(0x61), anAddress(0x62)]
const context = { gateway: aGateway(), height: 15n, maxDelegatedGateways: 7n }
const delegated = (application: Application, gateway: string) =>
  Result.getOrThrow(delegate(application, gateway, context))
const undelegated = (application: Application, gateway: string, end: bigint) =>
  Result.getOrThrow(undelegate(application, gateway, end))
const reason = (result: ReturnType<typeof delegate>) => (Result.isFailure(result) ? result.failure.reason : undefined)

describe("delegations", () => {
  it("a delegation counts at once, in the order of delegating", () => {
    assert.deepStrictEqual(delegated(delegated(anApplication(), h), g).delegateeGatewayAddresses, [h, g])
  })

  it("a removal is pending under the session's end, once", () => {
    const twice = [g, h, g].reduce(
      (application, gateway) => undelegated({ ...application, delegateeGatewayAddresses: [gateway] }, gateway, 20n),
      undelegated({ ...anApplication(), delegateeGatewayAddresses: [h] }, h, 30n)
    )
    assert.deepStrictEqual(twice.delegateeGatewayAddresses, [])
    assert.deepStrictEqual(twice.pendingUndelegations, [
      { sessionEndHeight: 20n, gatewayAddresses: [g, h] },
      { sessionEndHeight: 30n, gatewayAddresses: [h] }
    ])
  })

  it("a renewed delegation ends every pending removal of that gateway", () => {
    const removed = undelegated(delegated(undelegated(delegated(anApplication(), g), g, 20n), h), h, 20n)
    assert.deepStrictEqual(delegated(removed, g).pendingUndelegations, [
      { sessionEndHeight: 20n, gatewayAddresses: [h] }
    ])
    assert.deepStrictEqual(delegated(delegated(removed, g), h).pendingUndelegations, [])
  })

  it("refuses what the chain refuses", () => {
    const application = delegated(anApplication(), g)
    assert.strictEqual(reason(delegate(application, g, context)), "already delegated")
    assert.strictEqual(reason(delegate(application, h, { ...context, gateway: undefined })), "gateway not found")
    assert.strictEqual(reason(delegate(application, h, { ...context, maxDelegatedGateways: 1n })), "too many gateways")
    const gateway = unstakeGateway(aGateway(), 14n)
    assert.strictEqual(reason(delegate(application, h, { ...context, gateway })), "gateway inactive")
    assert.strictEqual(reason(undelegate(application, h, 20n)), "not delegated")
  })

  it("forgets removals older than grace and two sessions", () => {
    const application = undelegated(delegated(anApplication(), g), g, 20n)
    const params = someParams({})
    const kept = (height: bigint) => pruneUndelegations(application, height, params).pendingUndelegations.length
    assert.deepStrictEqual([20n, 41n, 42n].map(kept), [1, 1, 0])
    const atStart = undelegated(delegated(anApplication(), g), g, 0n)
    assert.deepStrictEqual(
      [21n, 22n].map((height) => pruneUndelegations(atStart, height, params).pendingUndelegations.length),
      [1, 0]
    )
  })

  it("an unstaking gateway serves its session, then is pending for one more", () => {
    const params = someParams({})
    const gateway = unstakeGateway(aGateway({ address: g }), 20n)
    assert.deepStrictEqual(
      [20n, 21n].map((height) => isGatewayActive(gateway, height)),
      [true, false]
    )
    assert.deepStrictEqual(
      [20n, 21n, 22n].map((height) => losesDelegations(gateway, height)),
      [false, true, false]
    )
    const application = undelegated(delegated(anApplication(), g), g, sessionEnd(params, 21n))
    assert.include(ringAddresses(application, 30n), g)
    assert.notInclude(ringAddresses(application, 40n), g)
  })

  it("an unstaking gateway is removed at the first session end after the unbonding period", () => {
    const params = someParams({ gatewayUnbondingPeriodSessions: 2n })
    const gateway = unstakeGateway(aGateway(), 20n)
    assert.deepStrictEqual(
      [30n, 39n, 40n].map((height) => isGatewayUnbonded(gateway, height, params, params)),
      [false, false, true]
    )
    assert.isFalse(isGatewayUnbonded(aGateway(), 40n, params, params))
  })
})
