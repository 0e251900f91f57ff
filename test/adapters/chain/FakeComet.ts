/**
 * A small CometBFT RPC over real sockets: the documented answers of a chain that tests write block by block, with the ways
 * in which a node misbehaves. Shapes of answers and errors are those of `queries.md` §5, not of our decoders.
 */
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect, Redacted } from "effect"
import { type WebSocket, WebSocketServer } from "ws"

/** A block as the fake stores it. */
export interface FakeBlock {
  readonly height: number
  /** Upper-case hex. */
  readonly hash: string
  readonly parent: string
  readonly time: string
  readonly txs: ReadonlyArray<Uint8Array>
  readonly results: ReadonlyArray<unknown> | null
  readonly events: ReadonlyArray<unknown> | null
}

/** SHA-256 as upper-case hex. */
export const sha = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex").toUpperCase()

/** A chain of blocks; `salt` makes hashes of its own from some height on. */
export class FakeChain {
  readonly blocks: Array<FakeBlock> = []

  static forked(from: FakeChain, height: number): FakeChain {
    const fork = new FakeChain()
    fork.blocks.push(...from.blocks.slice(0, height - 1))
    return fork
  }

  add(parts: Partial<Pick<FakeBlock, "txs" | "results" | "events">> & { readonly salt?: string } = {}): FakeBlock {
    const height = this.blocks.length + 1
    const parent = this.blocks.at(-1)?.hash ?? ""
    const block: FakeBlock = {
      height,
      hash: sha(`${parent}${height}${parts.salt ?? ""}`),
      parent,
      time: `2026-01-01T00:${String(Math.floor(height / 60)).padStart(2, "0")}:${String(height % 60).padStart(2, "0")}.000000001Z`,
      txs: parts.txs ?? [],
      results: parts.results ?? null,
      events: parts.events ?? null
    }
    this.blocks.push(block)
    return block
  }
}

/** Ways in which a node misbehaves; changed while it runs. */
export interface Misbehaviour {
  network: string
  /** Newest height that it shows; undefined: all of its chain. */
  shows: number | undefined
  /** Height that `status` tells instead. */
  says: number | undefined
  /** Height of the state that the application has committed; undefined: that of the newest block. */
  app: number | undefined
  /** Lowest height that it still has. */
  base: number
  isCatchingUp: boolean
  txIndex: "on" | "off"
  /** Refuses WebSocket upgrades. */
  noSocket: boolean
  /** Sends no events on sockets. */
  mute: boolean
  /** Raw body for every POST instead of an answer. */
  raw: { readonly status: number; readonly body: string } | undefined
  /** Id in answers instead of the call's. */
  id: number | undefined
  /** Never answers calls. */
  silent: boolean
  /** Milliseconds that each answer takes. */
  slowMillis: number
  /** Answer to `broadcast_tx_sync`, or a JSON-RPC error. */
  onBroadcast: (tx: Uint8Array) => unknown
  /** Error of `tx`, its data. */
  abci: (path: string, data: string, height: string) => unknown
}

/** A running node. */
export class FakeComet {
  readonly is: Misbehaviour = {
    network: "test",
    shows: undefined,
    says: undefined,
    app: undefined,
    base: 1,
    isCatchingUp: false,
    txIndex: "on",
    noSocket: false,
    mute: false,
    raw: undefined,
    id: undefined,
    silent: false,
    slowMillis: 0,
    onBroadcast: (tx) => ({ code: 0, data: "", log: "", codespace: "", hash: sha(tx) }),
    abci: () => ({ code: 6, log: "unknown query path: unknown request", codespace: "sdk" })
  }
  chain: FakeChain
  readonly calls: Array<string> = []
  readonly requests: Array<{ readonly url: string; readonly authorization: string | undefined }> = []
  readonly broadcasts: Array<Uint8Array> = []
  readonly sockets = new Set<WebSocket>()
  opened = 0
  port = 0
  #server = createServer()
  #sockets = new WebSocketServer({ noServer: true })

  constructor(chain: FakeChain) {
    this.chain = chain
  }

  get url(): Redacted.Redacted {
    return Redacted.make(`http://127.0.0.1:${this.port}`)
  }

  get height(): number {
    return this.is.shows ?? this.chain.blocks.length
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.on("upgrade", (request, socket, head) => {
      // A refused client may reset the connection instead of closing it.
      socket.on("error", () => socket.destroy())
      if (this.is.noSocket || request.url?.split("?")[0]?.endsWith("/websocket") !== true) {
        socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        return
      }
      this.requests.push({ url: request.url, authorization: request.headers.authorization })
      this.#sockets.handleUpgrade(request, socket, head, (client) => this.#listen(client))
    })
    await new Promise<void>((resolve) => this.#server.listen(this.port, "127.0.0.1", resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.terminate()
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  /** Tells subscribers of the newest block. */
  announce(height = this.height): void {
    if (this.is.mute) return
    const block = this.chain.blocks[height - 1]
    const header = block === undefined ? { chain_id: this.is.network, height: `${height}` } : this.#header(block)
    this.send(
      JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        result: {
          query: "tm.event='NewBlockHeader'",
          data: { type: "tendermint/event/NewBlockHeader", value: { header } },
          events: { "tm.event": ["NewBlockHeader"] }
        }
      })
    )
  }

  send(text: string | Uint8Array): void {
    for (const socket of this.sockets) socket.send(text)
  }

  #listen(socket: WebSocket): void {
    socket.on("error", () => {})
    socket.on("close", () => this.sockets.delete(socket))
    socket.on("message", (data) => {
      const { id, method, params } = JSON.parse((data as Buffer).toString()) as {
        id: number
        method: string
        params: { query: string }
      }
      const isRight = method === "subscribe" && params.query === "tm.event='NewBlockHeader'"
      socket.send(
        JSON.stringify(
          isRight
            ? { jsonrpc: "2.0", id, result: {} }
            : { jsonrpc: "2.0", id, error: { code: -32603, message: "Internal error", data: "failed to parse query" } }
        )
      )
      if (!isRight) return
      this.sockets.add(socket)
      this.opened++
    })
  }

  #header(block: FakeBlock) {
    return {
      version: { block: "11" },
      chain_id: this.is.network,
      height: `${block.height}`,
      time: block.time,
      last_block_id: { hash: block.parent, parts: { total: block.parent === "" ? 0 : 1, hash: block.parent } },
      app_hash: "00"
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    this.requests.push({ url: request.url ?? "", authorization: request.headers.authorization })
    const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString()) as {
      id: number
      method: string
      params: Record<string, string>
    }
    this.calls.push(method)
    if (this.is.silent) return
    if (this.is.raw !== undefined) {
      response.writeHead(this.is.raw.status).end(this.is.raw.body)
      return
    }
    if (this.is.slowMillis > 0) await new Promise((resolve) => setTimeout(resolve, this.is.slowMillis))
    const answer = this.#answer(method, params)
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify({ jsonrpc: "2.0", id: this.is.id ?? id, ...answer }))
  }

  #answer(method: string, params: Record<string, string>): { result: unknown } | { error: unknown } {
    const failed = (data: string, code = -32603, message = "Internal error") => ({ error: { code, message, data } })
    const height = Number(params["height"] ?? this.height)
    const block = this.chain.blocks[height - 1]
    if (method === "block" || method === "block_results" || method === "consensus_params") {
      if (height > this.height) {
        return failed(`height ${height} must be less than or equal to the current blockchain height ${this.height}`)
      }
      if (height < this.is.base || block === undefined) {
        return failed(`height ${height} is not available, lowest height is ${this.is.base}`)
      }
    }
    switch (method) {
      case "status":
        return {
          result: {
            node_info: { network: this.is.network, other: { tx_index: this.is.txIndex } },
            sync_info: {
              latest_block_height: `${this.is.says ?? this.height}`,
              earliest_block_height: `${this.is.base}`,
              catching_up: this.is.isCatchingUp
            }
          }
        }
      case "abci_info":
        return {
          result: {
            response: { data: "app", last_block_height: `${this.is.app ?? this.height}`, last_block_app_hash: "AA==" }
          }
        }
      case "blockchain": {
        const max = Math.min(Number(params["maxHeight"]), this.height)
        const min = Math.max(Number(params["minHeight"]), this.is.base, max - 19)
        if (min > max) return failed(`min height ${min} can't be greater than max height ${max}: invalid request`)
        const block_metas = this.chain.blocks
          .slice(min - 1, max)
          .reverse()
          .map((meta) => ({ block_id: { hash: meta.hash }, block_size: "1", header: this.#header(meta), num_txs: "0" }))
        return { result: { last_height: `${this.height}`, block_metas } }
      }
      case "block":
        return {
          result: {
            block_id: { hash: block?.hash },
            block: {
              header: block && this.#header(block),
              data: { txs: block?.txs.map((tx) => Buffer.from(tx).toString("base64")) }
            }
          }
        }
      case "block_results":
        return {
          result: {
            height: `${height}`,
            txs_results: block?.results,
            finalize_block_events: block?.events,
            validator_updates: null,
            app_hash: "AAAA"
          }
        }
      case "consensus_params":
        return {
          result: { block_height: `${height}`, consensus_params: { block: { max_bytes: "22020096", max_gas: "-1" } } }
        }
      case "broadcast_tx_sync": {
        const tx = Buffer.from(params["tx"] ?? "", "base64")
        this.broadcasts.push(tx)
        const answer = this.is.onBroadcast(tx)
        return typeof answer === "string" ? failed(answer) : { result: answer }
      }
      case "tx":
        return this.#tx(params["hash"] ?? "", failed)
      case "abci_query":
        return {
          result: {
            response: {
              code: 0,
              log: "",
              info: "",
              index: "0",
              key: null,
              value: null,
              proofOps: null,
              height: "0",
              codespace: "",
              ...(this.is.abci(params["path"] ?? "", params["data"] ?? "", params["height"] ?? "") as object)
            }
          }
        }
      default:
        return failed("", -32601, "Method not found")
    }
  }

  #tx(hash: string, failed: (data: string) => { error: unknown }) {
    if (this.is.txIndex === "off") return failed("transaction indexing is disabled")
    const wanted = Buffer.from(hash, "base64").toString("hex").toUpperCase()
    for (const block of this.chain.blocks.slice(0, this.height)) {
      const index = block.txs.findIndex((tx) => sha(tx) === wanted)
      if (index < 0) continue
      const tx = Buffer.from(block.txs[index] ?? []).toString("base64")
      return { result: { hash: wanted, height: `${block.height}`, index, tx_result: block.results?.[index], tx } }
    }
    return failed(`tx (${wanted}) not found`)
  }
}

/** A node over `chain`, stopped with the scope. */
export const fakeComet = (chain: FakeChain, is: Partial<Misbehaviour> = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const node = new FakeComet(chain)
      Object.assign(node.is, is)
      await node.start()
      return node
    }),
    (node) => Effect.promise(() => node.stop())
  )

/** A chain of this many blocks. */
export const fakeChain = (length: number): FakeChain => {
  const chain = new FakeChain()
  for (let count = 0; count < length; count++) chain.add()
  return chain
}

/** Waits, in real time, until `condition` holds; dies after ten seconds. */
export const eventually = (what: string, condition: () => boolean | Promise<boolean>): Effect.Effect<void> =>
  Effect.promise(async () => {
    const end = Date.now() + 10_000
    while (!(await condition())) {
      if (Date.now() > end) throw new Error(`did not happen: ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
