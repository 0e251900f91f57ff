/**
 * The actors of every simulated network, the same for all seeds so that signatures can be shared between runs: suppliers,
 * gateways, applications and services, with keys from public secrets.
 */
import { Redacted } from "effect"
import { addressOf } from "../../domain/keys/Address.ts"
import { privateKeyFromSecret, publicKeyOf } from "../../domain/keys/PrivateKey.ts"
import { PLACEHOLDER } from "../../domain/ring/RingMembers.ts"
import { textToBytes } from "../../domain/wire/ByteText.ts"

/** Somebody with a key. */
export interface Actor {
  readonly address: string
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** An application and whoever signs for it. */
export interface ApplicationActor extends Actor {
  readonly gateways: ReadonlyArray<Actor>
  /** Public keys that may sign, in the order of its signatures. */
  readonly ring: ReadonlyArray<Uint8Array>
  /** Key that signs its requests. */
  readonly signer: Uint8Array
}

const actor = (secret: string): Actor => {
  const privateKey = privateKeyFromSecret(textToBytes(`relaymill simulation ${secret}`))
  const publicKey = publicKeyOf(privateKey)
  return { address: addressOf(publicKey), privateKey, publicKey }
}

const application = (secret: string, gateways: ReadonlyArray<Actor>): ApplicationActor => {
  const self = actor(secret)
  const [gateway] = gateways
  return {
    ...self,
    gateways,
    ring: gateway === undefined ? [PLACEHOLDER.publicKey, self.publicKey] : [gateway.publicKey, self.publicKey],
    signer: gateway === undefined ? self.privateKey : gateway.privateKey
  }
}

export const suppliers: ReadonlyArray<Actor> = ["supplier 1", "supplier 2", "supplier 3"].map(actor)

export const gateways: ReadonlyArray<Actor> = ["gateway 1", "gateway 2"].map(actor)

/** Somebody without any right here. */
export const stranger: Actor = actor("stranger")

/** The first two delegate to a gateway, the last signs for itself. */
export const applications: ReadonlyArray<ApplicationActor> = [
  application("application 1", gateways.slice(0, 1)),
  application("application 2", gateways.slice(1, 2)),
  application("application 3", [])
]

/** Keys of the first `count` suppliers. */
export const supplierKeys = (count: number): ReadonlyArray<Redacted.Redacted<Uint8Array>> =>
  suppliers.slice(0, count).map(({ privateKey }) => Redacted.make(privateKey))
