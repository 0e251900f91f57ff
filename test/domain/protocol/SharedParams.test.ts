import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { defaultSharedParams, type SharedParams, validateSharedParams } from "../../../domain/protocol/SharedParams.ts"
import { someParams } from "./VectorParams.ts"

describe("shared params", () => {
  it("the defaults are valid", () => {
    assert.isTrue(Result.isSuccess(validateSharedParams(defaultSharedParams)))
  })

  const broken: ReadonlyArray<readonly [what: string, fields: Partial<SharedParams>]> = [
    ["no block in a session", { numBlocksPerSession: 0n }],
    ["grace as long as the session", { gracePeriodEndOffsetBlocks: 10n, claimWindowOpenOffsetBlocks: 10n }],
    ["claims before the end of grace", { claimWindowOpenOffsetBlocks: 0n }],
    ["no supplier unbonding", { supplierUnbondingPeriodSessions: 0n }],
    ["no application unbonding", { applicationUnbondingPeriodSessions: 0n }],
    ["no gateway unbonding", { gatewayUnbondingPeriodSessions: 0n }],
    [
      "supplier unbonding before settlement",
      { proofWindowCloseOffsetBlocks: 6n, applicationUnbondingPeriodSessions: 2n }
    ],
    [
      "application unbonding before settlement",
      { proofWindowCloseOffsetBlocks: 6n, supplierUnbondingPeriodSessions: 2n }
    ],
    [
      "no block from session end to proof close",
      {
        gracePeriodEndOffsetBlocks: 0n,
        claimWindowOpenOffsetBlocks: 0n,
        claimWindowCloseOffsetBlocks: 0n,
        proofWindowCloseOffsetBlocks: 0n
      }
    ],
    ["no price", { computeUnitsToTokensMultiplier: 0n }],
    ["no granularity", { computeUnitCostGranularity: 0n }],
    ["a negative offset", { proofWindowOpenOffsetBlocks: -1n }],
    ["more than 64 bits", { computeUnitsToTokensMultiplier: 2n ** 64n }]
  ]
  for (const [what, fields] of broken) {
    it(`refuses ${what}`, () => {
      const result = validateSharedParams(someParams(fields))
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) assert.match(result.failure.message, /^shared params: \w+.* is -?\d+, must be /)
    })
  }

  it("allows unbonding that ends exactly at proof close", () => {
    assert.isTrue(Result.isSuccess(validateSharedParams(someParams({ proofWindowCloseOffsetBlocks: 5n }))))
  })
})
