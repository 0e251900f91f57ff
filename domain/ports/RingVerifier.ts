/**
 * Verifies ring signatures. Pure in `domain/ring`, native in `adapters/crypto`; both give the same verdict on every
 * input.
 */
import { Context, type Effect } from "effect"
import type { RingSignature } from "../ring/RingSignature.ts"

/** The costly check of every relay. An adapter may move it off the main thread; the verdict is the same. */
export class RingVerifier extends Context.Service<
  RingVerifier,
  {
    /**
     * Whether the ring equation holds for `message` (32 bytes, the signable hash of the request). Membership of the
     * keys in the application's ring is not its matter. Never fails: hostile points and scalars are `false`.
     */
    readonly verify: (message: Uint8Array, signature: RingSignature) => Effect.Effect<boolean>
  }
>()("relaymill/domain/ports/RingVerifier") {}
