/** Values as CometBFT writes them in JSON. */
import { bytesToHex } from "@noble/hashes/utils.js"
import type { RawEvent } from "../../../domain/chain/ChainEvents.ts"
import { toUtf8 } from "../../../domain/wire/ByteText.ts"
import { type BlockHeader, type BlockId, blockIdOf } from "../BlockHeader.ts"
import type { BlockTx, CommittedBlock } from "../CommittedBlock.ts"
import { claimedChainId, type NodeView } from "./NodeView.ts"
import { txData } from "./TxData.ts"

/** A JSON value. */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json }

/** RFC 3339 in UTC with as many digits of the fraction as are needed. */
export const goRfc3339 = (unixNano: bigint): string => {
  const base = new Date(Number(unixNano / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  const nanos = (unixNano % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "")
  return `${base}${nanos === "" ? "" : `.${nanos}`}Z`
}

/** Hashes and addresses. */
export const upperHex = (bytes: Uint8Array): string => bytesToHex(bytes).toUpperCase()

/** Byte strings; null when there is none. */
export const base64OrNull = (bytes: Uint8Array | undefined): string | null =>
  bytes === undefined || bytes.length === 0 ? null : Buffer.from(bytes).toString("base64")

/** Identity of a block. */
export const blockIdJson = ({ hash, partsHash, partsTotal }: BlockId): Json => ({
  hash: upperHex(hash),
  parts: { total: partsTotal, hash: upperHex(partsHash) }
})

/** A header, with the chain id that the node claims. */
export const headerJson = (view: NodeView, header: BlockHeader): Json => ({
  version:
    header.version.app === 0n
      ? { block: header.version.block.toString() }
      : { block: header.version.block.toString(), app: header.version.app.toString() },
  chain_id: claimedChainId(view),
  height: header.height.toString(),
  time: goRfc3339(header.timeUnixNano),
  last_block_id: blockIdJson(header.lastBlockId),
  last_commit_hash: upperHex(header.lastCommitHash),
  data_hash: upperHex(header.dataHash),
  validators_hash: upperHex(header.validatorsHash),
  next_validators_hash: upperHex(header.nextValidatorsHash),
  consensus_hash: upperHex(header.consensusHash),
  app_hash: upperHex(header.appHash),
  last_results_hash: upperHex(header.lastResultsHash),
  evidence_hash: upperHex(header.evidenceHash),
  proposer_address: upperHex(header.proposerAddress)
})

/** A block without its identity. */
export const blockJson = (view: NodeView, { header, txs }: CommittedBlock): Json => ({
  header: headerJson(view, header),
  data: { txs: txs.map(({ bytes }) => Buffer.from(bytes).toString("base64")) },
  evidence: { evidence: [] },
  last_commit: commitJson(header)
})

/** The vote of the one validator for the block before; its signature is 64 zero bytes. */
const commitJson = (header: BlockHeader): Json => ({
  height: (header.lastBlockId.hash.length === 0 ? 0n : header.height - 1n).toString(),
  round: 0,
  block_id: blockIdJson(header.lastBlockId),
  signatures:
    header.lastBlockId.hash.length === 0
      ? []
      : [
          {
            block_id_flag: 2,
            validator_address: upperHex(header.proposerAddress),
            timestamp: goRfc3339(header.timeUnixNano),
            signature: Buffer.alloc(64).toString("base64")
          }
        ]
})

/** Identity of a committed block. */
export const ownBlockId = (view: NodeView, { hash }: CommittedBlock): Json =>
  blockIdJson(blockIdOf(hash, view.wire.sha256))

/** An event; values are plain text. */
export const eventJson = ({ attributes, type }: RawEvent): Json => ({
  type,
  attributes: attributes.map(({ key, value }) => ({ key, value, index: true }))
})

/** Result of a transaction in a block. */
export const txResultJson = (tx: BlockTx): Json => ({
  code: tx.result.code,
  data: base64OrNull(txData(tx)),
  log: toUtf8(tx.result.log),
  info: "",
  gas_wanted: tx.result.gasWanted.toString(),
  gas_used: tx.result.gasUsed.toString(),
  events: tx.result.events.map(eventJson),
  codespace: tx.result.codespace
})
