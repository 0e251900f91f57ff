/**
 * Follows the blocks of one endpoint: its words by WebSocket, its status when the socket is silent or cannot be used, and
 * what it shows of the blocks it names. A height is believed only once its block was read.
 */
import { Clock, Deferred, Duration, Effect, Exit, Option, Queue, Random, Result, Scope } from "effect"
import { monotonicMillisOf } from "../../domain/lifecycle/MonotonicTime.ts"
import type { BlockLedger } from "./BlockLedger.ts"
import type { ChainChoice } from "./ChainChoice.ts"
import type { BlockHead, CometRpc, RpcFailure } from "./CometRpc.ts"
import type { EndpointFault } from "./EndpointHealth.ts"
import { EndpointFailed } from "./EndpointFailed.ts"
import { type AnnouncedHeader, subscribeHeaders } from "./HeaderSubscription.ts"

/** How blocks are followed. */
export interface BlockWatchSettings {
  /** Chain that the endpoints must be of; undefined: the one that they agree on (`ChainChoice`). */
  readonly chainId: string | undefined
  /** How long the socket may be silent until the status is asked for. */
  readonly pollEvery: Duration.Duration
  /** How long an endpoint may show no new block until it counts as stalled and its socket is opened again. */
  readonly stallAfter: Duration.Duration
  /** Longest wait for one answer. */
  readonly callDeadline: Duration.Duration
  /** First and longest pause before a socket is opened again. */
  readonly firstPause: Duration.Duration
  readonly longestPause: Duration.Duration
}

/** What one endpoint is known for. Texts name neither paths nor credentials. */
export interface WatchedEndpoint {
  readonly name: string
  /** Newest height whose block it has shown; 0 before the first. */
  readonly shown: bigint
  /** Last failure while it does not answer. */
  readonly failure: string | undefined
  /** Why its socket is not in use; undefined while headers come. */
  readonly socketFailure: string | undefined
  /** A height that it names without showing its block. */
  readonly unshown: bigint | undefined
  /** Whether it finds transactions by their hash; undefined while it has not said. */
  readonly isIndexing: boolean | undefined
}

/** The running watch of one endpoint. */
export interface BlockWatch {
  readonly state: WatchedEndpoint
  /** Looks at the endpoint at once: somebody says that there is a block at this height. */
  readonly hint: (height: bigint) => void
  /** Looks at the endpoint at once: of which chain it is matters now. */
  readonly ask: () => void
  /** Follows until interrupted. `onFirstLook` runs once, when the endpoint has shown its newest block or failed to. */
  readonly run: (onFirstLook: Effect.Effect<void>) => Effect.Effect<never>
}

/** What a watch tells others. */
export interface BlockWatchSink {
  readonly ledger: BlockLedger
  readonly chain: ChainChoice
  /** What the endpoint's answer, or that there is none, means for the choice of the chain. */
  readonly noteChain: (said: string | undefined) => Effect.Effect<void>
  /** The ledger took a newest block. Called in the same turn. */
  readonly published: () => void
  readonly report: (fault: EndpointFault, detail: string | undefined) => Effect.Effect<void>
}

type Word =
  | { readonly _tag: "Header"; readonly header: AnnouncedHeader }
  | { readonly _tag: "Hint"; readonly height: bigint }
  | { readonly _tag: "Ask" }
  | { readonly _tag: "Ended"; readonly socket: number; readonly failure: EndpointFailed }

/** Words of a socket that wait to be looked at; a height makes lower ones superfluous, so the oldest may be dropped. */
const INBOX = 64

/** Heights that are read one by one after a gap; what is further back is read when somebody asks for it. */
export const BACKFILL_BLOCKS = 100n

/** Blocks of one call: the most that a node gives. */
const PAGE = 20n

/** Blocks behind the newest by which an endpoint counts as lagging. */
const LAG_BLOCKS = 2n

/** Shortest time between two looks that others ask for. */
const HINT_PAUSE_MILLIS = 100

/** The status is asked for at least so often, also while headers come. */
const LOOK_EVERY_MILLIS = 30_000

/** First wait for a block that was named and not shown; it doubles. From the longer one on it is said in the log. */
const UNSHOWN_WAIT = Duration.millis(250)
const UNSHOWN_LONG = Duration.seconds(3)

/** A watch of `client`, known as `name`. Starts nothing. */
export const makeBlockWatch = (
  name: string,
  client: CometRpc,
  settings: BlockWatchSettings,
  sink: BlockWatchSink
): Effect.Effect<BlockWatch> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = () => monotonicMillisOf(clock)
    const inbox = yield* Queue.sliding<Word>(INBOX)
    const { ledger } = sink
    const state: { -readonly [Key in keyof WatchedEndpoint]: WatchedEndpoint[Key] } = {
      name,
      shown: 0n,
      failure: undefined,
      socketFailure: "not opened yet",
      unshown: undefined,
      isIndexing: undefined
    }
    let advancedAt = now()
    let lookedAt = -Infinity
    let sockets = 0
    let isUnshownTold = false

    const withDeadline = <A>(operation: string, call: Effect.Effect<A, RpcFailure>): Effect.Effect<A, EndpointFailed> =>
      Effect.mapError(
        Effect.timeoutOrElse(call, {
          duration: settings.callDeadline,
          orElse: () =>
            Effect.fail(
              new EndpointFailed({
                endpoint: name,
                operation,
                kind: "deadline",
                detail: `no answer within ${Duration.format(settings.callDeadline)}`
              })
            )
        }),
        (error) => asEndpointFailed(name, error)
      )

    /** Whether something of the chain `found` is of the one that is followed. Nothing is while that is not known. */
    const isOfChain = Effect.fnUntraced(function* (found: string) {
      const { chainId } = sink.chain
      if (chainId !== undefined && found !== chainId) yield* sink.report("wrong_chain", wrongChain(chainId, found))
      return found === chainId
    })

    /** Takes the blocks shown, in order; whether they belong to the published chain. */
    const take = Effect.fnUntraced(function* (heads: ReadonlyArray<BlockHead>) {
      for (const head of heads) {
        if (!(yield* isOfChain(head.chainId))) return false
        const offered = ledger.offer(head)
        if (Result.isFailure(offered)) {
          const { detail, height } = offered.failure
          const remedy = "take the wrong node out of pocket_node and start again"
          yield* sink.report("forked", `shows another chain at height ${height}: ${detail}; ${remedy}`)
          return false
        }
        if (offered.success === "newest") sink.published()
        if (head.height > state.shown) {
          state.shown = head.height
          advancedAt = now()
        }
      }
      return true
    })

    /**
     * Reads what the endpoint names as its newest block, and what lies between it and ours. Our newest block is compared as
     * well: an endpoint of another chain is found out even after a long gap.
     */
    const observe = Effect.fnUntraced(function* (named: bigint) {
      if (named < 1n || named <= state.shown) return
      const latest = ledger.latest?.height
      const isFar = latest !== undefined && named - latest >= PAGE
      const from = latest === undefined || named <= latest || isFar ? named : latest
      const page = yield* heads(from, named)
      state.unshown = page.at(-1)?.height === named ? undefined : named
      if (latest !== undefined && isFar) {
        // A node that names too much may still have the next blocks.
        if (!(yield* take(yield* heads(latest, latest + PAGE - 1n)))) return
        if (state.unshown === undefined && !(yield* backfill(max(latest + PAGE, named - BACKFILL_BLOCKS), named)))
          return
      }
      if (!(yield* take(page)) || state.unshown !== undefined) return
      yield* sink.report("wrong_chain", undefined)
      yield* sink.report("forked", undefined)
      yield* sink.report("stalled", undefined)
      if ((ledger.latest?.height ?? 0n) - state.shown <= LAG_BLOCKS) yield* sink.report("lagging", undefined)
    })

    /** Blocks from `first` up to `end`, without it; whether all belong to the published chain. */
    const backfill = Effect.fnUntraced(function* (first: bigint, end: bigint) {
      for (let from = first; from < end; from += PAGE) {
        if (!(yield* take(yield* heads(from, min(from + PAGE, end) - 1n)))) return false
      }
      return true
    })

    const heads = (from: bigint, to: bigint) => withDeadline("blockchain", client.heads(from, to))

    /** Nodes store a block before they run it, and tell its height: it counts once its state can be read. */
    const executed = (stored: bigint) =>
      withDeadline("abci_info", client.appHeight).pipe(
        Effect.map((height) => min(height, stored)),
        Effect.catchIf(
          (failure) => failure.kind === "unimplemented",
          () => Effect.succeed(stored)
        )
      )

    const look = Effect.gen(function* () {
      lookedAt = now()
      const status = yield* withDeadline("status", client.status).pipe(Effect.tapError(() => sink.noteChain(undefined)))
      state.isIndexing = status.isIndexing
      yield* sink.noteChain(status.network)
      if (sink.chain.chainId === undefined) {
        // Others may be asked at this moment, each for as long as one call may take.
        const longest = Duration.times(settings.callDeadline, 2)
        yield* Effect.timeoutOption(Deferred.await(sink.chain.everybodyAsked), longest)
      }
      if (!(yield* isOfChain(status.network))) return
      yield* observe(status.height > state.shown ? yield* executed(status.height) : status.height)
      const latest = ledger.latest?.height ?? 0n
      const behind = latest - max(status.height, state.shown)
      const lag = status.isCatchingUp ? "is catching up" : `is ${behind} blocks behind`
      yield* sink.report("lagging", behind > LAG_BLOCKS || status.isCatchingUp ? lag : undefined)
    })

    const note = <A>(effect: Effect.Effect<A, EndpointFailed>): Effect.Effect<Option.Option<A>> =>
      Effect.matchEffect(effect, {
        onSuccess: (value) => {
          state.failure = undefined
          return Effect.succeedSome(value)
        },
        onFailure: (error) => {
          state.failure = error.message
          return Effect.succeedNone
        }
      })

    const nextWord = (patience: Duration.Duration): Effect.Effect<Option.Option<Word>> =>
      Effect.timeoutOption(Queue.take(inbox), patience)

    const isDue = (height: bigint) => height > (ledger.latest?.height ?? 0n) && now() - lookedAt >= HINT_PAUSE_MILLIS

    /** Waits out a pause, unless somebody knows of a newer block. */
    const pause = Effect.fnUntraced(function* (longest: Duration.Duration) {
      const until = now() + Duration.toMillis(longest) * (0.5 + 0.5 * (yield* Random.next))
      while (true) {
        const left = until - now()
        const word = left > 0 ? yield* nextWord(Duration.millis(left)) : Option.none<Word>()
        if (Option.isNone(word)) return
        if (word.value._tag === "Ask" || (word.value._tag === "Hint" && isDue(word.value.height))) return
      }
    })

    /** Whether no new block came for too long; tells so once for each such time. */
    const isStalled = Effect.suspend(() => {
      if (sink.chain.chainId === undefined) advancedAt = now()
      const still = now() - advancedAt
      if (still <= Duration.toMillis(settings.stallAfter)) return Effect.succeed(false)
      advancedAt = now()
      return Effect.as(sink.report("stalled", `has shown no new block for ${Math.round(still / 1_000)} s`), true)
    })

    /** Says once that a block is named and not shown: when it has been so for longer than a node needs to store it. */
    const tellUnshown = (isLong: boolean) =>
      Effect.suspend(() => {
        if (state.unshown === undefined) isUnshownTold = false
        if (state.unshown === undefined || !isLong || isUnshownTold) return Effect.void
        isUnshownTold = true
        return Effect.annotateLogs(Effect.logWarning(`names height ${state.unshown} and does not show its block`), {
          endpoint: name
        })
      })

    /** Listens to an open socket; returns why it is left. */
    const listen = Effect.fnUntraced(function* (socket: number) {
      let unshownWait = UNSHOWN_WAIT
      let isWordDue = false
      while (true) {
        const patience =
          state.unshown === undefined ? settings.pollEvery : Duration.min(unshownWait, settings.pollEvery)
        const word = yield* nextWord(patience)
        if (Option.isNone(word)) {
          // The status named a block, and the socket has had its time to do so: it is deaf.
          if (isWordDue) return "the socket is silent although there are new blocks"
          const before = state.shown
          yield* note(look)
          isWordDue = state.shown > before && state.unshown === undefined && patience === settings.pollEvery
        } else if (word.value._tag === "Ended") {
          if (word.value.socket === socket) return word.value.failure.message
        } else if (word.value._tag === "Hint") {
          if (isDue(word.value.height)) yield* note(look)
        } else if (word.value._tag === "Ask") {
          yield* note(look)
        } else {
          isWordDue = false
          const { chainId, height } = word.value.header
          if (sink.chain.chainId === undefined) yield* note(look)
          else if (yield* isOfChain(chainId)) yield* note(observe(height))
          else return "headers of another chain"
          // Headers do not say whether it is catching up, or keeps an index.
          if (now() - lookedAt > LOOK_EVERY_MILLIS) yield* note(look)
        }
        unshownWait = state.unshown === undefined ? UNSHOWN_WAIT : Duration.times(unshownWait, 2)
        yield* tellUnshown(Duration.isGreaterThan(unshownWait, UNSHOWN_LONG))
        if (yield* isStalled) return "no new block came"
      }
    })

    const run = (onFirstLook: Effect.Effect<void>): Effect.Effect<never> =>
      Effect.gen(function* () {
        yield* Effect.ensuring(note(look), onFirstLook)
        let wait = settings.firstPause
        while (true) {
          const socket = ++sockets
          const scope = yield* Scope.make()
          const shownBefore = state.shown
          const why = yield* subscribeHeaders({
            address: client.address,
            patience: settings.callDeadline,
            onHeader: (header) => Queue.offerUnsafe(inbox, { _tag: "Header", header }),
            onEnd: (failure) => Queue.offerUnsafe(inbox, { _tag: "Ended", socket, failure })
          }).pipe(
            Scope.provide(scope),
            Effect.andThen(
              Effect.suspend(() => {
                state.socketFailure = undefined
                // Blocks between the last word and the subscription are in no event.
                return note(look)
              })
            ),
            Effect.andThen(listen(socket)),
            Effect.catch((failure) => Effect.succeed(failure.message)),
            Effect.ensuring(Scope.close(scope, Exit.void))
          )
          if (state.socketFailure === undefined) {
            yield* Effect.logDebug("header subscription ended").pipe(
              Effect.annotateLogs({ endpoint: name, reason: why })
            )
          }
          state.socketFailure = why
          wait =
            state.shown > shownBefore
              ? settings.firstPause
              : Duration.min(Duration.times(wait, 2), settings.longestPause)
          yield* pause(Duration.min(wait, settings.pollEvery))
          yield* note(look)
          yield* isStalled
        }
      })

    return {
      state,
      hint: (height) => {
        Queue.offerUnsafe(inbox, { _tag: "Hint", height })
      },
      ask: () => {
        Queue.offerUnsafe(inbox, { _tag: "Ask" })
      },
      run
    }
  })

/** A refusal of a read says as little about what was asked for as silence does. */
export const asEndpointFailed = (endpoint: string, error: RpcFailure): EndpointFailed =>
  error instanceof EndpointFailed
    ? error
    : new EndpointFailed({
        endpoint,
        operation: error.method,
        kind: "internal",
        detail: `${error.text}: ${error.data}`
      })

const wrongChain = (expected: string, found: string) =>
  `is a node of the chain "${found.slice(0, 60)}", not of "${expected}"; correct pocket_node or chain_id`

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
