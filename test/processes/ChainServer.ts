/** Serves one node of a simulated chain, and the chain's controls, over loopback HTTP as `ChainWire` says. */
import { createServer, type Server, type ServerResponse } from "node:http"
import { Cause, Context, Effect, Exit, Option, Result, type Scope, Schema, Stream } from "effect"
import { SimChain } from "../../adapters/simchain/SimChain.ts"
import { SimNode } from "../../adapters/simchain/SimNode.ts"
import type { NodeFaults } from "../../adapters/simchain/NodeFaults.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../domain/ports/ChainTx.ts"
import { decodeWire, encodeWire, type WireCall, WireError, type WireReply } from "./ChainWire.ts"

/** How long a question for the next block stays open; the client asks again. */
const LONG_POLL_MILLIS = 2_000

/** Serves on a free loopback port until the scope ends. Returns the base URL. */
export const serveChain: Effect.Effect<
  string,
  never,
  SimChain | SimNode | Blocks | ChainQuery | ChainTx | Scope.Scope
> = Effect.gen(function* () {
  const context = yield* Effect.context<SimChain | SimNode | Blocks | ChainQuery | ChainTx>()
  const run = Effect.runForkWith(context)
  const ports = portsOf(context)
  const server = yield* listening((bytes, response) => {
    // The client is of this checkout and encodes nothing but calls.
    const call = decodeWire(bytes) as WireCall
    run(
      Effect.map(Effect.exit(perform(ports, call)), (exit) => {
        response.end(encodeWire(replyOf(call, exit)))
      })
    )
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
})

type Members = Readonly<Record<string, unknown>>

const portsOf = (
  context: Context.Context<SimChain | SimNode | Blocks | ChainQuery | ChainTx>
): Readonly<Record<WireCall["port"], Members>> => {
  const chain = Context.get(context, SimChain)
  const node = Context.get(context, SimNode)
  const blocks = Context.get(context, Blocks)
  return {
    Blocks: {
      ...blocks,
      /** The newest block above a height, as soon as there is one; none if that takes long. */
      next: (height: bigint) =>
        blocks.changes.pipe(
          Stream.filter((block) => block.height > height),
          Stream.runHead,
          Effect.raceFirst(Effect.as(realPause(LONG_POLL_MILLIS), Option.none()))
        )
    },
    ChainQuery: { ...Context.get(context, ChainQuery) },
    ChainTx: { ...Context.get(context, ChainTx), chainId: Effect.succeed(chain.chainId) },
    Control: {
      produceBlock: Effect.asVoid(chain.produceBlock),
      setHalted: chain.setHalted,
      setFaults: (faults: Partial<NodeFaults>) => node.setFaults(faults)
    }
  }
}

const perform = (
  ports: Readonly<Record<WireCall["port"], Members>>,
  { args, member, port }: WireCall
): Effect.Effect<unknown, unknown> =>
  Effect.suspend(() => {
    const found = ports[port][member]
    const effect: unknown = typeof found === "function" ? found(...args) : found
    return Effect.isEffect(effect)
      ? // Ports need nothing but what they were made with.
        (effect as Effect.Effect<unknown, unknown>)
      : Effect.die(new Error(`no ${port}.${member}`))
  })

const isWireError = Schema.is(Schema.toType(WireError))
const encodeError = Schema.encodeSync(WireError)

const replyOf = (call: WireCall, exit: Exit.Exit<unknown, unknown>): WireReply => {
  if (Exit.isSuccess(exit)) return { value: exit.value }
  const failure = Result.getOrUndefined(Cause.findError(exit.cause))
  if (isWireError(failure)) return { error: encodeError(failure) }
  throw new Error(`${call.port}.${call.member} broke`, { cause: Cause.squash(exit.cause) })
}

/** A pause of the machine's clock, also where the runtime's clock stands still. */
const realPause = (millis: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })

const listening = (
  handle: (bytes: Uint8Array, response: ServerResponse) => void
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => handle(Buffer.concat(chunks), response))
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )
