/** `Entropy` from Effect's `Random`: repeatable under a seed. For tests and the simulation only. */
import { Effect, Layer, Random } from "effect"
import { Entropy } from "../../domain/ports/Entropy.ts"

/** Not secure: whoever knows the seed knows the bytes. */
export const layer = Layer.succeed(Entropy, {
  bytes: (count) =>
    Effect.map(Random.Random, (random) => {
      const bytes = new Uint8Array(count)
      for (let i = 0; i < count; i++) bytes[i] = Math.floor(random.nextDoubleUnsafe() * 256)
      return bytes
    })
})
