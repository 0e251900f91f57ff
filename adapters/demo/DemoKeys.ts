/** Keys of the demo's actors, made from a seed: the same seed gives the same addresses. Worth nothing anywhere else. */
import { Redacted } from "effect"
import { addressOf } from "../../domain/keys/Address.ts"
import { privateKeyFromSecret, publicKeyOf } from "../../domain/keys/PrivateKey.ts"
import { fromUtf8, textToBytes } from "../../domain/wire/ByteText.ts"

/** A key pair (32 and 33 bytes) and its bech32 address. */
export interface DemoKey {
  readonly privateKey: Redacted.Redacted<Uint8Array>
  readonly publicKey: Uint8Array
  readonly address: string
}

/** The key of the `index`-th actor of a kind. */
export const demoKey = (seed: string, kind: "supplier" | "application" | "gateway", index: number): DemoKey => {
  const privateKey = privateKeyFromSecret(textToBytes(fromUtf8(`relaymill demo ${seed} ${kind} ${index}`)))
  const publicKey = publicKeyOf(privateKey)
  return { privateKey: Redacted.make(privateKey), publicKey, address: addressOf(publicKey) }
}

/** The first `count` keys of a kind. */
export const demoKeys = (
  seed: string,
  kind: "supplier" | "application" | "gateway",
  count: number
): ReadonlyArray<DemoKey> => Array.from({ length: count }, (_, index) => demoKey(seed, kind, index))
