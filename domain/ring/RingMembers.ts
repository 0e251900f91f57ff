/**
 * Which keys may sign for an application at a session's end, and whether a signature stays within them.
 * The current application record and the live shared parameters decide, as on the chain.
 * Source: poktroll `pkg/crypto/rings/client.go`, `x/application/types/application.go` (GetRingAddresses), `x/shared/types/session.go`.
 */
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js"
import type { Application } from "../chain/Application.ts"
import { addressBytesOf, addressOf } from "../keys/Address.ts"
import { privateKeyFromSecret, publicKeyOf } from "../keys/PrivateKey.ts"
import { bytesToText } from "../wire/ByteText.ts"
import { sessionEnd, type SessionGridParams } from "../session/SessionGrid.ts"
import type { RingSignature } from "./RingSignature.ts"

/** The part of an application record that fixes its ring. */
export type RingApplication = Pick<Application, "address" | "delegateeGatewayAddresses" | "pendingUndelegations">

const placeholderPrivateKey = privateKeyFromSecret(utf8ToBytes("placeholder_ring_key_for_apps_without_gateways"))
const placeholderPublicKey = publicKeyOf(placeholderPrivateKey)

/**
 * Second member of rings without gateways. Its private key is public knowledge, and its "address" is upper-case hex instead of
 * bech32: never ask the chain for an account of it, never decode it.
 */
export const PLACEHOLDER = {
  address: bytesToHex(addressBytesOf(placeholderPublicKey)).toUpperCase(),
  publicKey: placeholderPublicKey,
  privateKey: placeholderPrivateKey
} as const

/**
 * Target height T of a ring: end of the session that `claimedEnd` (the request's session end) lies in on the live grid.
 *
 * T = `claimedEnd` unless the grid was changed since. `params` are the live ones, not those in force at that height.
 */
export const ringHeight = (params: SessionGridParams, claimedEnd: bigint): bigint => sessionEnd(params, claimedEnd)

/**
 * Gateways that count at T, sorted as byte strings: every delegatee, and those whose removal took place in the session ending at
 * T or later. A pending gateway is listed once, and once more if it is a delegatee again.
 */
export const ringGateways = (application: RingApplication, targetHeight: bigint): ReadonlyArray<string> => {
  const pending = new Set<string>()
  for (const { sessionEndHeight, gatewayAddresses } of application.pendingUndelegations) {
    if (sessionEndHeight >= targetHeight) for (const gateway of gatewayAddresses) pending.add(gateway)
  }
  return sortBytes([...application.delegateeGatewayAddresses, ...pending])
}

/** Addresses of the ring at T, sorted as byte strings, with repeats: the gateways that count (or the placeholder) and the application. */
export const ringAddresses = (application: RingApplication, targetHeight: bigint): ReadonlyArray<string> => {
  const gateways = ringGateways(application, targetHeight)
  return sortBytes([...(gateways.length === 0 ? [PLACEHOLDER.address] : gateways), application.address])
}

/** The keys that may appear in a signature. Order and repeats have no meaning. */
export interface RingKeys {
  /** Number of distinct keys, for `memberBound`. */
  readonly size: number
  readonly has: (publicKey: Uint8Array) => boolean
}

/** The set of these 33-byte public keys. */
export const makeRingKeys = (publicKeys: ReadonlyArray<Uint8Array>): RingKeys => {
  const keys = new Set(publicKeys.map((key) => bytesToText(key)))
  return { size: keys.size, has: (publicKey) => keys.has(bytesToText(publicKey)) }
}

/**
 * Index of the first member whose key is not in the ring, -1 if all are.
 *
 * That is the whole comparison: order, size, repeats and the presence of the application do not matter.
 */
export const firstStranger = (signature: RingSignature, ring: RingKeys): number =>
  signature.members.findIndex((member) => !ring.has(member))

/** Whether a public key (33 bytes) belongs to a ring address, the placeholder's included. */
export const keyMatchesAddress = (publicKey: Uint8Array, address: string): boolean =>
  address === PLACEHOLDER.address
    ? String.fromCharCode(...publicKey) === String.fromCharCode(...PLACEHOLDER.publicKey)
    : addressOf(publicKey) === address

/** Byte order: addresses are byte text, so code units are bytes. */
const sortBytes = (texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...texts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
