import { assert, describe, it } from "@effect/vitest"
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import { headerHash, merkleRoot } from "../../../adapters/simchain/BlockHeader.ts"
import { hashAt } from "../../../adapters/simchain/ChainState.ts"
import { testChain } from "./TestChain.ts"

/** SHA-256 of a text. */
const sum = (text: string) => sha256(textToBytes(text))

describe("BlockHeader", () => {
  it("hashes CometBFT's own example", () => {
    // cometbft types/block_test.go, TestHeaderHash.
    const hash = headerHash(
      {
        version: { block: 1n, app: 2n },
        chainId: "chainId",
        height: 3n,
        timeUnixNano: BigInt(Date.UTC(2019, 9, 13, 16, 14, 44)) * 1_000_000n,
        lastBlockId: { hash: new Uint8Array(32), partsTotal: 6, partsHash: new Uint8Array(32) },
        lastCommitHash: sum("last_commit_hash"),
        dataHash: sum("data_hash"),
        validatorsHash: sum("validators_hash"),
        nextValidatorsHash: sum("next_validators_hash"),
        consensusHash: sum("consensus_hash"),
        appHash: sum("app_hash"),
        lastResultsHash: sum("last_results_hash"),
        evidenceHash: sum("evidence_hash"),
        proposerAddress: sum("proposer_address").slice(0, 20)
      },
      sha256
    )
    assert.strictEqual(
      bytesToHex(hash).toUpperCase(),
      "F740121F553B5418C3EFBD343C2DBFE9E007BB67B0D020A0741374BAB65242A4"
    )
  })

  it("is what the state keeps and the next header names", () => {
    const chain = testChain()
    for (let count = 0; count < 5; count++) {
      const block = chain.cell.commit(1_800_000_100_123_456_789n + BigInt(count) * 1_000_000_007n)
      assert.deepStrictEqual(block.hash, headerHash(block.header, sha256))
      assert.deepStrictEqual(hashAt(chain.cell.state, block.height), block.hash)
      assert.deepStrictEqual(block.header.lastBlockId.hash, hashAt(chain.cell.state, block.height - 1n))
    }
  })

  it("takes the root of nothing and of seven leaves as RFC 6962 says", () => {
    assert.strictEqual(
      bytesToHex(merkleRoot([], sha256)),
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    // Certificate Transparency's own test vector.
    const leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"].map((hex) => hexToBytes(hex))
    assert.strictEqual(
      bytesToHex(merkleRoot(leaves, sha256)),
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"
    )
  })

  it("differs with the seed, the time and the transactions", () => {
    const { header } = testChain().cell.commit(1_800_000_100_000_000_000n)
    const hash = bytesToHex(headerHash(header, sha256))
    assert.notStrictEqual(hash, bytesToHex(headerHash({ ...header, timeUnixNano: header.timeUnixNano + 1n }, sha256)))
    assert.notStrictEqual(hash, bytesToHex(headerHash({ ...header, dataHash: new Uint8Array(32) }, sha256)))
  })
})
