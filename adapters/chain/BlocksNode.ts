/**
 * `Blocks` of real nodes. Every endpoint is followed for itself; the first one to show a block publishes it, and no block
 * that contradicts a published one ever is. Works on when sockets, or all endpoints but one, cannot be used.
 */
import { Context, Deferred, Duration, Effect, Layer, Option, PubSub, Stream } from "effect"
import type { ReadinessReason } from "../../domain/lifecycle/Readiness.ts"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { type Block, Blocks, ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { BlockLedger } from "./BlockLedger.ts"
import {
  asEndpointFailed,
  type BlockWatch,
  type BlockWatchSettings,
  makeBlockWatch,
  type WatchedEndpoint
} from "./BlockWatch.ts"
import { ChainChoice } from "./ChainChoice.ts"
import type { BlockHead, CometRpc } from "./CometRpc.ts"
import { EndpointFailed } from "./EndpointFailed.ts"
import { RpcEndpoints } from "./RpcEndpoints.ts"
import { SCANNED_BLOCKS } from "./TxScan.ts"

/** What is known of the nodes beyond the port. */
export class BlockEndpoints extends Context.Service<
  BlockEndpoints,
  {
    /** Somebody announced this block: the nodes are looked at now. The block itself is not believed. */
    readonly hint: (block: Pick<Block, "height">) => Effect.Effect<void>
    /** Reasons for `/ready`. Blocking: no block was seen yet, or no endpoint is of use. */
    readonly reasons: Effect.Effect<ReadonlyArray<ReadinessReason>>
    /** Reasons that concern who sends transactions: nodes that do not find them by their hash. None is blocking. */
    readonly indexReasons: Effect.Effect<ReadonlyArray<ReadinessReason>>
    /** Each endpoint as it is now, in the order of the configuration. */
    readonly endpoints: Effect.Effect<ReadonlyArray<WatchedEndpoint>>
  }
>()("relaymill/adapters/chain/BlockEndpoints") {}

/** Suits a chain with a block every `blockTime`: a status for each block that fails to come, stalled after three. */
export const defaultBlocksSettings = (
  chainId: string | undefined,
  blockTime: Duration.Duration
): BlockWatchSettings => ({
  chainId,
  pollEvery: Duration.max(Duration.min(blockTime, Duration.seconds(10)), Duration.millis(250)),
  stallAfter: Duration.max(Duration.times(blockTime, 3), Duration.seconds(10)),
  callDeadline: Duration.seconds(5),
  firstPause: Duration.seconds(1),
  longestPause: Duration.seconds(15)
})

/** Blocks that a slow reader of `changes` may be behind before it misses some. */
const CHANGES_BUFFER = 16

/**
 * Follows the endpoints until the scope ends. Built as soon as a block was seen, or every endpoint has failed to show one:
 * a process starts while its nodes are away.
 */
export const layer = (settings: BlockWatchSettings): Layer.Layer<Blocks | BlockEndpoints, never, RpcEndpoints> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { endpoints, pool, shown } = yield* RpcEndpoints
      const runSync = Effect.runSyncWith(yield* Effect.context<never>())
      const ledger = new BlockLedger()
      const chain = new ChainChoice(
        endpoints.map(({ name }) => name),
        settings.chainId
      )
      const changes = yield* Effect.acquireRelease(
        PubSub.sliding<Block>({ capacity: CHANGES_BUFFER, replay: 1 }),
        PubSub.shutdown
      )
      const started = yield* Deferred.make<void>()
      const published = () => {
        if (ledger.latest === undefined) return
        shown.newest = ledger.latest.height
        runSync(PubSub.publish(changes, ledger.latest))
        Deferred.doneUnsafe(started, Effect.void)
      }
      /** Takes what an endpoint says of its chain; all are looked at anew at the first word and once the chain is known. */
      const noteChain = Effect.fnUntraced(function* (name: string, said: string | undefined) {
        const isFirst = said !== undefined && chain.chainId === undefined && chain.isUnheard
        const choice = said === undefined ? chain.noteAsked(name) : chain.say(name, said)
        if (choice === "disagreement") for (const { text } of chain.reasons) yield* Effect.logError(text)
        if (choice === "chosen") {
          yield* Effect.annotateLogs(Effect.logInfo("the chain is the one that its nodes name"), {
            chain: chain.chainId
          })
        }
        if (isFirst || choice === "chosen") {
          for (const { ask, state } of watches) if (state.name !== name) ask()
        }
      })
      const watches: ReadonlyArray<BlockWatch> = yield* Effect.forEach(endpoints, ({ client, name }) =>
        makeBlockWatch(name, client, settings, {
          ledger,
          chain,
          noteChain: (said) => noteChain(name, said),
          published,
          report: (fault, detail) => pool.report(name, fault, detail)
        })
      )
      yield* fillGauge("relaymill_chain_blocks", "Blocks kept by height", () => ledger.size)
      yield* fillGauge("relaymill_chain_height", "Height of the newest block that a node has shown", () =>
        Number(ledger.latest?.height ?? 0n)
      )
      let toLook = watches.length
      const onFirstLook = Effect.sync(() => {
        toLook--
        if (toLook === 0) Deferred.doneUnsafe(started, Effect.void)
      })
      for (const watch of watches) yield* Effect.forkScoped(watch.run(onFirstLook))
      yield* Deferred.await(started)

      /** The head at a height from one endpoint, held against what was published. */
      const headAt = Effect.fnUntraced(
        function* (client: CometRpc, name: string, height: bigint) {
          const [head] = yield* client.heads(height, height)
          if (head !== undefined) return Option.some(yield* believed(name, head))
          const latest = ledger.latest
          if (latest === undefined || height > latest.height) return Option.none<Block>()
          const { earliestHeight } = yield* client.status
          if (height < earliestHeight) return Option.none<Block>()
          return yield* disbelieved(name, `does not show block ${height}, which is committed`)
        },
        (effect, _, name) => Effect.mapError(effect, (error) => asEndpointFailed(name, error))
      )

      const believed = (name: string, head: BlockHead): Effect.Effect<Block, EndpointFailed> => {
        if (head.chainId !== chain.chainId) return disbelieved(name, `shows a block of chain ${head.chainId}`)
        const known = ledger.at(head.height)
        // A block above the newest is published by a watch, in order; here it is only shown.
        if (known === undefined && head.height > (ledger.latest?.height ?? 0n)) return Effect.succeed(toBlock(head))
        const offered = ledger.offer(head)
        return offered._tag === "Success"
          ? Effect.succeed(toBlock(head))
          : disbelieved(name, `block ${offered.failure.height}: ${offered.failure.detail}`)
      }

      const at = (height: bigint): Effect.Effect<Option.Option<Block>, ChainUnavailable> =>
        Effect.suspend(() => {
          if (height < 1n) return Effect.succeedNone
          const known = ledger.at(height)
          if (known !== undefined) return Effect.succeedSome(known)
          return pool.find<Block>("blockchain", (client, name) => headAt(client, name, height))
        })

      const blocks = Blocks.of({
        latest: Effect.suspend(() =>
          ledger.latest === undefined
            ? Effect.fail(new ChainUnavailable({ operation: "latest", cause: new Error("no block was seen yet") }))
            : Effect.succeed(ledger.latest)
        ),
        peek: () => ledger.latest,
        at,
        changes: Stream.fromPubSub(changes)
      })
      const about = BlockEndpoints.of({
        hint: ({ height }) => Effect.sync(() => watches.forEach((watch) => watch.hint(height))),
        indexReasons: Effect.sync(() =>
          watches.flatMap(({ state }) => (state.isIndexing === false ? [unindexed(state)] : []))
        ),
        endpoints: Effect.sync(() => watches.map(({ state }) => ({ ...state }))),
        reasons: Effect.map(pool.reasons, (reasons) => [
          ...reasons,
          ...chain.reasons,
          ...reasonsOf(
            watches.map(({ state }) => state),
            ledger.latest !== undefined
          )
        ])
      })
      return Context.make(Blocks, blocks).pipe(Context.add(BlockEndpoints, about))
    })
  )

const toBlock = ({ height, hash, timeUnixNano }: BlockHead): Block => ({ height, hash, timeUnixNano })

const disbelieved = (endpoint: string, detail: string): Effect.Effect<never, EndpointFailed> =>
  Effect.fail(new EndpointFailed({ endpoint, operation: "blockchain", kind: "internal", detail }))

const unindexed = ({ name }: WatchedEndpoint): ReadinessReason => ({
  text:
    `node ${name} keeps no index of transactions: they are looked for in its newest ${SCANNED_BLOCKS} blocks,` +
    " claims and proofs in the chain's state, fees of others are not known; set tx_index.indexer = kv there",
  isBlocking: false
})

const reasonsOf = (states: ReadonlyArray<WatchedEndpoint>, hasBlock: boolean): ReadonlyArray<ReadinessReason> => {
  const reasons: Array<ReadinessReason> = []
  if (!hasBlock) reasons.push({ text: "no block of the chain was seen yet", isBlocking: true })
  const isBlocking = states.every(({ failure }) => failure !== undefined)
  for (const { failure, name, socketFailure, unshown } of states) {
    if (failure !== undefined) reasons.push({ text: `node ${name} shows no blocks: ${failure}`, isBlocking })
    if (unshown !== undefined) {
      reasons.push({ text: `node ${name} names height ${unshown} and does not show its block`, isBlocking: false })
    }
    if (failure === undefined && socketFailure !== undefined) {
      reasons.push({
        text: `node ${name} is asked for blocks again and again: its WebSocket is not in use (${socketFailure})`,
        isBlocking: false
      })
    }
  }
  return reasons
}
