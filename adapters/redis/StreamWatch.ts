/** The two ways to look for arrivals: one blocking read of many streams, or hints and lengths where slots forbid that. */
import { Duration, Effect, type Scope } from "effect"
import { RedisConnections } from "./RedisConnections.ts"
import { integerOf, itemsOf, textOf } from "./StoreReplies.ts"

/** Longest block of one read: bounds how long a dead connection goes unnoticed. */
const BLOCK = Duration.seconds(5)

/** Streams that become idle within so long share one interruption of the blocking read. */
const GATHER = Duration.millis(10)

/** Pause after a failed read or a lost subscription. */
const RETRY = Duration.millis(200)

/** Pause between looks at the lengths on a cluster. */
const LOOK = Duration.seconds(1)

/** Lengths asked for in one turn. */
const LOOK_CHUNK = 250

/** Streams to look at, with the last id that was read of each. */
export type Watched = ReadonlyMap<string, string>

/** Watches until the scope ends. `arrived` is told of each stream with news; what is returned says that `watched` grew. */
export type Watch = (
  watched: Watched,
  arrived: (stream: string) => void
) => Effect.Effect<() => void, never, RedisConnections | Scope.Scope>

/** Blocks on all streams at once, and is interrupted when another one is to be watched. One server, or sentinels. */
export const watchStreams: Watch = Effect.fnUntraced(function* (watched, arrived) {
  const connections = yield* RedisConnections
  const reading = {
    /** Connection that is blocked now. */
    connection: undefined as string | undefined,
    /** Whether something is to be watched that the present read does not look at. */
    isStale: false,
    /** Wakes those who wait for something to watch. */
    grown: new Set<() => void>()
  }

  /** Completes once `is` holds; looked at each time something more is to be watched. */
  const until = (is: () => boolean) =>
    Effect.callback<void>((resume) => {
      if (is()) return resume(Effect.void)
      const look = () => {
        if (!is()) return
        reading.grown.delete(look)
        resume(Effect.void)
      }
      reading.grown.add(look)
      return Effect.sync(() => void reading.grown.delete(look))
    })

  const unblock = Effect.gen(function* () {
    yield* until(() => reading.isStale)
    yield* Effect.sleep(GATHER)
    // Sent before the read began it does nothing, and is sent again after the next pause.
    if (reading.isStale && reading.connection !== undefined) {
      yield* Effect.ignore(connections.commands.call("client", "unblock", reading.connection))
    }
  })

  const reads = Effect.scoped(
    Effect.gen(function* () {
      const link = yield* connections.blocking("arrivals", BLOCK)
      for (;;) {
        yield* until(() => watched.size > 0)
        const connection = textOf(yield* link.callBytes("client", "id"))
        const streams = [...watched]
        reading.isStale = false
        reading.connection = connection
        const reply = yield* link.callBytes(
          "xread",
          "COUNT",
          1,
          "BLOCK",
          Duration.toMillis(BLOCK),
          "STREAMS",
          ...streams.map(([stream]) => stream),
          ...streams.map(([, lastId]) => lastId)
        )
        reading.connection = undefined
        for (const stream of itemsOf(reply)) arrived(textOf(itemsOf(stream)[0]))
      }
    })
  ).pipe(
    Effect.catch((failure) =>
      Effect.suspend(() => {
        reading.connection = undefined
        // One key of another type fails the read of all: each owner finds out about its own.
        if (failure.kind === "wrongtype") for (const stream of watched.keys()) arrived(stream)
        return Effect.sleep(RETRY)
      })
    )
  )

  yield* Effect.forkScoped(Effect.forever(unblock))
  yield* Effect.forkScoped(Effect.forever(reads))
  return () => {
    reading.isStale = true
    for (const look of reading.grown) look()
  }
})

/** Hints from relayers, and a look at the lengths each second for what nobody hints at. A cluster. */
export const watchLengths: Watch = Effect.fnUntraced(function* (watched, arrived) {
  const connections = yield* RedisConnections
  const { names } = connections

  const hints = Effect.scoped(
    Effect.gen(function* () {
      const client = yield* connections.subscriber
      yield* Effect.callback<void>((resume) => {
        client.on("message", (_channel: string, supplier: string) => {
          for (const stream of [names.relays(supplier), names.stream(supplier)])
            if (watched.has(stream)) arrived(stream)
        })
        client.on("end", () => resume(Effect.void))
        client.subscribe(names.hints).catch(() => resume(Effect.void))
      })
    })
  ).pipe(Effect.ignore, Effect.andThen(Effect.sleep(RETRY)))

  const look = Effect.gen(function* () {
    yield* Effect.sleep(LOOK)
    const streams = [...watched.keys()]
    for (let from = 0; from < streams.length; from += LOOK_CHUNK) {
      yield* Effect.forEach(
        streams.slice(from, from + LOOK_CHUNK),
        (stream) =>
          Effect.map(connections.commands.call("xlen", stream), (length) => {
            if (integerOf(length) > 0 && watched.has(stream)) arrived(stream)
          }).pipe(Effect.ignore),
        { concurrency: "unbounded", discard: true }
      )
    }
  })

  yield* Effect.forkScoped(Effect.forever(hints))
  yield* Effect.forkScoped(Effect.forever(look))
  return () => {}
})
