/** The transaction service of a node: simulation, broadcast and look-ups, from request bytes to answer bytes. */
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf"
import { Result } from "effect"
import { type TxResponseSchema, TxMsgDataSchema } from "../../../domain/chain/proto/cosmos/abci_pb.ts"
import * as TxPb from "../../../domain/chain/proto/cosmos/tx_pb.ts"
import type { RawEvent } from "../../../domain/chain/ChainEvents.ts"
import { txHash } from "../../../domain/tx/UnorderedTx.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import type { BlockTx } from "../CommittedBlock.ts"
import { simulationText } from "../NodeTx.ts"
import { blockOf, checkTx, type NodeView, transactionOf } from "./NodeView.ts"
import { failure, GRPC, type QueryFailure } from "./QueryFailure.ts"
import { goRfc3339 } from "./GoJson.ts"
import { responsesOf, txData } from "./TxData.ts"
import { findTxs, parseQuery } from "./TxQuery.ts"

type Answer = Result.Result<Uint8Array, QueryFailure>

/** Answers one method of the service; `undefined` says that the answer is lost. */
export type TxMethod = (view: NodeView, request: Uint8Array) => Answer | undefined

const encode = <Desc extends DescMessage>(type: Desc, message: MessageInitShape<Desc>): Answer =>
  Result.succeed(toBinary(type, create(type, message)))

const refused = (status: QueryFailure["status"], text: string): Answer => Result.fail(failure(status, text))

const simulate: TxMethod = ({ wire }, bytes) => {
  const { txBytes } = fromBinary(TxPb.SimulateRequestSchema, bytes)
  if (txBytes.length === 0) return refused(GRPC.invalidArgument, "empty txBytes is not allowed")
  const { messages, result } = wire.simulate(txBytes)
  if (result.code !== 0) return refused(GRPC.unknown, simulationText(result.log, result.gasUsed))
  const data = responsesOf(messages.map(({ typeUrl }) => typeUrl))
  return encode(TxPb.SimulateResponseSchema, {
    gasInfo: { gasWanted: 2n ** 64n - 1n, gasUsed: result.gasUsed },
    result: {
      data: toBinary(TxMsgDataSchema, data),
      events: result.events.map(eventMessage),
      msgResponses: data.msgResponses
    }
  })
}

const broadcast: TxMethod = (view, bytes) => {
  const { mode, txBytes } = fromBinary(TxPb.BroadcastTxRequestSchema, bytes)
  if (txBytes.length === 0) return refused(GRPC.invalidArgument, "empty txBytes is not allowed")
  const isSync = mode === TxPb.BroadcastMode.SYNC
  if (!isSync && mode !== TxPb.BroadcastMode.ASYNC) {
    const name = mode === 0 ? "BROADCAST_MODE_UNSPECIFIED" : mode === 1 ? "BROADCAST_MODE_BLOCK" : `${mode}`
    return refused(GRPC.unknown, `unsupported return type ${name}; supported types: sync, async`)
  }
  const checked = checkTx(view, txBytes)
  if (view.wire.losesReply()) return undefined
  const txhash = txHash(txBytes, view.wire.sha256)
  if (!isSync || checked === undefined) return encode(TxPb.BroadcastTxResponseSchema, { txResponse: { txhash } })
  if ("text" in checked) return refused(GRPC.unknown, checked.text)
  const { code, codespace, log } = checked
  return encode(TxPb.BroadcastTxResponseSchema, {
    txResponse: { txhash, codespace, code, rawLog: textToBytes(log) }
  })
}

const getTx: TxMethod = (view, bytes) => {
  const { hash } = fromBinary(TxPb.GetTxRequestSchema, bytes)
  if (hash === "") return refused(GRPC.invalidArgument, "tx hash cannot be empty")
  if (view.wireFaults().txIndexOff) return refused(GRPC.unknown, "transaction indexing is disabled")
  const found = transactionOf(view, hash.toUpperCase())
  if (found === undefined) return refused(GRPC.notFound, `tx not found: ${hash}`)
  return encode(TxPb.GetTxResponseSchema, {
    tx: fromBinary(TxPb.TxSchema, found.tx.bytes),
    txResponse: txResponse(view, found.height, found.tx)
  })
}

const getTxsEvent: TxMethod = (view, bytes) => {
  const { limit, orderBy, page, query } = fromBinary(TxPb.GetTxsEventRequestSchema, bytes)
  if (query === "") return refused(GRPC.internal, "query cannot be empty")
  if (view.wireFaults().txIndexOff) return refused(GRPC.unknown, "transaction indexing is disabled")
  const conditions = parseQuery(query)
  if (conditions === undefined) return refused(GRPC.unknown, `failed to parse query: ${query}`)
  const all = findTxs(view, conditions, orderBy === TxPb.OrderBy.DESC)
  const size = limit === 0n || limit > 100n ? 100 : Number(limit)
  const start = (Math.max(1, Number(page)) - 1) * size
  const found = all.slice(start, start + size)
  return encode(TxPb.GetTxsEventResponseSchema, {
    txs: found.map(({ tx }) => fromBinary(TxPb.TxSchema, tx.bytes)),
    txResponses: found.map(({ height, tx }) => txResponse(view, height, tx)),
    total: BigInt(all.length)
  })
}

/** The service's methods by path. */
export const txMethods: ReadonlyMap<string, TxMethod> = new Map([
  ["/cosmos.tx.v1beta1.Service/Simulate", simulate],
  ["/cosmos.tx.v1beta1.Service/BroadcastTx", broadcast],
  ["/cosmos.tx.v1beta1.Service/GetTx", getTx],
  ["/cosmos.tx.v1beta1.Service/GetTxsEvent", getTxsEvent]
])

/** The path that `abci_query` refuses, since broadcasting is no query. */
export const BROADCAST_PATH = "/cosmos.tx.v1beta1.Service/BroadcastTx"

const eventMessage = ({ attributes, type }: RawEvent) => ({
  type,
  attributes: attributes.map(({ key, value }) => ({ key, value, index: true }))
})

const txResponse = (view: NodeView, height: bigint, tx: BlockTx): MessageInitShape<typeof TxResponseSchema> => {
  const { code, codespace, events, gasUsed, gasWanted, log } = tx.result
  const data = txData(tx)
  return {
    height,
    txhash: tx.hash,
    codespace,
    code,
    data: data === undefined ? "" : Buffer.from(data).toString("hex").toUpperCase(),
    rawLog: textToBytes(log),
    gasWanted,
    gasUsed,
    tx: { typeUrl: "/cosmos.tx.v1beta1.Tx", value: tx.bytes },
    timestamp: goRfc3339(((blockOf(view, height)?.timeUnixNano ?? 0n) / NANOS) * NANOS),
    events: events.map(eventMessage)
  }
}

const NANOS = 1_000_000_000n
