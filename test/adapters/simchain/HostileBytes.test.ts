/** Bytes of others: nothing throws, and nothing but the real thing is taken. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { validateProofs } from "../../../adapters/simchain/ProofValidation.ts"
import { executeTx } from "../../../adapters/simchain/TxExecution.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { decode } from "../../../domain/smst/GobProof.ts"
import { decodeTx } from "../../../domain/tx/TxDecode.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import { mineRelays, supplier, type TestChain, testChain } from "./TestChain.ts"

/** A number below `bound` that a text decides. */
const drawn = (text: string, bound: number): number =>
  Number(new DataView(sha256(textToBytes(text)).buffer).getBigUint64(0) % BigInt(bound))

const flipped = (bytes: Uint8Array, bit: number): Uint8Array =>
  bytes.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))

/** A chain with a claim of three relays, at the height before the first proof block. */
const claimedChain = () => {
  const chain = testChain()
  const header = chain.header(1n)
  const { trie } = mineRelays(header, 3)
  chain.until(7n)
  assert.strictEqual(chain.deliver(chain.tx([chain.claimMessage(header, trie.root)])).log, "")
  chain.until(9n)
  return { chain, header, proof: trie.prove(chain.path(header)) }
}

const execute = (chain: TestChain, bytes: Uint8Array) =>
  Result.map(decodeTx(bytes), (tx) =>
    executeTx({
      state: chain.state,
      tx,
      byteLength: bytes.length,
      mode: "deliver",
      block: { height: chain.height + 1n, timeUnixNano: chain.state.timeUnixNano + 1n },
      verifiers: chain.cell.options.verifiers,
      minGasPriceScaled: 0n
    })
  )

describe("hostile transactions", () => {
  it("are never taken: one flipped bit anywhere spoils a transaction", () => {
    const { chain, header } = claimedChain()
    const bytes = chain.tx([chain.claimMessage(header, new Uint8Array(48).fill(1))])
    for (let index = 0; index < bytes.length; index++) {
      const changed = flipped(bytes, index * 8 + drawn(`bit ${index}`, 8))
      assert.isDefined(chain.check(changed), `byte ${index}`)
    }
    assert.isUndefined(chain.check(bytes))
  })

  it("of random bytes, or cut off, are refused as undecodable or unsigned", () => {
    const { chain, header } = claimedChain()
    const bytes = chain.tx([chain.claimMessage(header, new Uint8Array(48).fill(1))])
    for (let length = 0; length < bytes.length; length += 3) assert.isDefined(chain.check(bytes.slice(0, length)))
    for (let round = 0; round < 300; round++) {
      const noise = Uint8Array.from({ length: drawn(`length ${round}`, 200) }, (_, at) => drawn(`${round} ${at}`, 256))
      assert.isDefined(chain.check(noise))
    }
  })
})

describe("hostile proofs", () => {
  it("are refused or invalid: a flipped bit leaves no other proof valid", () => {
    const { chain, header, proof } = claimedChain()
    const verifiers = rememberingVerifiers()
    const original = Result.getOrThrow(decode(proof))
    const verdicts = { refused: 0, invalid: 0, same: 0 }
    for (let round = 0; round < 250; round++) {
      const changed = flipped(proof, drawn(`proof ${round}`, proof.length * 8))
      const executed = Result.getOrThrow(execute(chain, chain.tx([chain.proofMessage(header, changed)])))
      if (executed.result.code !== 0) {
        assert.strictEqual(executed.state.proofs.size, 0)
        verdicts.refused++
        continue
      }
      const { failureReason } = validateProofs(executed.state, verifiers).verdicts[0]!
      if (failureReason !== "") verdicts.invalid++
      else {
        // Names and numbers of gob types and the depth prove nothing: the bytes differ, the proven leaf does not.
        const { path, closestPath, closestValueHash } = Result.getOrThrow(decode(changed))
        assert.deepStrictEqual(
          [path, closestPath, closestValueHash],
          [original.path, original.closestPath, original.closestValueHash]
        )
        verdicts.same++
      }
    }
    assert.isAbove(verdicts.refused, 50)
    assert.isAbove(verdicts.invalid, 10)
  })

  it("of random bytes are refused by the handler", () => {
    const { chain, header } = claimedChain()
    for (let round = 0; round < 100; round++) {
      const noise = Uint8Array.from({ length: 1 + drawn(`n ${round}`, 300) }, (_, at) => drawn(`p ${round} ${at}`, 256))
      const executed = Result.getOrThrow(
        execute(chain, chain.tx([chain.proofMessage(header, noise)], { signer: supplier }))
      )
      assert.match(
        executed.result.log,
        /^failed to execute message; message index: 0: rpc error: code = FailedPrecondition desc = /
      )
    }
  })
})
