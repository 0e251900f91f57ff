/**
 * The header of a block and its hash, as CometBFT 0.38 computes it: the hash that clients compute from what a node serves
 * is the one that session ids and proof seeds are made of. Fields for which the simulated chain has nothing (votes, state
 * roots) hold values derived from the chain's seed and the block before.
 * Source: cometbft `types/block.go` (`Header.Hash`, `Txs.Hash`), `crypto/merkle`, `types/params.go`.
 */
import { concatBytes, hexToBytes } from "@noble/hashes/utils.js"
import type { Sha256 } from "../../domain/crypto/Sha256.ts"
import { textToBytes } from "../../domain/wire/ByteText.ts"
import { encodeMessage, type ProtoWriter } from "../../domain/wire/ProtoWriter.ts"

/** Block protocol version of CometBFT 0.38. */
export const BLOCK_PROTOCOL = 11n

/** Identity of a block: its hash and that of its parts; both empty before the first block. */
export interface BlockId {
  readonly hash: Uint8Array
  readonly partsTotal: number
  readonly partsHash: Uint8Array
}

/** A header. Hashes have 32 bytes, the proposer's address 20. */
export interface BlockHeader {
  /** Of the block protocol and of the application. */
  readonly version: { readonly block: bigint; readonly app: bigint }
  readonly chainId: string
  readonly height: bigint
  readonly timeUnixNano: bigint
  readonly lastBlockId: BlockId
  readonly lastCommitHash: Uint8Array
  readonly dataHash: Uint8Array
  readonly validatorsHash: Uint8Array
  readonly nextValidatorsHash: Uint8Array
  readonly consensusHash: Uint8Array
  readonly appHash: Uint8Array
  readonly lastResultsHash: Uint8Array
  readonly evidenceHash: Uint8Array
  readonly proposerAddress: Uint8Array
}

/** What a header is made of. */
export interface HeaderInput {
  readonly chainId: string
  readonly seed: string
  readonly height: bigint
  readonly timeUnixNano: bigint
  /** Hash of the block before; empty for the first one. */
  readonly lastHash: Uint8Array
  /** Raw transactions in order. */
  readonly txs: ReadonlyArray<Uint8Array>
  readonly limits: { readonly maxBytes: number; readonly maxGas: bigint }
}

/** Ed25519 key of the one validator: 32 bytes that sign nothing. */
export const VALIDATOR_KEY = textToBytes("relaymill simulated validator 01")

/** Voting power of the one validator. */
export const VALIDATOR_POWER = 1n

/** Consensus address of the one validator, 20 bytes. */
export const proposerAddress = (sha256: Sha256): Uint8Array => sha256(VALIDATOR_KEY).slice(0, 20)

/** The header of a block. */
export const makeHeader = (input: HeaderInput, sha256: Sha256): BlockHeader => {
  const nothing = sha256(new Uint8Array(0))
  const validators = merkleRoot(
    [
      message((writer) => {
        writer.message(1, (key) => key.bytes(1, VALIDATOR_KEY), undefined)
        writer.int(2, VALIDATOR_POWER)
      })
    ],
    sha256
  )
  return {
    version: { block: BLOCK_PROTOCOL, app: 0n },
    chainId: input.chainId,
    height: input.height,
    timeUnixNano: input.timeUnixNano,
    lastBlockId: blockIdOf(input.lastHash, sha256),
    lastCommitHash: input.lastHash.length === 0 ? nothing : sha256(concatBytes(textToBytes("commit/"), input.lastHash)),
    dataHash: merkleRoot(
      input.txs.map((tx) => sha256(tx)),
      sha256
    ),
    validatorsHash: validators,
    nextValidatorsHash: validators,
    consensusHash: sha256(
      message((writer) => {
        writer.int(1, input.limits.maxBytes)
        writer.int(2, input.limits.maxGas)
      })
    ),
    appHash: sha256(concatBytes(textToBytes(`${input.seed}/${input.height}/`), input.lastHash)),
    lastResultsHash: nothing,
    evidenceHash: nothing,
    proposerAddress: proposerAddress(sha256)
  }
}

/** Identity of the block with this hash; of no block for an empty one. */
export const blockIdOf = (hash: Uint8Array, sha256: Sha256): BlockId =>
  hash.length === 0
    ? { hash, partsTotal: 0, partsHash: hash }
    : { hash, partsTotal: 1, partsHash: sha256(concatBytes(textToBytes("parts/"), hash)) }

/** Merkle root over the 14 encoded fields, 32 bytes. */
export const headerHash = (header: BlockHeader, sha256: Sha256): Uint8Array => {
  const { lastBlockId: last, timeUnixNano: time } = header
  return merkleRoot(
    [
      message((writer) => {
        writer.uint(1, header.version.block)
        writer.uint(2, header.version.app)
      }),
      wrapped(textToBytes(header.chainId)),
      message((writer) => writer.int(1, header.height)),
      message((writer) => {
        writer.int(1, time / NANOS)
        writer.int(2, time % NANOS)
      }),
      message((writer) => {
        writer.bytes(1, last.hash)
        writer.message(2, writePartsHeader, last)
      }),
      wrapped(header.lastCommitHash),
      wrapped(header.dataHash),
      wrapped(header.validatorsHash),
      wrapped(header.nextValidatorsHash),
      wrapped(header.consensusHash),
      wrapped(header.appHash),
      wrapped(header.lastResultsHash),
      wrapped(header.evidenceHash),
      wrapped(header.proposerAddress)
    ],
    sha256
  )
}

/** A message of no value but what `write` writes. */
const message = (write: (writer: ProtoWriter) => void): Uint8Array => encodeMessage(write, undefined)

/** A scalar as a message with one field. */
const wrapped = (bytes: Uint8Array): Uint8Array => message((writer) => writer.bytes(1, bytes))

const writePartsHeader = (writer: ProtoWriter, { partsHash, partsTotal }: BlockId): void => {
  writer.uint(1, partsTotal)
  writer.bytes(2, partsHash)
}

/** RFC 6962 root: leaves `00 ‖ x`, nodes `01 ‖ l ‖ r`, split at the largest power of two below the number of leaves. */
export const merkleRoot = (leaves: ReadonlyArray<Uint8Array>, sha256: Sha256): Uint8Array => {
  const [only] = leaves
  if (only === undefined) return sha256(new Uint8Array(0))
  if (leaves.length === 1) return sha256(concatBytes(LEAF, only))
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(concatBytes(NODE, merkleRoot(leaves.slice(0, split), sha256), merkleRoot(leaves.slice(split), sha256)))
}

const NANOS = 1_000_000_000n
const LEAF = hexToBytes("00")
const NODE = hexToBytes("01")
