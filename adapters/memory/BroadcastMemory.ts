/** `Broadcast` over the shared memory stores. */
import { Effect, Layer, PubSub, Stream } from "effect"
import { Broadcast } from "../../domain/ports/Broadcast.ts"
import { MemoryStores } from "./MemoryStores.ts"

export const layer = Layer.effect(
  Broadcast,
  Effect.gen(function* () {
    const { channel } = yield* MemoryStores
    return Broadcast.of({
      publish: (name, payload) => Effect.asVoid(PubSub.publish(channel(name), payload)),
      subscribe: (name) => Stream.fromPubSub(channel(name))
    })
  })
)
