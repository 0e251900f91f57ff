/**
 * What CometBFT's RPC answers, decoded: 64-bit integers are strings, hashes upper-case hex, byte strings base64 or null,
 * times RFC 3339. Source: cometbft 0.38 `rpc/core/types/responses.go`; `queries.md` §5.
 */
import { Option, Schema, SchemaGetter } from "effect"
import { formatBlockTime, parseBlockTime } from "../../domain/chain/BlockTime.ts"

/** The method ran and failed, or was refused: `data` says why. An answer of the node, not a failure of the endpoint. */
export class RpcError extends Schema.TaggedError<RpcError>()("RpcError", {
  /** Host and port, without credentials. */
  endpoint: Schema.String,
  method: Schema.String,
  /** JSON-RPC code: −32603 failed, −32602 bad params, −32600 too large. */
  code: Schema.Int,
  text: Schema.String,
  data: Schema.String
}) {
  override get message(): string {
    return `${this.endpoint} refused ${this.method} (${this.code} ${this.text}): ${this.data}`
  }
}

const Int64 = Schema.String.check(
  Schema.isPattern(/^-?[0-9]{1,19}$/, { message: "Expected a 64-bit integer as a string" })
).pipe(
  Schema.decodeTo(Schema.BigInt, {
    decode: SchemaGetter.transform((text) => BigInt(text)),
    encode: SchemaGetter.transform((value) => value.toString())
  })
)

const HexHash = Schema.String.check(
  Schema.isPattern(/^[0-9A-Fa-f]{64}$/, { message: "Expected a hash of 64 hex digits" })
).pipe(Schema.decodeTo(Schema.Uint8ArrayFromHex))

/** Hash of the block before; the first block has none. */
const ParentHash = Schema.Union([HexHash, Schema.Literal("")])

const isTime = Schema.makeFilter<string>((text) => Option.isSome(parseBlockTime(text)) || "Expected an RFC 3339 time")
const Time = Schema.String.check(isTime).pipe(
  Schema.decodeTo(Schema.BigInt, {
    decode: SchemaGetter.transform((text) => Option.getOrElse(parseBlockTime(text), () => 0n)),
    encode: SchemaGetter.transform(formatBlockTime)
  })
)

/** `null` stands for empty bytes. */
const Base64 = Schema.NullOr(Schema.Uint8ArrayFromBase64)

/** `status`. Heights are 0 on a node that has no block yet. */
export const NodeStatus = Schema.Struct({
  node_info: Schema.Struct({
    network: Schema.String,
    other: Schema.optionalKey(Schema.Struct({ tx_index: Schema.optionalKey(Schema.String) }))
  }),
  sync_info: Schema.Struct({
    latest_block_height: Int64,
    earliest_block_height: Int64,
    catching_up: Schema.Boolean
  })
})
export type NodeStatus = typeof NodeStatus.Type

/** `abci_info`: height of the state that the application has committed; left out while it is 0. */
export const AppInfo = Schema.Struct({ response: Schema.Struct({ last_block_height: Schema.optionalKey(Int64) }) })

const Header = Schema.Struct({
  chain_id: Schema.String,
  height: Int64,
  time: Time,
  last_block_id: Schema.Struct({ hash: ParentHash })
})

const BlockId = Schema.Struct({ hash: HexHash })

/** `blockchain`: metas of the blocks of a range, newest first. */
export const BlockMetas = Schema.Struct({
  block_metas: Schema.NullOr(Schema.Array(Schema.Struct({ block_id: BlockId, header: Header })))
})

/** `block`. Transactions are base64, in the order of their results. */
export const FullBlock = Schema.Struct({
  block_id: BlockId,
  block: Schema.Struct({
    header: Header,
    data: Schema.Struct({ txs: Schema.NullOr(Schema.Array(Schema.Uint8ArrayFromBase64)) })
  })
})

/** `broadcast_tx_sync`: the answer of CheckTx. */
export const BroadcastAnswer = Schema.Struct({ code: Schema.Int, log: Schema.String, codespace: Schema.String })
export type BroadcastAnswer = typeof BroadcastAnswer.Type

/** Result of a transaction in a block, as `tx` and `block_results` have it. */
export const TxResult = Schema.Struct({
  code: Schema.Int,
  log: Schema.optionalKey(Schema.String),
  codespace: Schema.optionalKey(Schema.String)
})
export type TxResult = typeof TxResult.Type

/** `tx`: a transaction that is in a block. */
export const FoundTx = Schema.Struct({ hash: HexHash, height: Int64, tx_result: TxResult })
export type FoundTx = typeof FoundTx.Type

/** `abci_query`. `height` is the height read, 0 if no handler ran; an empty response message has an empty `value`. */
export const AbciAnswer = Schema.Struct({
  response: Schema.Struct({
    code: Schema.Int,
    log: Schema.optionalKey(Schema.String),
    value: Base64,
    height: Int64,
    codespace: Schema.optionalKey(Schema.String)
  })
})
export type AbciAnswer = typeof AbciAnswer.Type

/** `consensus_params`: bytes and gas of a block; −1 is no limit. */
export const ConsensusAnswer = Schema.Struct({
  consensus_params: Schema.Struct({ block: Schema.Struct({ max_bytes: Int64, max_gas: Int64 }) })
})

/** One event of `block_results`. */
export const ResultEvent = Schema.Struct({
  type: Schema.String,
  attributes: Schema.NullOr(Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.NullOr(Schema.String) })))
})

/** The message of a header subscription: the acknowledgement has an empty result. */
export const HeaderMessage = Schema.Struct({
  id: Schema.optionalKey(Schema.Union([Schema.Int, Schema.String, Schema.Null])),
  result: Schema.optionalKey(
    Schema.Struct({
      data: Schema.optionalKey(
        Schema.Struct({
          value: Schema.Struct({ header: Schema.Struct({ chain_id: Schema.String, height: Int64 }) })
        })
      )
    })
  ),
  error: Schema.optionalKey(
    Schema.Struct({ code: Schema.Int, message: Schema.String, data: Schema.optionalKey(Schema.String) })
  )
})

/** The frame around every answer of a call. */
export const RpcFrame = Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  id: Schema.optionalKey(Schema.Union([Schema.Int, Schema.String, Schema.Null])),
  result: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(
    Schema.Struct({
      code: Schema.Int,
      message: Schema.optionalKey(Schema.String),
      data: Schema.optionalKey(Schema.Unknown)
    })
  )
})
