/** `Broadcast` over the shared memory stores. A channel exists while somebody listens to it. */
import { Effect, Layer, PubSub, Stream } from "effect"
import { Broadcast } from "../../domain/ports/Broadcast.ts"
import { type MemoryChannel, MemoryStores } from "./MemoryStores.ts"

/** Messages a slow subscriber may lag behind before it misses the oldest. */
export const CHANNEL_BUFFER = 1_024

/** Over `MemoryStores`: replicas that share the stores hear each other. Never fails. */
export const layer = Layer.effect(
  Broadcast,
  Effect.gen(function* () {
    const { channels } = yield* MemoryStores

    const join = Effect.fnUntraced(function* (name: string) {
      const fresh = yield* PubSub.sliding<string>(CHANNEL_BUFFER)
      const channel: MemoryChannel = channels.get(name) ?? { hub: fresh, subscribers: 0 }
      channel.subscribers++
      channels.set(name, channel)
      return channel
    })

    const leave = (name: string, channel: MemoryChannel) =>
      Effect.sync(() => {
        channel.subscribers--
        if (channel.subscribers === 0) channels.delete(name)
      })

    return Broadcast.of({
      publish: (name, payload) =>
        Effect.suspend(() => {
          const channel = channels.get(name)
          return channel === undefined ? Effect.void : Effect.asVoid(PubSub.publish(channel.hub, payload))
        }),
      subscribe: (name) =>
        Stream.unwrap(
          Effect.acquireRelease(join(name), (channel) => leave(name, channel)).pipe(
            Effect.flatMap(({ hub }) => PubSub.subscribe(hub)),
            Effect.map(Stream.fromSubscription)
          )
        )
    })
  })
)
