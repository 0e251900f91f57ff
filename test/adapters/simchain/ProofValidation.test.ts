/** What the end of a block finds in a proof that its handler accepted: each way in which it can be wrong. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { delegate, undelegate } from "../../../adapters/simchain/ApplicationLifecycle.ts"
import { validateProofs } from "../../../adapters/simchain/ProofValidation.ts"
import { fund } from "../../../adapters/simchain/Operation.ts"
import { stakeGateway, unstakeGateway } from "../../../adapters/simchain/GatewayLifecycle.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { decodeRelay, encodeRelay } from "../../../domain/relay/Relay.ts"
import { withSignature } from "../../../domain/relay/RelayResponse.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { decode, encode } from "../../../domain/smst/GobProof.ts"
import { placeholderKey, type RelayParts, testKey } from "../../support/RelayBuilder.ts"
import {
  application,
  eventsTagged,
  gateway,
  mineRelays,
  supplier,
  type TestChain,
  testChain,
  type TestChainOptions
} from "./TestChain.ts"

interface Attempt {
  readonly parts?: Partial<RelayParts>
  readonly options?: TestChainOptions
  /** Runs before relays are made, at height 1. */
  readonly before?: (chain: TestChain) => void
  /** Changes the proof's bytes, or makes others. */
  readonly prove?: (proof: Uint8Array, chain: TestChain, header: SessionHeader) => Uint8Array
}

/** Claims and proves the first session, and gives what the end of the block says about the proof. */
const verdict = ({ parts = {}, options = {}, before, prove }: Attempt): { reason: string; status: number } => {
  const chain = testChain(options)
  const header = chain.header(1n)
  before?.(chain)
  const { trie } = mineRelays(header, 3, parts)
  chain.until(7n)
  assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(header, trie.root)])).log, "")
  chain.until(9n)
  const valid = trie.prove(chain.path(header))
  const proof = prove?.(valid, chain, header) ?? valid
  assert.strictEqual(chain.deliver(chain.tx([chain.proofMessage(header, proof)])).log, "")
  const [event] = eventsTagged(chain.cell.block(10n)!, "ProofValidityChecked")
  assert.strictEqual(chain.state.proofs.size, 0)
  assert.strictEqual(chain.claims()[0]?.proofValidationStatus, event?.claimProofStatusInt)
  return { reason: event?.failureReason ?? "no event", status: event?.claimProofStatusInt ?? -1 }
}

const valid = { reason: "", status: 1 }
const invalid = (reason: string) => ({ reason, status: 2 })
const strangers = invalid(
  `ring signature in the relay request does not match the expected one for the app ${application.address}: invalid relay request signature`
)

describe("proof validation", () => {
  it("accepts a real proof", () => {
    assert.deepStrictEqual(verdict({}), valid)
  })

  it("refuses the leaf that another path leads to", () => {
    const { reason, status } = verdict({
      prove: (_, chain, header) => mineRelays(header, 3).trie.prove(chain.path(header).map((byte) => byte ^ 0xff))
    })
    assert.strictEqual(status, 2)
    assert.match(
      reason,
      /^the path of the proof provided \([0-9a-f]{64}\) does not match one expected by the onchain protocol \([0-9a-f]{64}\): invalid proof$/
    )
  })

  it("refuses another leaf under the right path", () => {
    const { reason, status } = verdict({
      prove: (proof, _, header) => {
        const compact = Result.getOrThrow(decode(proof))
        const other = mineRelays(header, 3, { salt: "other" }).trie.prove(compact.path)
        const { closestValueHash, closestPath } = Result.getOrThrow(decode(other))
        return encode({ ...compact, closestValueHash, closestPath })
      }
    })
    assert.strictEqual(status, 2)
    assert.match(reason, /: invalid proof$/)
  })

  it("refuses a proof of another trie", () => {
    assert.deepStrictEqual(
      verdict({ prove: (_, chain, header) => mineRelays(header, 4, { salt: "x" }).trie.prove(chain.path(header)) }),
      invalid("invalid closest merkle proof: invalid proof")
    )
  })

  it("refuses a signature by a key outside the ring", () => {
    const stranger = testKey("a stranger")
    assert.deepStrictEqual(
      verdict({ parts: { signer: stranger, ring: [application.publicKey, stranger.publicKey] } }),
      strangers
    )
    assert.deepStrictEqual(
      verdict({ parts: { signer: placeholderKey, ring: [placeholderKey.publicKey, application.publicKey] } }),
      strangers
    )
  })

  it("refuses ring bytes that do not decode, and a ring that does not close", () => {
    const relay = mineRelays(testChain().header(1n), 1).relays[0]!
    const signature = relay.request.meta.signature
    for (const [change, text] of [
      [signature.slice(0, 100), /^error deserializing relay request signature: .*: invalid relay request signature$/],
      [
        signature.map((byte, index) => (index === 20 ? byte ^ 1 : byte)),
        /^invalid relay request signature or bytes: invalid relay request signature$/
      ]
    ] as const) {
      const judged = verdictOfRequestSignature(change)
      assert.match(judged, text)
    }
  })

  it("accepts rings in any order and size, with repeats", () => {
    const ring = [gateway.publicKey, gateway.publicKey, application.publicKey, gateway.publicKey]
    assert.deepStrictEqual(verdict({ parts: { ring } }), valid)
    assert.deepStrictEqual(
      verdict({ parts: { signer: application, ring: [application.publicKey, application.publicKey] } }),
      valid
    )
  })

  it("lets the public placeholder sign for an application without gateways", () => {
    const options = { applications: [{ publicKey: application.publicKey, serviceIds: ["anvil"] }] }
    assert.deepStrictEqual(
      verdict({
        options,
        parts: { signer: placeholderKey, ring: [application.publicKey, placeholderKey.publicKey] }
      }),
      valid
    )
    assert.deepStrictEqual(verdict({ options }), strangers)
  })

  it("counts a gateway that lost its delegation in the session or later", () => {
    assert.deepStrictEqual(
      verdict({ before: (chain) => chain.administer(undelegate(application.address, gateway.address)) }),
      valid
    )
  })

  it("does not count a gateway that lost its delegation before the session", () => {
    const chain = testChain()
    chain.administer(undelegate(application.address, gateway.address))
    chain.until(7n)
    const header = chain.header(7n)
    const { trie } = mineRelays(header, 2)
    chain.until(13n)
    assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(header, trie.root)])).log, "")
    chain.until(15n)
    assert.strictEqual(chain.deliver(chain.tx([chain.proofMessage(header, trie.prove(chain.path(header)))])).log, "")
    assert.strictEqual(eventsTagged(chain.cell.block(16n)!, "ProofValidityChecked")[0]?.failureReason, strangers.reason)
  })

  it("keeps a gateway in the rings one session longer when it unstakes", () => {
    const chain = testChain()
    chain.administer(unstakeGateway(gateway.address))
    chain.until(7n)
    const { pendingUndelegations, delegateeGatewayAddresses } = chain.state.applications.get(application.address)!
    assert.deepStrictEqual(delegateeGatewayAddresses, [])
    assert.deepStrictEqual(pendingUndelegations, [{ sessionEndHeight: 12n, gatewayAddresses: [gateway.address] }])
  })

  it("counts a new delegation at once, for running sessions too", () => {
    const another = testKey("another gateway")
    assert.deepStrictEqual(
      verdict({
        before: (chain) => {
          chain.administer(fund(another.publicKey, 10n ** 9n))
          chain.administer(stakeGateway(another.address, 10n ** 6n))
          chain.administer(delegate(application.address, another.address))
        },
        parts: { signer: another, ring: [application.publicKey, another.publicKey] }
      }),
      valid
    )
  })

  it("refuses a response signed by another supplier, or changed after signing", () => {
    const bad = invalid("invalid signature: invalid relay response")
    assert.deepStrictEqual(
      verdict({
        parts: {
          changeResponse: (response) =>
            withSignature(
              response,
              response.meta.supplierOperatorSignature.map((byte, index) => (index === 3 ? byte ^ 1 : byte))
            )
        }
      }),
      bad
    )
    assert.deepStrictEqual(
      verdict({
        parts: {
          changeResponse: (response) => ({
            ...response,
            relayMinerError: { codespace: "x", code: 1, description: "", message: "" }
          })
        }
      }),
      bad
    )
  })

  it("names a supplier account that is missing or has no key", () => {
    const chain = testChain()
    const header = chain.header(1n)
    const { trie } = mineRelays(header, 2)
    chain.until(7n)
    chain.deliver(chain.tx([chain.claimMessage(header, trie.root)]))
    chain.until(9n)
    const [key = ""] = chain.state.claims.keys()
    const proof = {
      supplierOperatorAddress: supplier.address,
      sessionHeader: header,
      proof: trie.prove(chain.path(header))
    }
    const judge = (accounts: typeof chain.state.accounts) =>
      validateProofs({ ...chain.state, accounts, proofs: new Map([[key, proof]]) }, rememberingVerifiers()).verdicts[0]
        ?.failureReason
    const without = new Map(chain.state.accounts)
    without.delete(supplier.address)
    assert.match(judge(without) ?? "", /: account not found$/)
    const keyless = new Map(chain.state.accounts)
    keyless.set(supplier.address, { ...keyless.get(supplier.address)!, publicKey: undefined })
    assert.match(judge(keyless) ?? "", /: public key not found$/)
  })

  it("lets a later invalid proof turn a validated claim into an invalid one", () => {
    const chain = testChain()
    const header = chain.header(1n)
    const { trie } = mineRelays(header, 3)
    const other = mineRelays(header, 4, { salt: "other" }).trie
    chain.until(7n)
    chain.deliver(chain.tx([chain.claimMessage(header, trie.root)]))
    chain.until(9n)
    const status = () => chain.claims()[0]?.proofValidationStatus
    const send = (proof: Uint8Array) => chain.deliver(chain.tx([chain.proofMessage(header, proof)])).log
    assert.strictEqual(send(trie.prove(chain.path(header))), "")
    assert.strictEqual(status(), 1)
    assert.strictEqual(send(other.prove(chain.path(header))), "")
    assert.strictEqual(status(), 2)
  })
})

/** The chain's words for a request with this ring signature, everything else being right. */
const verdictOfRequestSignature = (signature: Uint8Array): string => {
  const chain = testChain()
  const header = chain.header(1n)
  const { trie } = mineRelays(header, 1)
  chain.until(7n)
  chain.deliver(chain.tx([chain.claimMessage(header, trie.root)]))
  chain.until(9n)
  const [key = ""] = chain.state.claims.keys()
  const compact = Result.getOrThrow(decode(trie.prove(chain.path(header))))
  const relay = Result.getOrThrow(decodeRelay(compact.closestValueHash.slice(0, -16)))
  const leaf = encodeRelay({
    ...relay,
    request: { ...relay.request!, meta: { ...relay.request!.meta, signature } }
  })
  const closestValueHash = new Uint8Array([...leaf, ...compact.closestValueHash.slice(-16)])
  const proof = {
    supplierOperatorAddress: supplier.address,
    sessionHeader: header,
    proof: encode({ ...compact, closestValueHash })
  }
  const { verdicts } = validateProofs({ ...chain.state, proofs: new Map([[key, proof]]) }, rememberingVerifiers())
  return verdicts[0]?.failureReason ?? ""
}
