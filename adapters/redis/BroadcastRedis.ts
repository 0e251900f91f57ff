/**
 * `Broadcast` over Redis channels. One connection carries all subscriptions; when it is lost another one is opened, and
 * every listener hears that it may have missed something. The connection is probed, since a dead one is silent too.
 */
import type { Redis } from "ioredis"
import { Deferred, Duration, Effect, Layer, Queue, Stream } from "effect"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { Broadcast, BroadcastUnavailable, type Heard } from "../../domain/ports/Broadcast.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { redisFailure } from "./RedisFailure.ts"
import { makeScript } from "./RedisScript.ts"

/** Words that a slow listener may lag behind before it misses the oldest. */
export const LISTENER_BUFFER = 1_024

/** How often the subscriber's connection is probed. */
const PROBE = Duration.seconds(5)

/** Pause before another connection is opened. */
const PAUSE = Duration.millis(300)

/** A word with its number on its channel: a gap in the numbers is a word that was missed. */
interface Numbered {
  readonly number: number
  readonly word: Heard
}

interface Channel {
  readonly name: string
  readonly listeners: Set<Queue.Queue<Numbered>>
  /** Whether the present connection is subscribed. */
  listening: boolean
  /** Number of the last word. */
  sent: number
}

/** Over `RedisConnections`; takes one connection of the pool. */
export const layer = Layer.effect(
  Broadcast,
  Effect.gen(function* () {
    const connections = yield* RedisConnections
    const { commands, names } = connections
    const scope = yield* Effect.scope
    const channels = new Map<string, Channel>()
    let client: Redis | undefined

    const tell = (channel: Channel, word: Heard) => {
      channel.sent++
      for (const listener of channel.listeners) Queue.offerUnsafe(listener, { number: channel.sent, word })
    }
    const nowListening = (channel: Channel) => {
      if (channel.listening) return
      channel.listening = true
      tell(channel, LISTENING)
    }
    const hear = (name: string, payload: string) => {
      const channel = channels.get(name)
      if (channel === undefined) return
      // The first message may come before the confirmation is handed on.
      nowListening(channel)
      tell(channel, { _tag: "Message", payload })
    }

    const within = <A>(name: string, attempt: () => Promise<A>) =>
      Effect.tryPromise({ try: attempt, catch: (error) => redisFailure(name, error) }).pipe(
        Effect.timeoutOrElse({
          duration: connections.commandTimeout,
          orElse: () => Effect.fail(redisFailure(name, new Error("timed out")))
        })
      )
    const subscribe = (to: Redis, channel: Channel) =>
      Effect.map(
        within("subscribe", () => to.subscribe(channel.name)),
        () => nowListening(channel)
      )

    /** One connection, from its subscriptions to its end. Fails at its end. */
    const session = Effect.scoped(
      Effect.gen(function* () {
        const opened = yield* connections.subscriber
        const ended = yield* Deferred.make<never, void>()
        opened.on("end", () => Deferred.doneUnsafe(ended, Effect.fail(undefined)))
        opened.on("message", hear)
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            client = undefined
            for (const channel of channels.values()) channel.listening = false
          })
        )
        client = opened
        yield* Effect.forEach(channels.values(), (channel) => subscribe(opened, channel), { concurrency: 16 })
        const probe = Effect.andThen(
          Effect.sleep(PROBE),
          within("ping", () => opened.ping())
        )
        return yield* Effect.raceFirst(Deferred.await(ended), Effect.forever(probe))
      })
    )
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.ignore(session), Effect.sleep(PAUSE))))
    yield* fillGauge(
      "relaymill_redis_broadcast_waiting",
      "Messages of other replicas that wait for slow listeners of this process",
      () => {
        let waiting = 0
        for (const { listeners } of channels.values()) for (const each of listeners) waiting += Queue.sizeUnsafe(each)
        return waiting
      }
    )

    const join = (name: string) =>
      Effect.gen(function* () {
        const listener = yield* Queue.sliding<Numbered>(LISTENER_BUFFER)
        const known = channels.get(name)
        const channel = known ?? { name, listeners: new Set(), listening: false, sent: 0 }
        channel.listeners.add(listener)
        channels.set(name, channel)
        const { sent } = channel
        if (channel.listening) Queue.offerUnsafe(listener, { number: sent, word: LISTENING })
        else if (known === undefined && client !== undefined) {
          const to = client
          // Without confirmation the session begins again, with all channels.
          const repair = Effect.catch(subscribe(to, channel), () => Effect.sync(() => to.disconnect()))
          yield* Effect.forkIn(repair, scope)
        }
        return { channel, listener, sent: channel.listening ? sent - 1 : sent }
      })
    const leave = (channel: Channel, listener: Queue.Queue<Numbered>) =>
      Effect.suspend(() => {
        channel.listeners.delete(listener)
        if (channel.listeners.size > 0 || channels.get(channel.name) !== channel) return Effect.void
        channels.delete(channel.name)
        const from = client
        // Words of a channel that nobody listens to are dropped, so a failure costs nothing but them.
        return from === undefined
          ? Effect.void
          : Effect.asVoid(
              Effect.forkIn(Effect.ignore(within("unsubscribe", () => from.unsubscribe(channel.name))), scope)
            )
      })

    const listen = (name: string): Stream.Stream<Heard> =>
      Stream.unwrap(
        Effect.map(
          Effect.acquireRelease(join(names.portName(name)), ({ channel, listener }) => leave(channel, listener)),
          ({ listener, sent }) => {
            let last = sent
            return Stream.fromQueue(listener).pipe(
              Stream.map(({ number, word }): ReadonlyArray<Heard> => {
                const missed = number !== last + 1
                last = number
                return missed && word._tag === "Message" ? [LISTENING, word] : [word]
              }),
              Stream.flattenIterable
            )
          }
        )
      )

    const send = (name: string, payload: string) =>
      names.topology === "cluster"
        ? // By the channel's slot, so that the messages of one sender take one way and stay in order.
          commands.run(publish, [name], [payload])
        : commands.call("publish", name, payload)

    return Broadcast.of({
      publish: (channel, payload) =>
        send(names.portName(channel), payload).pipe(
          Effect.asVoid,
          Effect.mapError((cause) => new BroadcastUnavailable({ channel, cause }))
        ),
      subscribe: (name) =>
        Stream.flatMap(listen(name), (word) => (word._tag === "Message" ? Stream.succeed(word.payload) : Stream.empty)),
      listen
    })
  })
)

const LISTENING: Heard = { _tag: "Listening" }

const publish = makeScript("publish", "return redis.call('PUBLISH', KEYS[1], ARGV[1])")
