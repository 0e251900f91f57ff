/**
 * JSON-RPC 2.0 over HTTP to one CometBFT node. Connections are kept, every body is bounded by its method, and every answer
 * is decoded; the HTTP status says nothing. The URL may hold credentials: it shows in no error and no log.
 */
import { Effect, Option, type Redacted, Schema, type Scope } from "effect"
import { type Dispatcher, Pool } from "undici"
import {
  AbciAnswer,
  AppInfo,
  BlockMetas,
  BroadcastAnswer,
  ConsensusAnswer,
  FoundTx,
  FullBlock,
  NodeStatus,
  RpcError,
  RpcFrame
} from "./CometAnswers.ts"
import { EndpointFailed, type FailureKind } from "./EndpointFailed.ts"
import { type JsonElement, JsonElements, JsonTooLarge } from "./JsonElements.ts"
import { type RpcAddress, rpcAddress } from "./RpcAddress.ts"

/** A call got no answer, or the node refused it. */
export type RpcFailure = RpcError | EndpointFailed

/** Name of a block: what its header says. `parentHash` is empty for the first block. */
export interface BlockHead {
  readonly chainId: string
  readonly height: bigint
  /** 32 bytes. */
  readonly hash: Uint8Array
  readonly parentHash: Uint8Array
  readonly timeUnixNano: bigint
}

/** A block with its transactions, in the order of their results. */
export interface BlockBody {
  readonly head: BlockHead
  readonly txs: ReadonlyArray<Uint8Array>
}

/** What a node said about itself. Heights are 0 while it has no block. */
export interface NodeReport {
  readonly network: string
  readonly height: bigint
  readonly earliestHeight: bigint
  readonly isCatchingUp: boolean
  /** Whether it finds transactions by hash; undefined if it does not say. */
  readonly isIndexing: boolean | undefined
}

/** Answer of `abci_query`; `code` 0 is success. `height` is the height read, 0 if no handler ran. */
export interface AbciReply {
  readonly code: number
  readonly codespace: string
  readonly log: string
  readonly value: Uint8Array
  readonly height: bigint
}

/** Calls to one node. Heights are those of blocks; none of the calls is repeated here. */
export interface CometRpc {
  readonly address: RpcAddress
  readonly status: Effect.Effect<NodeReport, RpcFailure>
  /** Height of the state that can be read, a moment behind that of `status`; longer after a block with much to settle. */
  readonly appHeight: Effect.Effect<bigint, RpcFailure>
  /**
   * Heads of the blocks from `from` to `to`, both inclusive and at most 20, ascending. Those that the node does not have,
   * not yet or no more, are left out.
   */
  readonly heads: (from: bigint, to: bigint) => Effect.Effect<ReadonlyArray<BlockHead>, RpcFailure>
  /** None when the node does not have it, not yet or no more. */
  readonly block: (height: bigint) => Effect.Effect<Option.Option<BlockBody>, RpcFailure>
  /**
   * Hands the elements of the block's results at `paths` to `use`, in order; stops early when `use` returns false. Paths are
   * those of `JsonElements`. False when the node does not have the results.
   */
  readonly blockResults: (
    height: bigint,
    paths: ReadonlyArray<string>,
    use: (element: JsonElement) => boolean
  ) => Effect.Effect<boolean, RpcFailure>
  readonly broadcastTxSync: (txBytes: Uint8Array) => Effect.Effect<BroadcastAnswer, RpcFailure>
  /** A transaction by the hex of its hash; `RpcError` with the node's words if it is not there or not indexed. */
  readonly tx: (txHash: string) => Effect.Effect<FoundTx, RpcFailure>
  /** `path` is a gRPC path, `data` the request, `height` 0 for the latest. */
  readonly abciQuery: (path: string, data: Uint8Array, height: bigint) => Effect.Effect<AbciReply, RpcFailure>
  /** Bytes and gas of a block now; −1 is no limit. */
  readonly consensusParams: Effect.Effect<{ readonly maxBytes: bigint; readonly maxGas: bigint }, RpcFailure>
}

/** How a node is called. */
export interface CometRpcSettings {
  readonly url: Redacted.Redacted
  /** Longest answer of `block_results`, in bytes. */
  readonly maxResultsBytes: number
}

/** Connections to one node; calls above wait for a free one. */
const CONNECTIONS = 16

/** Longest answers in bytes. A block has at most 100 MB by the rules of CometBFT, a third more as base64. */
const SMALL = 1 << 20
const BLOCK = 144 << 20
const ABCI = 64 << 20

/** Longest element of block results: a transaction's result with its events. */
const MAX_ELEMENT = 64 << 20

/** A node that sends nothing for so long is gone; calls have their own deadlines, by the caller's clock. */
const SILENCE_MILLIS = 60_000
const CONNECT_MILLIS = 5_000

/** Characters of a node's text that an error carries. */
const MAX_TEXT = 2_000

/** Connections to the node of `url`, closed with the scope. */
export const makeCometRpc = (settings: CometRpcSettings): Effect.Effect<CometRpc, never, Scope.Scope> =>
  Effect.gen(function* () {
    const address = rpcAddress(settings.url)
    const pool = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Pool(address.origin, {
            connections: CONNECTIONS,
            headersTimeout: SILENCE_MILLIS,
            bodyTimeout: SILENCE_MILLIS,
            connect: { timeout: CONNECT_MILLIS }
          })
      ),
      (open) => Effect.promise(() => open.destroy())
    )
    let lastId = 0

    const failed: Failed = (method, kind, detail, isUndone = false) =>
      new EndpointFailed({
        endpoint: address.name,
        operation: method,
        kind,
        detail: detail.slice(0, MAX_TEXT),
        ...(isUndone ? { isUndone } : {})
      })

    const post = (id: number, method: string, params: unknown, signal: AbortSignal) =>
      pool.request({
        method: "POST",
        path: address.path,
        headers: { "content-type": "application/json", ...address.headers },
        body: JSON.stringify({ jsonrpc: "2.0", id, method, params }),
        signal
      })

    const call = <A>(
      method: string,
      params: Readonly<Record<string, unknown>>,
      schema: Schema.Decoder<A>,
      maxBytes: number
    ): Effect.Effect<A, RpcFailure> =>
      Effect.suspend(() => {
        const id = ++lastId
        return Effect.tryPromise({
          try: async (signal) => {
            const response = await post(id, method, params, signal)
            return { status: response.statusCode, text: await boundedText(response, maxBytes) }
          },
          catch: (cause) => transportFailure(failed, method, cause)
        }).pipe(
          Effect.flatMap(({ status, text }) => {
            const frame = decodeFrame(text)
            if (Option.isNone(frame)) return Effect.fail(noFrame(failed, method, status))
            const { error, result, id: answeredId } = frame.value
            if (error !== undefined) return Effect.fail(refusal(address.name, failed, method, error))
            if (answeredId !== id) {
              return Effect.fail(failed(method, "undecodable", "the answer is to another call: its id differs"))
            }
            return Effect.mapError(Schema.decodeUnknownEffect(schema)(result), (cause) =>
              failed(method, "undecodable", cause.message)
            )
          })
        )
      })

    return {
      address,
      status: Effect.map(call("status", {}, NodeStatus, SMALL), ({ node_info, sync_info }) => ({
        network: node_info.network,
        height: sync_info.latest_block_height,
        earliestHeight: sync_info.earliest_block_height,
        isCatchingUp: sync_info.catching_up,
        isIndexing: node_info.other?.tx_index === undefined ? undefined : node_info.other.tx_index === "on"
      })),
      appHeight: Effect.map(call("abci_info", {}, AppInfo, SMALL), ({ response }) => response.last_block_height ?? 0n),
      heads: (from, to) =>
        absentAs(
          Effect.flatMap(
            call("blockchain", { minHeight: `${from}`, maxHeight: `${to}` }, BlockMetas, SMALL),
            ({ block_metas }) => {
              const heads = (block_metas ?? []).map(({ block_id, header }) => headOf(block_id.hash, header))
              heads.reverse()
              const isAscending = heads.every(
                ({ height }, index) => height === (heads[index - 1]?.height ?? height - 1n) + 1n
              )
              const outside = heads.find(({ height }) => height < from || height > to)
              return isAscending && outside === undefined
                ? Effect.succeed<ReadonlyArray<BlockHead>>(heads)
                : Effect.fail(
                    failed("blockchain", "undecodable", `blocks ${from} to ${to} were asked for, others came`)
                  )
            }
          ),
          []
        ),
      block: (height) =>
        absentAs(
          Effect.flatMap(call("block", { height: `${height}` }, FullBlock, BLOCK), ({ block_id, block }) =>
            block.header.height === height
              ? Effect.succeedSome<BlockBody>({
                  head: headOf(block_id.hash, block.header),
                  txs: block.data.txs ?? []
                })
              : Effect.fail(
                  failed("block", "undecodable", `block ${height} was asked for, ${block.header.height} came`)
                )
          ),
          Option.none()
        ),
      blockResults: (height, paths, use) =>
        absentAs(
          Effect.flatMap(
            Effect.tryPromise({
              try: async (signal) => {
                const response = await post(++lastId, "block_results", { height: `${height}` }, signal)
                return await readElements(response, { height, paths, use, maxBytes: settings.maxResultsBytes })
              },
              catch: (cause) => transportFailure(failed, "block_results", cause)
            }),
            (outcome): Effect.Effect<boolean, RpcFailure> => {
              if (outcome.error !== undefined) {
                const frame = decodeFrame(`{"jsonrpc":"2.0","error":${outcome.error}}`)
                const error = Option.getOrUndefined(frame)?.error
                if (error !== undefined) return Effect.fail(refusal(address.name, failed, "block_results", error))
              }
              return outcome.isWhole
                ? Effect.succeed(true)
                : Effect.fail(noFrame(failed, "block_results", outcome.status))
            }
          ),
          false
        ),
      broadcastTxSync: (txBytes) =>
        call("broadcast_tx_sync", { tx: Buffer.from(txBytes).toString("base64") }, BroadcastAnswer, SMALL),
      tx: (txHash) => call("tx", { hash: Buffer.from(txHash, "hex").toString("base64"), prove: false }, FoundTx, ABCI),
      abciQuery: (path, data, height) =>
        Effect.map(
          call(
            "abci_query",
            { path, data: Buffer.from(data).toString("hex"), height: `${height}`, prove: false },
            AbciAnswer,
            ABCI
          ),
          ({ response }) => ({
            code: response.code,
            codespace: response.codespace ?? "",
            log: response.log ?? "",
            value: response.value ?? new Uint8Array(),
            height: response.height
          })
        ),
      consensusParams: Effect.map(
        call("consensus_params", {}, ConsensusAnswer, SMALL),
        ({ consensus_params: { block } }) => ({ maxBytes: block.max_bytes, maxGas: block.max_gas })
      )
    }
  })

/** Whether the node says that it does not have what was asked for by height: not yet, or no more. */
const isAbsent = (error: RpcError): boolean => ABSENT.some((text) => error.data.includes(text))

// cometbft rpc/core/env.go `getHeight`, rpc/core/blocks.go `filterMinMax`, state/errors.go.
const ABSENT = [
  "must be less than or equal to the current blockchain height",
  "is not available, lowest height is",
  "can't be greater than max height",
  "could not find results for height"
]

const absentAs = <A>(effect: Effect.Effect<A, RpcFailure>, absent: A): Effect.Effect<A, RpcFailure> =>
  Effect.catchIf(
    effect,
    (error): error is RpcError => error instanceof RpcError && isAbsent(error),
    () => Effect.succeed(absent)
  )

const headOf = (
  hash: Uint8Array,
  header: {
    readonly chain_id: string
    readonly height: bigint
    readonly time: bigint
    readonly last_block_id: { readonly hash: Uint8Array | "" }
  }
): BlockHead => ({
  chainId: header.chain_id,
  height: header.height,
  hash,
  parentHash: header.last_block_id.hash === "" ? new Uint8Array() : header.last_block_id.hash,
  timeUnixNano: header.time
})

type Failed = (method: string, kind: FailureKind, detail: string, isUndone?: boolean) => EndpointFailed

const METHOD_UNKNOWN = -32601
const UNPARSED = -32700

const refusal = (
  endpoint: string,
  failed: Failed,
  method: string,
  error: { readonly code: number; readonly message?: string; readonly data?: unknown }
): RpcFailure => {
  const text = (error.message ?? "").slice(0, MAX_TEXT)
  const raw = error.data ?? ""
  const data = (typeof raw === "string" ? raw : JSON.stringify(raw)).slice(0, MAX_TEXT)
  if (error.code === METHOD_UNKNOWN) return failed(method, "unimplemented", `${text} ${data}`)
  if (error.code === UNPARSED) return failed(method, "transport", `${text} ${data}`)
  return new RpcError({ endpoint, method, code: error.code, text, data })
}

/** The answer is no JSON-RPC: something before the node speaks. */
const noFrame = (failed: Failed, method: string, status: number): EndpointFailed =>
  failed(
    method,
    status === 413 || status === 429 || status === 503 ? "overloaded" : "undecodable",
    `HTTP ${status} without a JSON-RPC answer`
  )

const transportFailure = (failed: Failed, method: string, cause: unknown): EndpointFailed => {
  if (cause instanceof AnswerTooLarge || cause instanceof JsonTooLarge) {
    return failed(method, "overloaded", cause.message)
  }
  if (cause instanceof WrongHeight) return failed(method, "undecodable", cause.message)
  return failed(method, "transport", cause instanceof Error ? cause.message : "unknown failure", isUnconnected(cause))
}

/** No connection came about, so nothing was sent. Codes of Node's sockets and of undici. */
const isUnconnected = (cause: unknown): boolean => {
  if (!(cause instanceof Error)) return false
  if ("syscall" in cause && (cause.syscall === "connect" || cause.syscall === "getaddrinfo")) return true
  if (!("code" in cause)) return false
  return cause.code === "ECONNREFUSED" || cause.code === "UND_ERR_CONNECT_TIMEOUT"
}

class AnswerTooLarge extends Error {
  constructor(maxBytes: number) {
    super(`the answer is longer than ${maxBytes} bytes`)
  }
}

class WrongHeight extends Error {}

const decodeFrameText = Schema.decodeUnknownOption(Schema.fromJsonString(RpcFrame))
const decodeFrame = (text: string) => decodeFrameText(text)

/** Bytes that are not UTF-8 become U+FFFD: logs may hold any. */
const boundedText = async ({ body, headers }: Dispatcher.ResponseData, maxBytes: number): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  if (Number(headers["content-length"] ?? 0) > maxBytes) {
    body.destroy()
    throw new AnswerTooLarge(maxBytes)
  }
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > maxBytes) throw new AnswerTooLarge(maxBytes)
    chunks.push(chunk)
  }
  return new TextDecoder().decode(Buffer.concat(chunks, length))
}

interface Reading {
  readonly height: bigint
  readonly paths: ReadonlyArray<string>
  readonly use: (element: JsonElement) => boolean
  readonly maxBytes: number
}

const HEIGHT = "result.height"
const ERROR = "error"

const readElements = async ({ body, statusCode: status }: Dispatcher.ResponseData, reading: Reading) => {
  const reader = new JsonElements([HEIGHT, ERROR, ...reading.paths], MAX_ELEMENT)
  let length = 0
  let sawHeight = false
  let error: string | undefined
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > reading.maxBytes) throw new AnswerTooLarge(reading.maxBytes)
    for (const element of reader.write(chunk)) {
      if (element.path === ERROR) {
        error = new TextDecoder().decode(element.bytes)
      } else if (element.path === HEIGHT) {
        const came = new TextDecoder().decode(element.bytes)
        if (came !== `${reading.height}`) {
          throw new WrongHeight(`results of block ${reading.height} were asked for, those of ${came} came`)
        }
        sawHeight = true
      } else if (!reading.use(element)) {
        return { status, error, isWhole: sawHeight }
      }
    }
  }
  return { status, error, isWhole: sawHeight && reader.ended }
}
