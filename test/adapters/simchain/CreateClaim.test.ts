/** Each check of `MsgCreateClaim` that runs in the block, with its exact text, and what a claim leaves behind. */
import { assert, describe, it } from "@effect/vitest"
import { fund } from "../../../adapters/simchain/Operation.ts"
import { stakeSupplier, unstakeSupplier } from "../../../adapters/simchain/SupplierLifecycle.ts"
import { updateComputeUnits } from "../../../adapters/simchain/Governance.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { ClaimProofStatus } from "../../../domain/tx/ProofMessages.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import { application, eventsTagged, otherSupplier, SERVICE, supplier, type TestChain, testChain } from "./TestChain.ts"

/** A root of so many relays of 100 units each. */
const rootOf = (count: number, sum = count * 100, digest = 7): Uint8Array => {
  const root = new Uint8Array(48).fill(digest, 0, 32)
  const view = new DataView(root.buffer)
  view.setBigUint64(32, BigInt(sum))
  view.setBigUint64(40, BigInt(count))
  return root
}

const handler = (status: string, description: string) => ({
  codespace: "undefined",
  code: 1,
  log: `failed to execute message; message index: 0: rpc error: code = ${status} desc = ${description}`
})

/** Delivers one claim message and gives codespace, code and log. */
const claim = (chain: TestChain, header: SessionHeader, root = rootOf(3), signer = supplier) => {
  const { codespace, code, log } = chain.deliver(chain.tx([chain.claimMessage(header, root, signer)], { signer }))
  return { codespace, code, log }
}

const accepted = { codespace: "", code: 0, log: "" }

describe("MsgCreateClaim", () => {
  it("needs a session that the chain can compute", () => {
    const chain = testChain()
    const header = chain.header(1n)
    chain.until(7n)
    assert.deepStrictEqual(
      claim(chain, { ...header, sessionStartBlockHeight: 500n, sessionEndBlockHeight: 505n }),
      handler(
        "InvalidArgument",
        "block height 500 is ahead of the last committed block height 8: error during session hydration"
      )
    )
    const stranger = testKey("no application").address
    assert.deepStrictEqual(
      claim(chain, { ...header, applicationAddress: stranger }),
      handler(
        "InvalidArgument",
        `could not find app with address "${stranger}" at height 1: application for session not found not found `
      )
    )
    assert.deepStrictEqual(
      claim(chain, { ...header, serviceId: "unknown" }),
      handler(
        "InvalidArgument",
        `application "${application.address}" not staked for service ID "unknown": application in session not staked for requested service`
      )
    )
  })

  it("needs the session's id", () => {
    const chain = testChain()
    const header = chain.header(1n)
    chain.until(7n)
    assert.deepStrictEqual(
      claim(chain, { ...header, sessionId: "abc" }),
      handler(
        "InvalidArgument",
        `session ID does not match onchain session ID; expected "${header.sessionId}", got "abc": invalid session ID`
      )
    )
  })

  it("needs a supplier of the session", () => {
    const chain = testChain()
    const late = testKey("late supplier")
    const header = chain.header(1n)
    chain.administer(fund(late.publicKey, 10n ** 12n))
    chain.administer(
      stakeSupplier({
        operatorAddress: late.address,
        stake: 10n ** 9n,
        services: [{ serviceId: SERVICE, endpoints: [], revShare: [{ address: late.address, percentage: 100n }] }]
      })
    )
    chain.until(7n)
    assert.deepStrictEqual(
      claim(chain, header, rootOf(3), late),
      handler(
        "InvalidArgument",
        `supplier operator address "${late.address}" not found in session ID "${header.sessionId}": supplier not found`
      )
    )
  })

  it("is accepted in the first and the last block of the window, and in none around it", () => {
    const chain = testChain()
    const header = chain.header(1n)
    const window = "claim attempted outside of the session's claim window"
    chain.until(6n)
    assert.deepStrictEqual(
      claim(chain, header),
      handler(
        "FailedPrecondition",
        `current block height (7) is less than the session's earliest claim commit height (8): ${window}`
      )
    )
    assert.deepStrictEqual(claim(chain, header), accepted)
    chain.until(9n)
    assert.deepStrictEqual(claim(chain, header), accepted)
    assert.strictEqual(chain.height, 10n)
    assert.deepStrictEqual(
      claim(chain, header),
      handler(
        "FailedPrecondition",
        `current block height (11) is greater than session claim window close height (10): ${window}`
      )
    )
  })

  it("takes the window from the header's end, which it does not check", () => {
    const chain = testChain()
    const header = { ...chain.header(1n), sessionEndBlockHeight: 7n }
    chain.until(7n)
    assert.match(claim(chain, header).log, /\(8\) is less than the session's earliest claim commit height \(9\)/)
    assert.deepStrictEqual(claim(chain, header), accepted)
    assert.strictEqual(chain.claims()[0]?.sessionHeader?.sessionEndBlockHeight, 7n)
  })

  it("needs a sum of count × compute units at the session's start", () => {
    const chain = testChain()
    const header = chain.header(1n)
    chain.administer(updateComputeUnits(SERVICE, 250n))
    chain.until(7n)
    assert.deepStrictEqual(
      claim(chain, header, rootOf(3, 750)),
      handler(
        "InvalidArgument",
        "claim compute units: 750 is not equal to number of relays 3 * compute units per relay 100 for service anvil: mismatch: claim compute units != number of relays * service compute units per relay"
      )
    )
    assert.deepStrictEqual(claim(chain, header, rootOf(3, 300)), accepted)
  })

  it("is stored with the message's header; the same session again replaces it entirely", () => {
    const chain = testChain()
    const header = chain.header(1n)
    chain.until(7n)
    assert.deepStrictEqual(claim(chain, header, rootOf(3)), accepted)
    const created = chain.cell.block(8n)!
    assert.deepStrictEqual(
      eventsTagged(created, "ClaimCreated").map((event) => [
        event.numRelays,
        event.numClaimedComputeUnits,
        event.claimedUpokt,
        event.claimProofStatusInt
      ]),
      [[3n, 300n, 12_600n, 0]]
    )
    assert.deepStrictEqual(claim(chain, header, rootOf(4, 400, 9)), accepted)
    assert.strictEqual(eventsTagged(chain.cell.block(9n)!, "ClaimUpdated").length, 1)
    assert.deepStrictEqual(chain.claims(), [
      {
        supplierOperatorAddress: supplier.address,
        sessionHeader: header,
        rootHash: rootOf(4, 400, 9),
        proofValidationStatus: ClaimProofStatus.pending
      }
    ])
  })

  it("is accepted from a supplier that unstaked during the session", () => {
    const chain = testChain()
    const header = chain.header(1n)
    chain.administer(unstakeSupplier(supplier.address))
    chain.until(7n)
    assert.deepStrictEqual(
      chain.session(7n).suppliers.map(({ operatorAddress }) => operatorAddress),
      [otherSupplier.address]
    )
    assert.deepStrictEqual(claim(chain, header), accepted)
  })
})

describe("a transaction of several messages", () => {
  it("takes effect wholly or not at all, but fee and nonce are spent", () => {
    const chain = testChain()
    const first = chain.header(1n)
    chain.until(7n)
    const balance = chain.state.accounts.get(supplier.address)!.balance
    const timeoutUnixNano = chain.timeout()
    const result = chain.deliver(
      chain.tx(
        [
          chain.claimMessage(first, rootOf(3)),
          chain.claimMessage({ ...first, sessionId: "abc" }, rootOf(3)),
          chain.claimMessage({ ...first, serviceId: "unknown" }, rootOf(3))
        ],
        { timeoutUnixNano }
      )
    )
    assert.strictEqual(result.code, 1)
    assert.match(result.log, /^failed to execute message; message index: 1: rpc error: code = InvalidArgument desc = /)
    assert.deepStrictEqual(
      result.events.map(({ type }) => type),
      ["tx", "tx"]
    )
    assert.strictEqual(chain.claims().length, 0)
    assert.strictEqual(chain.state.accounts.get(supplier.address)!.balance, balance - 2_000n)
    assert.isTrue(chain.state.nonces.get(supplier.address)?.has(timeoutUnixNano))
  })

  it("runs out of gas inside a message without an index, fee spent", () => {
    const chain = testChain()
    const header = chain.header(1n)
    chain.until(7n)
    const balance = chain.state.accounts.get(supplier.address)!.balance
    const result = chain.deliver(chain.tx([chain.claimMessage(header, rootOf(3))], { gasLimit: 90_000n }))
    assert.deepStrictEqual([result.codespace, result.code], ["sdk", 11])
    assert.match(result.log, /^out of gas in location: WriteFlat; gasWanted: 90000, gasUsed: \d+: out of gas$/)
    assert.strictEqual(chain.claims().length, 0)
    assert.strictEqual(chain.state.accounts.get(supplier.address)!.balance, balance - 2_000n)
  })

  it("reports each message with its event and index", () => {
    const chain = testChain()
    const header = chain.header(1n)
    chain.until(7n)
    const result = chain.deliver(
      chain.tx([chain.claimMessage(header, rootOf(3)), chain.claimMessage(header, rootOf(5))])
    )
    assert.deepStrictEqual(
      result.events.slice(2).map(({ type, attributes }) => [type, attributes.at(-1)?.value]),
      [
        ["message", "0"],
        ["pocket.proof.EventClaimCreated", "0"],
        ["message", "1"],
        ["pocket.proof.EventClaimUpdated", "1"]
      ]
    )
  })
})
