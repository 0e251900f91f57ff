import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { hydrateSession, type SessionRequest, type SessionState } from "../../../domain/session/SessionHydration.ts"
import { sessionId } from "../../../domain/session/SessionId.ts"
import { stakeSupplier } from "../../../domain/session/SupplierConfigs.ts"
import { someParams } from "../protocol/VectorParams.ts"
import { anAddress, anApplication, aService, aSupplier } from "./ActorRecords.ts"

const application = anApplication()
const suppliers = [3, 1, 2].map((number) =>
  stakeSupplier(undefined, { ...aSupplier({ operatorAddress: anAddress(number) }), services: [aService()] }, 11n)
)
const hashAt = (height: bigint) => new Uint8Array(32).fill(Number(height))
const state = (fields: Partial<SessionState> = {}): SessionState => ({
  latestHeight: 35n,
  sharedParamsAt: () => someParams({}),
  numSuppliersPerSessionAt: () => 15n,
  blockHash: hashAt,
  application: (address) => (address === application.address ? application : undefined),
  configUpdates: () => suppliers.flatMap((supplier) => supplier.serviceConfigHistory),
  supplier: (address) => suppliers.find((supplier) => supplier.operatorAddress === address),
  ...fields
})
const request = (fields: Partial<SessionRequest> = {}): SessionRequest => ({
  applicationAddress: application.address,
  serviceId: "svc",
  height: 24n,
  ...fields
})
const failure = (asked: SessionRequest, fields: Partial<SessionState> = {}) => {
  const result = hydrateSession(asked, state(fields))
  return Result.isFailure(result) ? [result.failure.grpcCode, result.failure.message] : "success"
}

describe("session hydration", () => {
  it("answers header, application and suppliers, each with its one config", () => {
    const session = Result.getOrThrow(hydrateSession(request(), state()))
    const id = sessionId({
      blockHash: hashAt(21n),
      serviceId: "svc",
      applicationAddress: application.address,
      sessionStart: 21n
    })
    assert.deepStrictEqual(session.header, {
      applicationAddress: application.address,
      serviceId: "svc",
      sessionId: id,
      sessionStartBlockHeight: 21n,
      sessionEndBlockHeight: 30n
    })
    assert.deepInclude(session, { sessionId: id, sessionNumber: 3n, numBlocksPerSession: 10n, application })
    assert.deepStrictEqual(
      session.suppliers,
      [1, 2, 3].map((number) => ({
        ...aSupplier({ operatorAddress: anAddress(number) }),
        services: [aService()]
      }))
    )
  })

  it("height 0 is the latest, and every height of a session gives the same one", () => {
    const at = (height: bigint) => Result.getOrThrow(hydrateSession(request({ height }), state()))
    assert.strictEqual(at(0n).header.sessionStartBlockHeight, 31n)
    assert.deepStrictEqual(at(21n), at(30n))
  })

  it("params, supplier count and configs are those of the height that is asked for", () => {
    const asked: Array<bigint> = []
    const session = hydrateSession(
      request({ height: 24n }),
      state({
        sharedParamsAt: (height) => (asked.push(height), someParams({})),
        numSuppliersPerSessionAt: (height) => (asked.push(height), 2n)
      })
    )
    assert.deepStrictEqual(asked, [24n, 24n])
    assert.strictEqual(Result.getOrThrow(session).suppliers.length, 2)
  })

  it("a config whose supplier is gone leaves its place empty", () => {
    const session = Result.getOrThrow(hydrateSession(request(), state({ supplier: () => undefined })))
    assert.deepStrictEqual(session.suppliers, [])
  })

  it("says why there is no session, in the chain's words", () => {
    const address = application.address
    assert.deepStrictEqual(failure(request({ height: 36n })), [
      13,
      "block height 36 is ahead of the last committed block height 35: error during session hydration"
    ])
    assert.deepStrictEqual(failure(request(), { application: () => undefined }), [
      13,
      `could not find app with address "${address}" at height 21: application for session not found not found `
    ])
    const inactive = failure(request(), { application: () => anApplication({ unstakeSessionEndHeight: 20n }) })
    assert.strictEqual(inactive[0], 13)
    assert.match(`${inactive[1]}`, /is not active for session [0-9a-f]{64}: application is not active$/)
    assert.deepStrictEqual(failure(request({ serviceId: "other" })), [
      13,
      `application "${address}" not staked for service ID "other": application in session not staked for requested service`
    ])
    assert.deepStrictEqual(failure(request(), { configUpdates: () => [] }), [
      13,
      "could not find suppliers for service svc at height 21: no suppliers not found for session"
    ])
    // Suppliers staked within session 1 do not serve it.
    assert.strictEqual(failure(request({ height: 10n }))[0], 13)
  })

  it("refuses malformed questions before anything is read", () => {
    for (const fields of [
      { applicationAddress: "pokt1nothing" },
      { serviceId: "" },
      { serviceId: "a".repeat(43) },
      { serviceId: "a b" },
      { height: -1n }
    ]) {
      assert.strictEqual(failure(request(fields))[0], 3)
    }
  })
})
