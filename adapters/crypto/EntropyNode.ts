/** `Entropy` from the operating system. */
import { randomBytes } from "node:crypto"
import { Effect, Layer } from "effect"
import { Entropy } from "../../domain/ports/Entropy.ts"

/** `Entropy` from Node's `randomBytes`, read synchronously. */
export const layer = Layer.succeed(Entropy, {
  bytes: (count) => Effect.sync(() => new Uint8Array(randomBytes(count)))
})
