/** CometBFT's RPC methods over a node. Source: cometbft `rpc/core`. */
import { Result } from "effect"
import { toUtf8 } from "../../../domain/wire/ByteText.ts"
import { txHash } from "../../../domain/tx/UnorderedTx.ts"
import { VALIDATOR_KEY, VALIDATOR_POWER, proposerAddress } from "../BlockHeader.ts"
import type { CommittedBlock } from "../CommittedBlock.ts"
import {
  base64OrNull,
  blockJson,
  eventJson,
  goRfc3339,
  headerJson,
  type Json,
  ownBlockId,
  txResultJson,
  upperHex
} from "./GoJson.ts"
import {
  blockOf,
  checkTx,
  claimedChainId,
  claimedHeight,
  lowestHeight,
  type NodeView,
  transactionOf
} from "./NodeView.ts"
import { abciAnswer, failure, GRPC } from "./QueryFailure.ts"
import { runQuery } from "./QueryRouter.ts"
import { type ArgKinds, type Args, internalError, type RpcError } from "./RpcCall.ts"
import { BROADCAST_PATH } from "./TxMethods.ts"
import { findTxs, type FoundTx, parseQuery } from "./TxQuery.ts"

/** A result, an error, or an answer that is lost. */
export type RpcOutcome = Result.Result<Json, RpcError> | undefined

/** A method: its arguments in order, and what it does. */
export interface RpcMethod {
  readonly args: ArgKinds
  readonly run: (view: NodeView, args: Args) => RpcOutcome
}

const fail = (data: string) => Result.fail(internalError(data))

/** The block of `height`, or of the newest height. */
const blockAt = (view: NodeView, height: Args[string]): Result.Result<CommittedBlock, RpcError> => {
  const latest = view.wire.height()
  const lowest = lowestHeight(view)
  const wanted = typeof height === "bigint" ? height : latest
  if (wanted <= 0n) return fail(`height must be greater than 0, but got ${wanted}`)
  if (wanted > latest) {
    return fail(`height ${wanted} must be less than or equal to the current blockchain height ${latest}`)
  }
  const block = wanted < lowest ? undefined : blockOf(view, wanted)
  return block === undefined
    ? fail(`height ${wanted} is not available, lowest height is ${lowest}`)
    : Result.succeed(block)
}

const status: RpcMethod = {
  args: {},
  run: (view) =>
    Result.gen(function* () {
      const latest = yield* blockAt(view, undefined)
      const earliest = yield* blockAt(view, lowestHeight(view))
      const { sha256 } = view.wire
      return {
        node_info: {
          protocol_version: { p2p: "8", block: "11", app: "0" },
          id: upperHex(proposerAddress(sha256)).toLowerCase(),
          listen_addr: "tcp://0.0.0.0:26656",
          network: claimedChainId(view),
          version: "0.38.19",
          channels: "40202122233038606100",
          moniker: "devnet",
          other: { tx_index: view.wireFaults().txIndexOff ? "off" : "on", rpc_address: "tcp://0.0.0.0:26657" }
        },
        sync_info: {
          latest_block_hash: upperHex(latest.hash),
          latest_app_hash: upperHex(latest.header.appHash),
          latest_block_height: claimedHeight(view, latest.height).toString(),
          latest_block_time: goRfc3339(latest.timeUnixNano),
          earliest_block_hash: upperHex(earliest.hash),
          earliest_app_hash: upperHex(earliest.header.appHash),
          earliest_block_height: earliest.height.toString(),
          earliest_block_time: goRfc3339(earliest.timeUnixNano),
          catching_up: false
        },
        validator_info: validator(view)
      }
    })
}

const validator = (view: NodeView): { readonly [key: string]: Json } => ({
  address: upperHex(proposerAddress(view.wire.sha256)),
  pub_key: { type: "tendermint/PubKeyEd25519", value: Buffer.from(VALIDATOR_KEY).toString("base64") },
  voting_power: VALIDATOR_POWER.toString()
})

const block: RpcMethod = {
  args: { height: "int" },
  run: (view, { height }) =>
    Result.map(blockAt(view, height), (found) => ({ block_id: ownBlockId(view, found), block: blockJson(view, found) }))
}

const header: RpcMethod = {
  args: { height: "int" },
  run: (view, { height }) => Result.map(blockAt(view, height), (found) => ({ header: headerJson(view, found.header) }))
}

const commit: RpcMethod = {
  args: { height: "int" },
  run: (view, { height }) =>
    Result.map(blockAt(view, height), (found) => ({
      signed_header: {
        header: headerJson(view, found.header),
        commit: { height: found.height.toString(), round: 0, block_id: ownBlockId(view, found), signatures: [] }
      },
      canonical: true
    }))
}

/** Blocks of one `blockchain` answer. */
const MAX_METAS = 20n

const blockchain: RpcMethod = {
  args: { minHeight: "int", maxHeight: "int" },
  run: (view, { maxHeight, minHeight }) => {
    const latest = view.wire.height()
    const lowest = lowestHeight(view)
    if ((typeof minHeight === "bigint" && minHeight < 0n) || (typeof maxHeight === "bigint" && maxHeight < 0n)) {
      return fail("heights must be non-negative")
    }
    const most = typeof maxHeight === "bigint" && maxHeight > 0n && maxHeight < latest ? maxHeight : latest
    const asked = typeof minHeight === "bigint" && minHeight > lowest ? minHeight : lowest
    const least = asked > most - MAX_METAS + 1n ? asked : most - MAX_METAS + 1n
    if (least > most) return fail(`min height ${least} can't be greater than max height ${most}`)
    const metas: Array<Json> = []
    for (let height = most; height >= least; height--) {
      const found = blockOf(view, height)
      if (found === undefined) continue
      metas.push({
        block_id: ownBlockId(view, found),
        block_size: found.txs.reduce((size, { bytes }) => size + bytes.length, 600).toString(),
        header: headerJson(view, found.header),
        num_txs: found.txs.length.toString()
      })
    }
    return Result.succeed({ last_height: claimedHeight(view, latest).toString(), block_metas: metas })
  }
}

const blockResults: RpcMethod = {
  args: { height: "int" },
  run: (view, { height }) => {
    const latest = view.wire.height()
    if (typeof height === "bigint" && height > 0n && height <= latest && blockOf(view, height) === undefined) {
      return fail(`could not find results for height #${height}`)
    }
    return Result.map(blockAt(view, height), (found) => ({
      height: found.height.toString(),
      txs_results: found.txs.length === 0 ? null : found.txs.map(txResultJson),
      finalize_block_events: found.endBlockEvents.length === 0 ? null : found.endBlockEvents.map(eventJson),
      validator_updates: null,
      consensus_param_updates: null,
      app_hash: Buffer.from(found.header.appHash).toString("base64")
    }))
  }
}

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

const abciQuery: RpcMethod = {
  args: { path: "string", data: "hex", height: "int", prove: "bool" },
  run: (view, { data, height, path }) => {
    const name = typeof path === "string" ? path : ""
    const outcome =
      name === BROADCAST_PATH
        ? ({
            _tag: "Failed",
            height: 0n,
            failure: failure(GRPC.invalidArgument, "can't route a broadcast tx message")
          } as const)
        : runQuery(
            view,
            name,
            data instanceof Uint8Array ? data : new Uint8Array(0),
            typeof height === "bigint" ? height : 0n
          )
    if (outcome._tag === "Lost") return undefined
    const failed = outcome._tag === "Failed" ? abciAnswer(outcome.failure) : undefined
    return Result.succeed({
      response: {
        code: failed?.code ?? 0,
        log: failed?.log ?? "",
        info: "",
        index: "0",
        key: null,
        value: outcome._tag === "Answered" ? base64OrNull(outcome.bytes) : null,
        proofOps: null,
        height: (outcome.height === 0n ? 0n : claimedHeight(view, outcome.height)).toString(),
        codespace: failed === undefined ? "" : "sdk"
      }
    })
  }
}

const consensusParamsJson = (view: NodeView): Json => {
  const { maxBytes, maxGas } = view.wire.state().params.block
  return {
    block: { max_bytes: maxBytes.toString(), max_gas: maxGas.toString() },
    evidence: { max_age_num_blocks: "100000", max_age_duration: "172800000000000", max_bytes: "1048576" },
    validator: { pub_key_types: ["ed25519"] },
    version: { app: "0" },
    abci: { vote_extensions_enable_height: "0" }
  }
}

/** Every method by name, but for those of subscriptions. */
export const rpcMethods: ReadonlyMap<string, RpcMethod> = new Map<string, RpcMethod>([
  ["health", { args: {}, run: () => Result.succeed({}) }],
  ["status", status],
  ["block", block],
  ["header", header],
  ["commit", commit],
  ["blockchain", blockchain],
  ["block_results", blockResults],
  ["broadcast_tx_sync", broadcast(true)],
  ["broadcast_tx_async", broadcast(false)],
  ["tx", tx],
  ["tx_search", txSearch],
  ["abci_query", abciQuery],
  [
    "abci_info",
    {
      args: {},
      run: (view) => {
        const state = view.wire.state()
        const appHash = view.wire.block(state.height)?.header.appHash
        return Result.succeed({
          response: {
            data: "relaymill devnet",
            version: "0.1.35",
            last_block_height: claimedHeight(view, state.height).toString(),
            last_block_app_hash: base64OrNull(appHash)
          }
        })
      }
    }
  ],
  [
    "consensus_params",
    {
      args: { height: "int" },
      run: (view, { height }) =>
        Result.map(blockAt(view, height), (found) => ({
          block_height: found.height.toString(),
          consensus_params: consensusParamsJson(view)
        }))
    }
  ],
  [
    "validators",
    {
      args: { height: "int", page: "int", per_page: "int" },
      run: (view, { height }) =>
        Result.map(blockAt(view, height), (found) => ({
          block_height: found.height.toString(),
          validators: [{ ...validator(view), proposer_priority: "0" }],
          count: "1",
          total: "1"
        }))
    }
  ],
  [
    "genesis",
    {
      args: {},
      run: (view) =>
        Result.succeed({
          genesis: {
            genesis_time: "1970-01-01T00:00:00Z",
            chain_id: claimedChainId(view),
            initial_height: view.wire.state().blockHashes.first.toString(),
            consensus_params: consensusParamsJson(view),
            app_hash: "",
            app_state: {}
          }
        })
    }
  ],
  [
    "num_unconfirmed_txs",
    {
      args: {},
      run: (view) => {
        const waiting = view.wire.pending()
        return Result.succeed({
          n_txs: waiting.length.toString(),
          total: waiting.length.toString(),
          total_bytes: waiting.reduce((sum, { bytes }) => sum + bytes.length, 0).toString(),
          txs: null
        })
      }
    }
  ]
])
