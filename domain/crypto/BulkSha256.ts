/**
 * The SHA-256 that bulk hashing uses, chosen once where a process is wired: noble's unless a faster one is provided.
 */
import { Context } from "effect"
import { type Sha256, sha256 } from "./Sha256.ts"

/**
 * SHA-256 of tries, relays and requests, given by the layers. Any value agrees with noble's on every input; only speed
 * differs.
 */
export const BulkSha256 = Context.Reference<Sha256>("relaymill/domain/crypto/BulkSha256", {
  defaultValue: () => sha256
})
