/** What `ChainQuery` reads of CometBFT RPC and not of state: the events of a block, and what a block can hold. */
import { Effect, Layer, Option, Result, Schema } from "effect"
import { type ChainEvent, decodeEvent } from "../../domain/chain/ChainEvents.ts"
import type { BlockLimits } from "../../domain/protocol/BlockLimits.ts"
import { asEndpointFailed } from "./BlockWatch.ts"
import { BlockReads } from "./ChainQueryNode.ts"
import { ResultEvent } from "./CometAnswers.ts"
import type { CometRpc } from "./CometRpc.ts"
import { EndpointFailed } from "./EndpointFailed.ts"
import { RpcEndpoints } from "./RpcEndpoints.ts"

/** Events of transactions come first in the text as well. */
const EVENTS = ["result.txs_results[].events[]", "result.finalize_block_events[]"]

/** Start of the types that are read; those of other modules are the most, and are not parsed. */
const TYPE = Buffer.from('"pocket.')

/** Malformed events of one block that are logged each. */
const LOGGED = 3

/** Reads over the nodes' RPC. */
export const layer: Layer.Layer<BlockReads, never, RpcEndpoints> = Layer.effect(
  BlockReads,
  Effect.map(RpcEndpoints, (endpoints) => makeBlockReads(endpoints))
)

const makeBlockReads = ({ bodies, pool }: RpcEndpoints["Service"]): BlockReads["Service"] => {
  const eventsOf = (client: CometRpc, endpoint: string, height: bigint) =>
    Effect.gen(function* () {
      const events: Array<ChainEvent> = []
      const malformed: Array<string> = []
      let unreadable: string | undefined
      const isThere = yield* client.blockResults(height, EVENTS, ({ bytes }) => {
        const event = readEvent(bytes)
        if (Result.isFailure(event)) unreadable = event.failure
        else if (event.success === undefined) return true
        else if (Result.isFailure(event.success)) malformed.push(event.success.failure.message)
        else if (event.success.success !== undefined) events.push(event.success.success)
        return unreadable === undefined
      })
      if (unreadable !== undefined) {
        const detail = `an event of block ${height}: ${unreadable}`
        return yield* Effect.fail(
          new EndpointFailed({ endpoint, operation: "block_results", kind: "undecodable", detail })
        )
      }
      // A newer chain's event must not keep those around it from being read, for ever.
      for (const reason of malformed.slice(0, LOGGED)) {
        yield* Effect.logWarning("event of a block was left out: it is not what this version knows").pipe(
          Effect.annotateLogs({ height: `${height}`, reason, malformed: malformed.length })
        )
      }
      return isThere ? Option.some<ReadonlyArray<ChainEvent>>(events) : Option.none<ReadonlyArray<ChainEvent>>()
    }).pipe(Effect.mapError((error) => asEndpointFailed(endpoint, error)))

  return {
    blockEvents: (height) =>
      height < 1n
        ? Effect.succeedNone
        : bodies.find<ReadonlyArray<ChainEvent>>("block_results", (client, name) => eventsOf(client, name, height)),
    blockLimits: pool.run<BlockLimits>("consensus_params", (client, name) =>
      Effect.mapBoth(client.consensusParams, {
        onSuccess: ({ maxBytes, maxGas }) => ({ maxBytes: limitOf(maxBytes), maxGas: limitOf(maxGas) }),
        onFailure: (error) => asEndpointFailed(name, error)
      })
    )
  }
}

/** −1 is no limit. */
const limitOf = (value: bigint): bigint | undefined => (value < 0n ? undefined : value)

const decodeResultEvent = Schema.decodeUnknownResult(Schema.fromJsonString(ResultEvent))

/** The typed event; undefined for one of another module. A failure is text that is no event at all. */
const readEvent = (bytes: Uint8Array): Result.Result<ReturnType<typeof decodeEvent> | undefined, string> => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!buffer.includes(TYPE)) return Result.succeed(undefined)
  const decoded = decodeResultEvent(buffer.toString("utf8"))
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure.message)
  const { attributes, type } = decoded.success
  return Result.succeed(
    decodeEvent({ type, attributes: (attributes ?? []).map(({ key, value }) => ({ key, value: value ?? "" })) })
  )
}
