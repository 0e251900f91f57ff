/** Which sealed roots are claimed, and how their messages share transactions. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { TxRefused } from "../../../domain/ports/ChainTx.ts"
import { SessionId } from "../../../domain/protocol/Identifiers.ts"
import { defaultProofParams } from "../../../domain/protocol/ProofParams.ts"
import { defaultSharedParams } from "../../../domain/protocol/SharedParams.ts"
import { bisect, type Outgoing, planBatches } from "../../../domain/settlement/ClaimBatch.ts"
import { type ClaimTerms, expectedCost, planClaim } from "../../../domain/settlement/ClaimPlan.ts"

const terms = (change: Partial<ClaimTerms> = {}): ClaimTerms => ({
  price: defaultSharedParams,
  multiplier: { numerator: 1n, denominator: 1n },
  computeUnitsPerRelay: 100n,
  proofParams: { ...defaultProofParams, proofRequestProbability: 0.25, proofSubmissionFee: 1_000n },
  gasPrice: { scaled: 10n ** 15n, denom: "upokt" },
  claimGas: 100_000n,
  proofGas: 300_000n,
  ...change
})

const sealed = (count: bigint, sum = count * 100n) => {
  const root = new Uint8Array(48).fill(1)
  const words = new DataView(root.buffer)
  words.setBigUint64(32, sum)
  words.setBigUint64(40, count)
  return { root, count, sum }
}

describe("the plan of a claim", () => {
  it("claims what is worth more than gas and the expected proof", () => {
    // Gas of the claim 100, a quarter of gas 300 and fee 1000 of the proof: 425 uPOKT. A relay is worth 4200.
    assert.deepStrictEqual(planClaim(sealed(1n), terms()), { _tag: "Claim", worth: 4_200n })
    assert.deepInclude(planClaim(sealed(1n), terms({ claimGas: 4_000_000n })), { reason: "unprofitable" })
  })

  it("does not claim what is worth exactly what it costs", () => {
    const even = terms({ proofParams: { ...defaultProofParams, proofRequestProbability: 0 }, claimGas: 4_200_000n })
    assert.deepInclude(planClaim(sealed(1n), even), { reason: "unprofitable" })
    assert.strictEqual(planClaim(sealed(1n), { ...even, claimGas: 4_199_999n })._tag, "Claim")
  })

  it("counts the proof in full from the threshold on", () => {
    const cost = expectedCost(20_000_000n, terms())
    assert.strictEqual(cost.numerator / cost.denominator, 1_400n)
  })

  it("refuses sums that are not the relays' price", () => {
    assert.deepInclude(planClaim(sealed(2n, 199n), terms()), { reason: "compute_units_mismatch" })
  })

  it("refuses an empty root", () => {
    assert.deepInclude(planClaim(sealed(0n), terms()), { reason: "empty" })
  })
})

const message = (name: string, worth = 1n, bytes = 10): Outgoing => ({
  session: SessionId.make(name),
  root: new Uint8Array(48),
  message: { typeUrl: "/claim", value: new Uint8Array(bytes) },
  worth,
  wasSent: false
})

const refusal = (messageIndex?: number) =>
  new TxRefused({
    reason: "message",
    codespace: "undefined",
    code: 1,
    log: "",
    ...(messageIndex === undefined ? {} : { messageIndex })
  })

const names = (batches: ReadonlyArray<ReadonlyArray<Outgoing>>) =>
  batches.map((batch) => batch.map(({ session }) => session as string))

describe("batches", () => {
  it("hold no more messages or bytes than allowed, the most valuable first", () => {
    const all = [message("a", 1n), message("b", 3n), message("c", 2n)]
    assert.deepStrictEqual(names(planBatches(all, new Set(), { items: 2, bytes: 100 })), [["b", "c"], ["a"]])
    assert.deepStrictEqual(names(planBatches(all, new Set(), { items: 9, bytes: 15 })), [["b"], ["c"], ["a"]])
  })

  it("keep a session that was refused to itself", () => {
    const all = [message("a", 1n), message("b", 3n), message("c", 2n)]
    assert.deepStrictEqual(names(planBatches(all, new Set([SessionId.make("b")]), { items: 9, bytes: 100 })), [
      ["c", "a"],
      ["b"]
    ])
  })

  it("lose only the message that the chain names", () => {
    const { blamed, rest } = bisect([message("a"), message("b"), message("c")], refusal(1))
    assert.strictEqual(blamed?.session, SessionId.make("b"))
    assert.deepStrictEqual(names(rest), [["a", "c"]])
  })

  it.prop(
    "come down to the one bad message when the chain names none",
    { size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })), bad: Schema.Int },
    ({ size, bad }) => {
      const index = ((bad % size) + size) % size
      const batch = Array.from({ length: size }, (_, each) => message(String(each)))
      const sent: Array<string> = []
      const blamed: Array<string> = []
      const send = (part: ReadonlyArray<Outgoing>): void => {
        if (!part.some(({ session }) => session === String(index))) {
          sent.push(...part.map(({ session }) => session))
          return
        }
        const bisection = bisect(part, refusal())
        if (bisection.blamed !== undefined) blamed.push(bisection.blamed.session)
        bisection.rest.forEach(send)
      }
      send(batch)
      assert.deepStrictEqual(blamed, [String(index)])
      assert.lengthOf(sent, size - 1)
    }
  )
})
