/** CometBFT's RPC methods over a node. Source: cometbft `rpc/core`. */
import { Result } from "effect"
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
import { blockOf, claimedChainId, claimedHeight, lowestHeight, type NodeView } from "./NodeView.ts"
import { abciAnswer, failure, GRPC } from "./QueryFailure.ts"
import { runQuery } from "./QueryRouter.ts"
import type { Args, RpcError } from "./RpcCall.ts"
import { fail, type RpcMethod } from "./RpcMethod.ts"
import { rpcTxMethods } from "./RpcTxMethods.ts"
import { BROADCAST_PATH } from "./TxMethods.ts"

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
  ...rpcTxMethods,
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
