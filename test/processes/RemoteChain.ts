/**
 * The chain's ports over a simulated chain in another process: each call is one POST with a time-out, errors are those of
 * the ports. Blocks are asked for as they come; a chain that is away is asked again until it is back.
 */
import { Context, Effect, Layer, Option, PubSub, Schedule, Schema, Stream } from "effect"
import { Pool } from "undici"
import type { NodeFaults } from "../../adapters/simchain/NodeFaults.ts"
import { type Block, Blocks, ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../domain/ports/ChainTx.ts"
import { decodeWire, encodeWire, type WireCall, WireError, type WireReply } from "./ChainWire.ts"

/** Longest wait for the answer to a call: the server holds a question for the next block for 2 s. */
const CALL_TIMEOUT_MILLIS = 5_000
const RETRY_MILLIS = 100
const CHANGES_BUFFER = 16

/** Moves the chain, for its tests and for the driver of a scenario. */
export class ChainControl extends Context.Service<
  ChainControl,
  {
    /** Commits one block; returns when this process has seen it. */
    readonly produceBlock: Effect.Effect<void, ChainUnavailable>
    /** Stops and resumes the production of blocks by time. */
    readonly setHalted: (halted: boolean) => Effect.Effect<void, ChainUnavailable>
    readonly setFaults: (faults: Partial<NodeFaults>) => Effect.Effect<void, ChainUnavailable>
  }
>()("relaymill/test/processes/ChainControl") {}

/** Ports and controls of the chain that is served at this base URL; built once a block was seen. */
export const layer = (url: string): Layer.Layer<Blocks | ChainQuery | ChainTx | ChainControl> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const call = yield* makeCall(url)
      const patient = <A>(effect: Effect.Effect<A, ChainUnavailable>): Effect.Effect<A> =>
        Effect.orDie(
          Effect.retry(
            Effect.tapError(effect, () => pause),
            Schedule.forever
          )
        )
      let latest: Block = yield* patient(call<Block>("Blocks", "latest"))
      const changes = yield* Effect.acquireRelease(
        PubSub.sliding<Block>({ capacity: CHANGES_BUFFER, replay: 1 }),
        PubSub.shutdown
      )
      const see = (block: Block) =>
        Effect.suspend(() => {
          if (block.height <= latest.height) return Effect.void
          latest = block
          return PubSub.publish(changes, block)
        })
      yield* PubSub.publish(changes, latest)
      const follow = Effect.suspend(() => patient(call<Option.Option<Block>>("Blocks", "next", latest.height))).pipe(
        Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: see }))
      )
      yield* Effect.forkScoped(Effect.forever(follow))
      const chainId = yield* patient(call<string>("ChainTx", "chainId"))

      const blocks = Blocks.of({
        latest: Effect.sync(() => latest),
        peek: () => latest,
        at: (height) => call("Blocks", "at", height),
        changes: Stream.fromPubSub(changes)
      })
      const query = ChainQuery.of({
        sharedParams: call("ChainQuery", "sharedParams"),
        sharedParamsAt: (height) => call("ChainQuery", "sharedParamsAt", height),
        proofParams: call("ChainQuery", "proofParams"),
        sessionParams: call("ChainQuery", "sessionParams"),
        supplierParams: call("ChainQuery", "supplierParams"),
        tokenomicsParams: call("ChainQuery", "tokenomicsParams"),
        blockLimits: call("ChainQuery", "blockLimits"),
        session: (application, service, height) => call("ChainQuery", "session", application, service, height),
        application: (address) => call("ChainQuery", "application", address),
        supplier: (address) => call("ChainQuery", "supplier", address),
        service: (id) => call("ChainQuery", "service", id),
        account: (address) => call("ChainQuery", "account", address),
        publicKey: (address) => call("ChainQuery", "publicKey", address),
        balance: (address) => call("ChainQuery", "balance", address),
        computeUnitsPerRelayAt: (service, height) => call("ChainQuery", "computeUnitsPerRelayAt", service, height),
        difficultyTargetAt: (service, height) => call("ChainQuery", "difficultyTargetAt", service, height),
        claim: (session, supplier) => call("ChainQuery", "claim", session, supplier),
        claims: (supplier, notBefore) => call("ChainQuery", "claims", supplier, notBefore),
        recentFee: (messageType) => call("ChainQuery", "recentFee", messageType),
        blockEvents: (height) => call("ChainQuery", "blockEvents", height)
      })
      const tx = ChainTx.of({
        chainId,
        simulate: (txBytes) => call("ChainTx", "simulate", txBytes),
        broadcast: (txBytes) => call("ChainTx", "broadcast", txBytes),
        find: (txHash) => call("ChainTx", "find", txHash)
      })
      const control = ChainControl.of({
        produceBlock: Effect.andThen(
          call<void>("Control", "produceBlock"),
          Effect.flatMap(call<Block>("Blocks", "latest"), see)
        ),
        setHalted: (halted) => call("Control", "setHalted", halted),
        setFaults: (faults) => call("Control", "setFaults", faults)
      })
      return Context.make(Blocks, blocks).pipe(
        Context.add(ChainQuery, query),
        Context.add(ChainTx, tx),
        Context.add(ChainControl, control)
      )
    })
  )

const decodeError = Schema.decodeUnknownEffect(WireError)

/**
 * Calls over a pool of connections of their own. The types of value and error are those of the member in the port's
 * declaration: both ends are of one checkout.
 */
const makeCall = (url: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Pool(url, { connections: 32 })),
      (pool) => Effect.promise(() => pool.destroy())
    ),
    (pool) =>
      <A, E = never>(
        port: WireCall["port"],
        member: string,
        ...args: ReadonlyArray<unknown>
      ): Effect.Effect<A, E | ChainUnavailable> =>
        Effect.tryPromise({
          try: async (signal) => {
            const { body } = await pool.request({
              path: "/",
              method: "POST",
              body: encodeWire({ port, member, args } satisfies WireCall),
              signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MILLIS)])
            })
            return decodeWire(await body.bytes()) as WireReply // the server's replies are of this type
          },
          catch: (cause) => new ChainUnavailable({ operation: member, cause })
        }).pipe(
          Effect.flatMap(
            (reply) =>
              "value" in reply
                ? Effect.succeed(reply.value as A) // the type of the port's member
                : Effect.flatMap(Effect.orDie(decodeError(reply.error)), (error) => Effect.fail(error as E)) // its error
          )
        )
  )

/** Real time, also where the runtime's clock stands still. */
const pause = Effect.callback<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), RETRY_MILLIS)
  return Effect.sync(() => clearTimeout(timer))
})
