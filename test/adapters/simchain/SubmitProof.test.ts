/** Each check of `MsgSubmitProof` that runs in the block, with its exact text. */
import { assert, describe, it } from "@effect/vitest"
import { setDifficulty, updateParams } from "../../../adapters/simchain/Governance.ts"
import type { RelayRequest } from "../../../domain/relay/RelayRequest.ts"
import type { RelayResponse } from "../../../domain/relay/RelayResponse.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { decodeRelay, encodeRelay } from "../../../domain/relay/Relay.ts"
import { Result } from "effect"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import { buildTrie, type TestTrie, testKey } from "../../support/RelayBuilder.ts"
import {
  application,
  eventsTagged,
  mineRelays,
  otherSupplier,
  SERVICE,
  supplier,
  type TestChain,
  testChain,
  type TestChainOptions,
  UNITS
} from "./TestChain.ts"

const failed = (description: string, status = "FailedPrecondition") => ({
  code: 1,
  log: `failed to execute message; message index: 0: rpc error: code = ${status} desc = ${description}`
})

/** A chain whose first session is claimed with the trie, two blocks before the first proof. */
const claimed = (trie: (header: SessionHeader) => TestTrie, options: TestChainOptions = {}) => {
  const chain = testChain(options)
  const header = chain.header(1n)
  chain.until(7n)
  const built = trie(header)
  const { log } = chain.deliver(chain.tx([chain.claimMessage(header, built.root)]))
  assert.strictEqual(log, "")
  return { chain, header, trie: built }
}

const submit = (chain: TestChain, header: SessionHeader, proof: Uint8Array, signer = supplier) => {
  const { code, log } = chain.deliver(chain.tx([chain.proofMessage(header, proof, signer)], { signer }))
  return { code, log }
}

/** A trie of one leaf made from a valid relay by changing its parts. */
const changedLeaf =
  (change: {
    readonly request?: (request: RelayRequest) => RelayRequest
    readonly response?: (response: RelayResponse) => RelayResponse
  }) =>
  (header: SessionHeader): TestTrie => {
    const [relay] = mineRelays(header, 1).relays
    const { request, response } = Result.getOrThrow(decodeRelay(relay!.leaf))
    const leaf = encodeRelay({
      request: change.request?.(request!) ?? request,
      response: change.response?.(response!) ?? response
    })
    return buildTrie([{ leaf, hash: relay!.hash }], UNITS)
  }

/** What the chain says about a proof of this one leaf. */
const verdictOn = (trie: (header: SessionHeader) => TestTrie) => {
  const { chain, header, trie: built } = claimed(trie)
  chain.until(9n)
  return { answer: submit(chain, header, built.prove(chain.path(header))), header, chain }
}

const relays = (header: SessionHeader) => mineRelays(header, 3).trie

describe("MsgSubmitProof", () => {
  it("needs a session, its id and a supplier of it, in the words of a claim", () => {
    const { chain, header, trie } = claimed(relays)
    chain.until(9n)
    const proof = trie.prove(chain.path(header))
    assert.match(submit(chain, { ...header, serviceId: "unknown" }, proof).log, /not staked for service ID "unknown"/)
    assert.match(
      submit(chain, { ...header, sessionId: "abc" }, proof).log,
      /expected ".{64}", got "abc": invalid session ID$/
    )
  })

  it("is accepted in the first and the last block of the window, and in none around it", () => {
    const { chain, header, trie } = claimed(relays)
    const window = "proof attempted outside of the session's proof window"
    assert.deepStrictEqual(
      submit(chain, header, trie.prove(new Uint8Array(32))),
      failed(`current block height (9) is less than session's earliest proof commit height (10): ${window}`)
    )
    const proof = trie.prove(chain.path(header))
    assert.strictEqual(submit(chain, header, proof).log, "")
    assert.strictEqual(chain.height, 10n)
    chain.until(11n)
    assert.strictEqual(submit(chain, header, proof).log, "")
    assert.deepStrictEqual(
      submit(chain, header, proof),
      failed(`current block height (13) is greater than session proof window close height (12): ${window}`)
    )
  })

  it("needs bytes that decode to a proof with a relay", () => {
    const { chain, header } = claimed(relays)
    chain.until(9n)
    assert.match(
      submit(chain, header, new Uint8Array([1, 2])).log,
      /desc = failed to unmarshal sparse compact merkle closest proof: .*: invalid proof$/
    )
    const noRelay = buildTrie([{ leaf: textToBytes("\x0a\xff"), hash: new Uint8Array(32) }], UNITS)
    assert.match(
      submit(chain, header, noRelay.prove(chain.path(header))).log,
      /desc = failed to unmarshal relay: .*: invalid relay$/
    )
  })

  it("needs a complete request for this supplier", () => {
    const request = (change: (meta: RelayRequest["meta"]) => RelayRequest["meta"]) =>
      verdictOn(changedLeaf({ request: (valid) => ({ ...valid, meta: change(valid.meta) }) })).answer
    assert.deepStrictEqual(
      request((meta) => ({ ...meta, sessionHeader: undefined })),
      failed("missing session header: invalid relay request")
    )
    assert.deepStrictEqual(
      request((meta) => ({ ...meta, sessionHeader: { ...meta.sessionHeader!, sessionId: "" } })),
      failed('invalid session header: "": invalid sessionId: invalid relay request')
    )
    assert.deepStrictEqual(
      request((meta) => ({ ...meta, signature: new Uint8Array(0) })),
      failed("missing application signature: invalid relay request")
    )
    assert.deepStrictEqual(
      request((meta) => ({ ...meta, supplierOperatorAddress: "" })),
      failed("relay metadata missing supplier operator address: invalid relay request")
    )
    assert.deepStrictEqual(
      request((meta) => ({ ...meta, supplierOperatorAddress: otherSupplier.address })),
      failed("supplier type mismatch: supplier operator address does not match the claim or proof")
    )
  })

  it("needs a complete response", () => {
    const response = (change: (meta: RelayResponse["meta"]) => RelayResponse["meta"]) =>
      verdictOn(changedLeaf({ response: (valid) => ({ ...valid, meta: change(valid.meta) }) })).answer
    assert.deepStrictEqual(
      response((meta) => ({ ...meta, sessionHeader: undefined })),
      failed("missing meta: invalid relay response")
    )
    assert.match(
      response((meta) => ({ ...meta, sessionHeader: { ...meta.sessionHeader!, sessionStartBlockHeight: 0n } })).log,
      /desc = invalid session header: sessions can only start at height 1 or greater: invalid block height for session \[.*:\d+\]: invalid relay response$/
    )
    assert.deepStrictEqual(
      response((meta) => ({ ...meta, supplierOperatorSignature: new Uint8Array(0) })),
      failed("missing supplier operator signature: invalid relay response")
    )
  })

  it("needs the session's header in request and response, five fields", () => {
    const other = testKey("another application").address
    const cases: ReadonlyArray<readonly [change: Partial<SessionHeader>, text: string]> = [
      [
        { applicationAddress: other },
        `session headers application addresses mismatch; expect: "${application.address}", got: "${other}"`
      ],
      [{ serviceId: "base" }, `session headers service IDs mismatch; expected: "${SERVICE}", got: "base"`],
      [{ sessionStartBlockHeight: 2n }, "session headers session start heights mismatch; expected: 1, got: 2"],
      [{ sessionEndBlockHeight: 9n }, "session headers session end heights mismatch; expected: 6, got: 9"]
    ]
    for (const [change, text] of cases) {
      const asked = verdictOn(
        changedLeaf({
          request: (valid) => ({
            ...valid,
            meta: { ...valid.meta, sessionHeader: { ...valid.meta.sessionHeader!, ...change } }
          })
        })
      )
      assert.deepStrictEqual(asked.answer, failed(`${text}: invalid relay`))
    }
    const answered = verdictOn(
      changedLeaf({
        response: (valid) => ({
          ...valid,
          meta: { ...valid.meta, sessionHeader: { ...valid.meta.sessionHeader!, sessionId: "abc" } }
        })
      })
    )
    assert.deepStrictEqual(
      answered.answer,
      failed(
        `session headers session IDs mismatch; expected: "${answered.header.sessionId}", got: "abc": invalid relay`
      )
    )
  })

  it("needs a relay below the target of the session's start", () => {
    const chain = testChain()
    const target = new Uint8Array(32).fill(0xff)
    target[0] = 0
    chain.administer(setDifficulty(SERVICE, target))
    chain.until(7n)
    const header = chain.header(7n)
    chain.until(13n)
    // About one relay of 256 is below; three of these are not.
    const { trie } = mineRelays(header, 3)
    assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(header, trie.root)])).log, "")
    chain.until(15n)
    assert.match(
      submit(chain, header, trie.prove(chain.path(header))).log,
      /desc = failed to validate relay difficulty for service anvil due to: the difficulty relay being proven is \(\d+\/\d+\), and is smaller than the target difficulty \(\d+\/\d+\): invalid relay \[.*:\d+\]: invalid relay difficulty$/
    )
  })

  it("needs a claim of the session and supplier", () => {
    const chain = testChain()
    const header = chain.header(1n)
    const { trie } = mineRelays(header, 3)
    chain.until(9n)
    assert.deepStrictEqual(
      submit(chain, header, trie.prove(chain.path(header))),
      failed(`no claim found for session ID "${header.sessionId}" and supplier "${supplier.address}": claim not found`)
    )
  })

  it("needs a claim with the chain's header: one with a wrong end is never proven", () => {
    const chain = testChain()
    const header = chain.header(1n)
    const { trie } = mineRelays(header, 3)
    chain.until(8n)
    const wrong = { ...header, sessionEndBlockHeight: 7n }
    assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(wrong, trie.root)])).log, "")
    assert.deepStrictEqual(
      submit(chain, header, trie.prove(chain.path(header))),
      failed("claim session end height 7 does not match proof session end height 6: invalid session end height")
    )
  })

  it("needs a balance above the fee, also of one that is equal", () => {
    const poor = (balance: bigint, fee: bigint) => {
      const { chain, header, trie } = claimed(relays, {
        suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: SERVICE }], balance }],
        params: { proof: { proofSubmissionFee: fee } }
      })
      chain.until(9n)
      return { chain, answer: submit(chain, header, trie.prove(chain.path(header))) }
    }
    const text = "not enough funds to submit proof"
    // Two transactions take 2 000 each before the handler looks.
    assert.deepStrictEqual(poor(4_000n, 0n).answer, failed(`account has no spendable coins: ${text}`))
    assert.deepStrictEqual(
      poor(4_007n, 7n).answer,
      failed(`account has 7upokt, but the proof submission fee is 7upokt: ${text}`)
    )
    const paid = poor(4_008n, 7n)
    assert.strictEqual(paid.answer.log, "")
    assert.strictEqual(paid.chain.state.accounts.get(supplier.address)!.balance, 1n)
    assert.strictEqual(paid.chain.state.modules.proof, 7n)
  })

  it("is refused when no proof is required, and costs no submission fee then", () => {
    const { chain, header, trie } = claimed(relays, { params: { proof: { proofRequestProbability: 0 } } })
    chain.until(9n)
    const { balance } = chain.state.accounts.get(supplier.address)!
    assert.deepStrictEqual(submit(chain, header, trie.prove(chain.path(header))), failed("proof not required"))
    assert.strictEqual(chain.state.accounts.get(supplier.address)!.balance, balance - 2_000n)
  })

  it("is required above the threshold whatever the probability; proof params are live", () => {
    const { chain, header, trie } = claimed(relays, { params: { proof: { proofRequestProbability: 0 } } })
    chain.administer(updateParams("proof", { proofRequirementThreshold: 12_600n }))
    chain.until(9n)
    assert.strictEqual(submit(chain, header, trie.prove(chain.path(header))).log, "")
  })

  it("reports a second proof of the same block as updated", () => {
    const { chain, header, trie } = claimed(relays)
    chain.until(9n)
    const proof = chain.proofMessage(header, trie.prove(chain.path(header)))
    assert.strictEqual(chain.deliver(chain.tx([proof, proof])).log, "")
    const block = chain.cell.block(10n)!
    assert.strictEqual(eventsTagged(block, "ProofSubmitted").length, 1)
    assert.strictEqual(eventsTagged(block, "ProofUpdated").length, 1)
    assert.strictEqual(eventsTagged(block, "ProofValidityChecked").length, 1)
  })
})
