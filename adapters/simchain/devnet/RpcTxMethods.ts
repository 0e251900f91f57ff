/** RPC methods of transactions: broadcast and look-ups. Source: cometbft `rpc/core/mempool.go`, `tx.go`. */
import { Result } from "effect"
import { txHash } from "../../../domain/tx/UnorderedTx.ts"
import { toUtf8 } from "../../../domain/wire/ByteText.ts"
import { type Json, txResultJson, upperHex } from "./GoJson.ts"
import { blockOf, checkTx, type NodeView, transactionOf } from "./NodeView.ts"
import { fail, type RpcMethod } from "./RpcMethod.ts"
import { findTxs, type FoundTx, parseQuery } from "./TxQuery.ts"

const broadcast = (isSync: boolean): RpcMethod => ({
  args: { tx: "bytes" },
  run: (view, { tx }) => {
    const bytes = tx instanceof Uint8Array ? tx : new Uint8Array(0)
    const checked = checkTx(view, bytes)
    if (view.wire.losesReply()) return undefined
    const hash = txHash(bytes, view.wire.sha256)
    if (checked !== undefined) {
      if ("text" in checked) return fail(checked.text)
      const poolError = poolErrorOf(view, checked, bytes)
      if (poolError !== undefined) return fail(poolError)
      if (isSync) {
        const { code, codespace, log } = checked
        return Result.succeed({ code, data: "", log: toUtf8(log), codespace, hash })
      }
    }
    return Result.succeed({ code: 0, data: "", log: "", codespace: "", hash })
  }
})

/** Refusals of the pool itself are errors of the call here. */
const poolErrorOf = (
  view: NodeView,
  { code, codespace }: { readonly code: number; readonly codespace: string },
  bytes: Uint8Array
): string | undefined => {
  if (codespace !== "sdk") return undefined
  const { maxTotalBytes, maxTxBytes, maxTxs } = view.wire.limits
  switch (code) {
    case 19:
      return "tx already exists in cache"
    case 20: {
      const waiting = view.wire.pending()
      const total = waiting.reduce((sum, { bytes: each }) => sum + each.length, 0)
      return `mempool is full: number of txs ${waiting.length} (max: ${maxTxs}), total txs bytes ${total} (max: ${maxTotalBytes})`
    }
    case 21:
      return `Tx too large. Max size is ${maxTxBytes}, but got ${bytes.length}`
    default:
      return undefined
  }
}

const txJson = ({ height, index, tx }: FoundTx): Json => ({
  hash: tx.hash,
  height: height.toString(),
  index,
  tx_result: txResultJson(tx),
  tx: Buffer.from(tx.bytes).toString("base64")
})

const tx: RpcMethod = {
  args: { hash: "bytes", prove: "bool" },
  run: (view, { hash }) => {
    if (view.wireFaults().txIndexOff) return fail("transaction indexing is disabled")
    const wanted = hash instanceof Uint8Array ? upperHex(hash) : ""
    const found = transactionOf(view, wanted)
    const index = found && blockOf(view, found.height)?.txs.findIndex((each) => each.hash === wanted)
    return found === undefined || index === undefined
      ? fail(`tx (${wanted}) not found`)
      : Result.succeed(txJson({ height: found.height, index, tx: found.tx }))
  }
}

const txSearch: RpcMethod = {
  args: { query: "string", prove: "bool", page: "int", per_page: "int", order_by: "string" },
  run: (view, { order_by: order, page, per_page: perPage, query }) => {
    if (view.wireFaults().txIndexOff) return fail("transaction indexing is disabled")
    const conditions = typeof query === "string" && query.length <= 512 ? parseQuery(query) : undefined
    if (conditions === undefined) return fail(`failed to parse query: ${String(query)}`)
    if (order !== undefined && order !== "" && order !== "asc" && order !== "desc") {
      return fail("expected order_by to be either `asc` or `desc` or empty")
    }
    const all = findTxs(view, conditions, order === "desc")
    const size = typeof perPage === "bigint" && perPage > 0n ? Math.min(100, Number(perPage)) : 30
    const number = typeof page === "bigint" ? Number(page) : 1
    const pages = Math.max(1, Math.ceil(all.length / size))
    if (number < 1 || number > pages) return fail(`page should be within [1, ${pages}] range, given ${number}`)
    return Result.succeed({
      txs: all.slice((number - 1) * size, number * size).map(txJson),
      total_count: all.length.toString()
    })
  }
}

/** The methods by name. */
export const rpcTxMethods: ReadonlyArray<readonly [string, RpcMethod]> = [
  ["broadcast_tx_sync", broadcast(true)],
  ["broadcast_tx_async", broadcast(false)],
  ["tx", tx],
  ["tx_search", txSearch]
]
