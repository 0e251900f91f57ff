import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  ChainEvent,
  decodeEvent,
  encodeEvent,
  eventType,
  InvalidChainEvent,
  messageEvent,
  messageIndexOf,
  type RawEvent
} from "../../../domain/chain/ChainEvents.ts"

const claim = {
  applicationAddress: "pokt1app",
  claimProofStatusInt: 0,
  serviceId: "eth",
  sessionEndBlockHeight: 40n,
  supplierOperatorAddress: "pokt1sup"
}

const usage = {
  claimedUpokt: 12_000n,
  numRelays: 4n,
  numClaimedComputeUnits: 18446744073709551615n,
  numEstimatedComputeUnits: 400n,
  numEstimatedRelays: 4n
}

const events: ReadonlyArray<ChainEvent> = [
  { _tag: "ClaimCreated", ...claim, ...usage },
  { _tag: "ClaimUpdated", ...claim, ...usage },
  { _tag: "ProofSubmitted", ...claim, ...usage },
  { _tag: "ProofUpdated", ...claim, ...usage },
  { _tag: "ProofValidityChecked", ...claim, blockHeight: 45n, failureReason: "a < b & c > d" },
  {
    _tag: "ClaimSettled",
    ...claim,
    ...usage,
    proofRequirementInt: 2,
    settledUpokt: 11_000n,
    mintedUpokt: 10_725n,
    overservicingLossUpokt: 1_000n,
    deflationLossUpokt: 275n,
    mintRatio: "0.975",
    sessionId: "ab".repeat(32),
    supplierOwnerAddress: "pokt1own",
    rewardDistribution: { pokt1zz: 1n, pokt1aa: 2n },
    rewardDistributionDetailed: [{ recipientAddress: "pokt1aa", opReason: "TLM_X", amount: 2n }]
  },
  { _tag: "ClaimExpired", ...claim, ...usage, expirationReason: "PROOF_MISSING" },
  { _tag: "ClaimDiscarded", ...claim, error: "internal claim settlement error" },
  {
    _tag: "ApplicationOverserviced",
    applicationAddr: "pokt1app",
    supplierOperatorAddr: "pokt1sup",
    expectedBurn: 5n,
    effectiveBurn: 4n,
    serviceId: "eth",
    sessionEndBlockHeight: 40n,
    spendLimitExceeded: true
  },
  {
    _tag: "SettlementBatch",
    sessionEndBlockHeight: 40n,
    senderModule: "tokenomics",
    recipient: "supplier",
    opReason: "TLM_Y",
    totalAmount: 9n,
    numClaims: 3,
    opType: "mod_to_mod"
  },
  { _tag: "SupplierSlashed", ...claim, proofMissingPenalty: 0n, supplierStakeAfterSlash: 7n }
]

const value = (raw: RawEvent, key: string) => raw.attributes.find((attribute) => attribute.key === key)?.value

describe("chain events", () => {
  it("come back as they were written, every type", () => {
    assert.deepStrictEqual(new Set(events.map((event) => event._tag)), new Set(Object.keys(ChainEvent.cases)) as never)
    for (const event of events) {
      const raw = encodeEvent(event, "EndBlock")
      assert.strictEqual(raw.type, eventType(event._tag))
      assert.deepStrictEqual(Result.getOrThrow(decodeEvent(raw)), event)
      const inMessage = encodeEvent(event, { messageIndex: 3 })
      assert.strictEqual(messageIndexOf(inMessage), 3)
      assert.deepStrictEqual(Result.getOrThrow(decodeEvent(inMessage)), event)
    }
  })

  it("are written in the chain's form", () => {
    const raw = encodeEvent(events[0]!, { messageIndex: 2 })
    assert.deepStrictEqual(raw, {
      type: "pocket.proof.EventClaimCreated",
      attributes: [
        { key: "application_address", value: `"pokt1app"` },
        { key: "claim_proof_status_int", value: "0" },
        { key: "claimed_upokt", value: `"12000upokt"` },
        { key: "num_claimed_compute_units", value: `"18446744073709551615"` },
        { key: "num_estimated_compute_units", value: `"400"` },
        { key: "num_estimated_relays", value: `"4"` },
        { key: "num_relays", value: `"4"` },
        { key: "service_id", value: `"eth"` },
        { key: "session_end_block_height", value: `"40"` },
        { key: "supplier_operator_address", value: `"pokt1sup"` },
        { key: "msg_index", value: "2" }
      ]
    })
    const settled = encodeEvent(events[5]!, "EndBlock")
    assert.strictEqual(settled.type, "pocket.tokenomics.EventClaimSettled")
    assert.deepStrictEqual(settled.attributes.at(-1), { key: "mode", value: "EndBlock" })
    assert.strictEqual(value(settled, "mint_ratio"), `"0.975"`)
    assert.strictEqual(value(settled, "reward_distribution"), `{"pokt1aa":"2upokt","pokt1zz":"1upokt"}`)
    assert.strictEqual(
      value(settled, "reward_distribution_detailed"),
      `[{"recipient_address":"pokt1aa","op_reason":"TLM_X","amount":"2upokt"}]`
    )
  })

  it("escape what HTML would read", () => {
    const raw = encodeEvent(events[4]!, "EndBlock")
    assert.strictEqual(value(raw, "failure_reason"), String.raw`"a \u003c b \u0026 c \u003e d"`)
  })

  it("of other types are nothing, with any attributes", () => {
    for (const type of ["transfer", "pocket.proof.EventNew", "__proto__", "", "pocket.proof.EventClaimSettled"]) {
      const result = decodeEvent({ type, attributes: [{ key: "x", value: "{" }] })
      assert.isUndefined(Result.getOrThrow(result))
    }
    assert.strictEqual(messageIndexOf(messageEvent("/pocket.proof.MsgCreateClaim", "pokt1sup", 4)), 4)
  })

  it("take attributes in any order, unknown ones, bare numbers and nulls for empty lists", () => {
    const raw = encodeEvent({ ...events[5]!, rewardDistribution: {}, rewardDistributionDetailed: [] } as ChainEvent, {
      messageIndex: 0
    })
    const loose = raw.attributes.toReversed().map(({ key, value }) => {
      if (key === "num_relays") return { key, value: "4" }
      return { key, value: value === "{}" || value === "[]" ? "null" : value }
    })
    const event = decodeEvent({ type: raw.type, attributes: [{ key: "new_attribute", value: "[1]" }, ...loose] })
    assert.deepStrictEqual(Result.getOrThrow(event), {
      ...events[5]!,
      rewardDistribution: {},
      rewardDistributionDetailed: []
    } as ChainEvent)
  })

  it("with a missing or malformed attribute are refused with the type's name", () => {
    for (const event of events) {
      const raw = encodeEvent(event, "EndBlock")
      const last = raw.attributes.length - 1
      for (let i = 0; i < last; i++) {
        const broken = [
          raw.attributes.filter((_, k) => k !== i),
          ...["", "{", "[[]]", `"x" "y"`, "1e400", "nul"].map((value) =>
            raw.attributes.map((attribute, k) => (k === i ? { ...attribute, value } : attribute))
          )
        ]
        for (const attributes of broken) {
          const result = decodeEvent({ type: raw.type, attributes })
          assert.isTrue(Result.isFailure(result), JSON.stringify(attributes[i]))
          if (Result.isFailure(result)) {
            assert.instanceOf(result.failure, InvalidChainEvent)
            assert.strictEqual(result.failure.type, raw.type)
          }
        }
      }
    }
  })

  it("keep a hostile attribute name from touching anything", () => {
    const raw = encodeEvent(events[0]!, "EndBlock")
    const event = decodeEvent({
      type: raw.type,
      attributes: [...raw.attributes, { key: "__proto__", value: `{"polluted":true}` }, { key: "_tag", value: "1" }]
    })
    assert.deepStrictEqual(Result.getOrThrow(event), events[0])
    assert.isUndefined(({} as Record<string, unknown>)["polluted"])
  })
})
