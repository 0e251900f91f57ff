/** `Broadcast` over the shared memory stores. A channel exists while somebody listens to it. */
import { Effect, Layer, PubSub, Stream } from "effect"
import { Broadcast, type Heard } from "../../domain/ports/Broadcast.ts"
import { type MemoryChannel, MemoryStores, type Numbered } from "./MemoryStores.ts"

/** Messages a slow subscriber may lag behind before it misses the oldest. */
export const CHANNEL_BUFFER = 1_024

/** Over `MemoryStores`: replicas that share the stores hear each other. Never fails. */
export const layer = Layer.effect(
  Broadcast,
  Effect.gen(function* () {
    const { channels } = yield* MemoryStores

    const join = Effect.fnUntraced(function* (name: string) {
      const fresh = yield* PubSub.sliding<Numbered>(CHANNEL_BUFFER)
      const channel: MemoryChannel = channels.get(name) ?? { hub: fresh, subscribers: 0, sent: 0 }
      channel.subscribers++
      channels.set(name, channel)
      return channel
    })

    const leave = (name: string, channel: MemoryChannel) =>
      Effect.sync(() => {
        channel.subscribers--
        if (channel.subscribers === 0) channels.delete(name)
      })

    /** From now on; `sent` is the number of the last message before. */
    const messages = (name: string) =>
      Effect.acquireRelease(join(name), (channel) => leave(name, channel)).pipe(
        Effect.flatMap((channel) =>
          Effect.map(PubSub.subscribe(channel.hub), (subscription) => ({
            sent: channel.sent,
            stream: Stream.fromSubscription(subscription)
          }))
        )
      )

    return Broadcast.of({
      publish: (name, payload) =>
        Effect.suspend(() => {
          const channel = channels.get(name)
          if (channel === undefined) return Effect.void
          return Effect.asVoid(PubSub.publish(channel.hub, { number: ++channel.sent, payload }))
        }),
      subscribe: (name) =>
        Stream.unwrap(Effect.map(messages(name), ({ stream }) => Stream.map(stream, ({ payload }) => payload))),
      listen: (name) =>
        Stream.unwrap(
          Effect.map(messages(name), ({ sent, stream }) => {
            let last = sent
            return stream.pipe(
              Stream.map(({ number, payload }): ReadonlyArray<Heard> => {
                const missed = number !== last + 1
                last = number
                const message: Heard = { _tag: "Message", payload }
                return missed ? [LISTENING, message] : [message]
              }),
              Stream.flattenIterable,
              Stream.prepend([LISTENING])
            )
          })
        )
    })
  })
)

const LISTENING: Heard = { _tag: "Listening" }
