/** The control surface of a devnet: JSON over HTTP, for tests in other processes and for a person with curl. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Effect, Option, Result, Schema, type Scope } from "effect"
import type { CannotListen } from "../../../domain/lifecycle/CannotListen.ts"
import { noFaults, type NodeFaults } from "../NodeFaults.ts"
import type { OperationRefused } from "../Operation.ts"
import type { SimChain } from "../SimChain.ts"
import { commands, Integer } from "./ControlCommands.ts"
import type { DevnetNode } from "./Devnet.ts"
import { makeListener } from "./Listener.ts"
import type { TxJournal } from "./TxJournal.ts"
import { noWireFaults, WireFaults } from "./WireFaults.ts"

/** Longest body of a command. */
const MAX_COMMAND_BYTES = 1_000_000
/** Most blocks of one command. */
const MAX_BLOCKS = 10_000n

interface ControlOptions {
  readonly host: string
  readonly port: number
  readonly chain: SimChain["Service"]
  readonly nodes: ReadonlyArray<DevnetNode>
  readonly journal: TxJournal
}

/** Who asked wrongly, and why. */
class BadCommand extends Schema.TaggedError<BadCommand>()("BadCommand", {
  status: Schema.Int,
  message: Schema.String
}) {}

const optional = Schema.optionalKey
const Refusal = Schema.Union([
  Schema.Struct({ codespace: Schema.String, code: Schema.Int, log: Schema.String }),
  Schema.Struct({ text: Schema.String })
])
const { heightLie: _lie, prunedBelow: _pruned, ...wireFields } = WireFaults.fields

/** Faults of a node and of its sockets in one body. */
const Faults = Schema.Struct({
  lagBlocks: optional(Integer),
  queryLagBlocks: optional(Integer),
  blocksStalled: optional(Schema.Boolean),
  queriesFail: optional(Schema.Boolean),
  txsFail: optional(Schema.Boolean),
  refusals: optional(Schema.Array(Refusal)),
  dropAccepted: optional(Schema.Int),
  dropKeepsCache: optional(Schema.Boolean),
  loseReplies: optional(Schema.Int),
  inclusionDelayBlocks: optional(Integer),
  heightLie: optional(Integer),
  prunedBelow: optional(Integer),
  dropConnections: optional(wireFields.dropConnections),
  wrongChainId: optional(wireFields.wrongChainId),
  outOfGas: optional(wireFields.outOfGas),
  mempoolFull: optional(wireFields.mempoolFull),
  slowMillis: optional(wireFields.slowMillis),
  oversizedBytes: optional(wireFields.oversizedBytes),
  garbage: optional(wireFields.garbage),
  unimplemented: optional(wireFields.unimplemented),
  sharedParams: optional(wireFields.sharedParams),
  txIndexOff: optional(wireFields.txIndexOff)
})

/** Serves until the scope ends; returns the base URL. */
export const startControl = (options: ControlOptions): Effect.Effect<string, CannotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const server = createServer((request, response) => {
      fork(
        Effect.gen(function* () {
          const body = yield* readJson(request)
          return yield* perform(options, request.method ?? "GET", request.url ?? "/", body)
        }).pipe(
          Effect.match({
            onFailure: (error) =>
              write(response, error._tag === "BadCommand" ? error.status : 400, { error: error.message }),
            onSuccess: (answer) => write(response, 200, answer)
          })
        )
      )
    })
    const { port } = yield* makeListener({
      host: options.host,
      port: options.port,
      refuses: () => false,
      take: (socket) => void server.emit("connection", socket)
    })
    return `http://${options.host}:${port}`
  })

type Failure = BadCommand | Schema.SchemaError | OperationRefused | CannotListen

const decode = <S extends Schema.Codec<unknown, unknown>>(schema: S, body: unknown) =>
  Schema.decodeUnknownEffect(schema, { errors: "all", onExcessProperty: "error" })(body)

const perform = (
  { chain, journal, nodes }: ControlOptions,
  method: string,
  url: string,
  body: unknown
): Effect.Effect<unknown, Failure> =>
  Effect.gen(function* () {
    const { pathname } = new URL(url, "http://control")
    if (method === "GET" && pathname === "/") return yield* overview(chain, nodes)
    if (method === "GET" && pathname === "/transactions") return yield* transactions(chain, journal)
    if (method !== "POST") return yield* new BadCommand({ status: 405, message: `${method} is not known; POST` })
    const operation = commands.get(pathname)
    if (operation !== undefined) {
      yield* Effect.flatMap(operation(body), chain.administer)
      return { nextBlock: ((yield* chain.state).height + 1n).toString() }
    }
    if (pathname === "/blocks") {
      const { count = 1n } = yield* decode(Schema.Struct({ count: optional(Integer) }), body)
      if (count > MAX_BLOCKS) return yield* new BadCommand({ status: 400, message: `at most ${MAX_BLOCKS} blocks` })
      yield* chain.produceUntil((yield* chain.state).height + count)
      return { height: (yield* chain.state).height.toString() }
    }
    if (pathname === "/halt") {
      const { halted } = yield* decode(Schema.Struct({ halted: Schema.Boolean }), body)
      yield* chain.setHalted(halted)
      return { halted }
    }
    const [, index, action] = /^\/nodes\/([0-9]{1,3})\/(faults|restart)$/.exec(pathname) ?? []
    const node = nodes[Number(index)]
    if (action === undefined || node === undefined) {
      return yield* new BadCommand({ status: 404, message: `${pathname} is no command of this devnet` })
    }
    if (action === "restart") {
      const { downMillis = 0 } = yield* decode(Schema.Struct({ downMillis: optional(Schema.Natural) }), body)
      yield* node.restart(downMillis)
      return {}
    }
    const given = yield* decode(Faults, body)
    yield* node.node.setFaults(pick(given, Object.keys(noFaults)))
    yield* node.setWireFaults(pick(given, Object.keys(noWireFaults)))
    return {}
  })

/** The members with these names; the schema has checked their types. */
const pick = (given: typeof Faults.Type, names: ReadonlyArray<string>): Partial<NodeFaults> & Partial<WireFaults> =>
  Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name)))

const overview = (chain: SimChain["Service"], nodes: ReadonlyArray<DevnetNode>) =>
  Effect.gen(function* () {
    const state = yield* chain.state
    return {
      chainId: chain.chainId,
      height: state.height.toString(),
      halted: yield* chain.isHalted,
      pending: yield* chain.pending,
      nodes: yield* Effect.forEach(nodes, (node) =>
        Effect.gen(function* () {
          return {
            rpcUrl: node.rpcUrl,
            grpcTarget: node.grpcTarget,
            height: (yield* node.node.height).toString(),
            webSockets: yield* node.webSockets,
            faults: { ...(yield* node.node.faults), ...(yield* node.wireFaults) }
          }
        })
      )
    }
  })

/** The journal, and of each transaction the block that has it. */
const transactions = (chain: SimChain["Service"], journal: TxJournal) =>
  Effect.gen(function* () {
    const { height, modules } = yield* chain.state
    const all = journal.all()
    const landed = new Map<string, { readonly height: bigint; readonly code: number }>()
    for (let at = all[0]?.height ?? height; at <= height; at++) {
      const block = Option.getOrUndefined(yield* chain.block(at))
      for (const { hash, result } of block?.txs ?? []) landed.set(hash, { height: at, code: result.code })
    }
    return {
      feesCollected: modules.feeCollector,
      transactions: all.map((each) => ({ ...each, landed: landed.get(each.hash) ?? null }))
    }
  })

const write = (response: ServerResponse, status: number, answer: unknown): void => {
  const text = JSON.stringify(answer, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value))
  response.writeHead(status, { "content-type": "application/json" }).end(`${text}\n`)
}

/** An empty body is an empty object. */
const readJson = (request: IncomingMessage): Effect.Effect<unknown, BadCommand> =>
  Effect.callback<unknown, BadCommand>((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    const refuse = (message: string) => resume(Effect.fail(new BadCommand({ status: 400, message })))
    request.on("data", (chunk: Buffer) => {
      length += chunk.length
      if (length <= MAX_COMMAND_BYTES) chunks.push(chunk)
    })
    request.on("end", () => {
      if (length > MAX_COMMAND_BYTES) return refuse(`a command has at most ${MAX_COMMAND_BYTES} bytes`)
      const text = Buffer.concat(chunks).toString().trim()
      const parsed = Result.try((): unknown => (text === "" ? {} : JSON.parse(text)))
      if (Result.isFailure(parsed)) refuse("the body is no JSON")
      else resume(Effect.succeed(parsed.success))
    })
    request.on("error", () => refuse("the body was cut"))
  })
