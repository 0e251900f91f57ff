/** The one source of random bytes: lease nonces, ring signing, decoys. Seeded in the simulation. */
import { Context, type Effect } from "effect"

/** Random bytes that an attacker cannot guess. Everything else that is random uses Effect's `Random`. */
export class Entropy extends Context.Service<
  Entropy,
  {
    /** `count` fresh bytes from a cryptographically secure source (outside the simulation). */
    readonly bytes: (count: number) => Effect.Effect<Uint8Array>
  }
>()("relaymill/domain/ports/Entropy") {}
