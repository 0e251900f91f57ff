/**
 * Which suppliers serve a session: those whose config of the service is active at the queried height, and of them, when
 * there are more than enough, the ones with the smallest pseudo-random weight. Stake and unstaking play no part.
 */
import { sha3_256 } from "@noble/hashes/sha3.js"
import { concatBytes } from "@noble/hashes/utils.js"
import { Result } from "effect"
import type { ServiceConfigUpdate } from "../chain/Supplier.ts"
import { decodeAddress } from "../keys/Address.ts"
import { textToBytes } from "../wire/ByteText.ts"

/** Is the config in force at `height`? A deactivation height of 0 means open. */
export const isConfigActive = (
  update: Pick<ServiceConfigUpdate, "activationHeight" | "deactivationHeight">,
  height: bigint
): boolean =>
  update.activationHeight <= height && (update.deactivationHeight === 0n || update.deactivationHeight > height)

/**
 * Configs of the service in force at `height`, by activation height, then operator address bytes.
 * Source: poktroll `x/supplier/keeper/service_config.go`.
 */
export const sessionCandidates = (
  updates: ReadonlyArray<ServiceConfigUpdate>,
  serviceId: string,
  height: bigint
): ReadonlyArray<ServiceConfigUpdate> =>
  updates
    .filter((update) => update.service.serviceId === serviceId && isConfigActive(update, height))
    .sort((a, b) =>
      a.activationHeight === b.activationHeight
        ? compareAddresses(a.operatorAddress, b.operatorAddress)
        : a.activationHeight < b.activationHeight
          ? -1
          : 1
    )

/**
 * The candidates chosen for the session, at most `count`. Fewer candidates than `count` keep their order; otherwise all
 * are sorted by weight, also when none has to be left out.
 *
 * `preimage` is that of the session id (`sessionIdPreimage`), not the id. Cost: one SHA3-256 for each candidate.
 * Source: poktroll `x/session/keeper/session_hydrator.go`, hydrateSessionSuppliers.
 */
export const selectSuppliers = <Candidate extends { readonly operatorAddress: string }>(
  candidates: ReadonlyArray<Candidate>,
  preimage: Uint8Array,
  count: bigint
): ReadonlyArray<Candidate> => {
  if (BigInt(candidates.length) < count) return candidates
  return candidates
    .map((candidate) => ({ candidate, weight: supplierWeight(preimage, candidate.operatorAddress) }))
    .sort((a, b) =>
      a.weight === b.weight
        ? compareAddresses(a.candidate.operatorAddress, b.candidate.operatorAddress)
        : a.weight < b.weight
          ? -1
          : 1
    )
    .slice(0, Number(count))
    .map(({ candidate }) => candidate)
}

/** Signed 64-bit weight of a supplier in a session; the smallest are chosen. */
export const supplierWeight = (preimage: Uint8Array, operatorAddress: string): bigint => {
  const digest = sha3_256(concatBytes(preimage, textToBytes(`.${operatorAddress}`)))
  return new DataView(digest.buffer, digest.byteOffset, 8).getBigInt64(0, false)
}

/** Orders two bech32 addresses by the bytes they encode; their texts sort differently. */
export const compareAddresses = (a: string, b: string): number => {
  if (a === b) return 0
  const left = addressBytes(a)
  const right = addressBytes(b)
  for (let index = 0; index < left.length && index < right.length; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** The chain stores no other text than an address here; one that is none keeps a place in the order all the same. */
const addressBytes = (address: string): Uint8Array =>
  Result.getOrElse(decodeAddress(address), () => textToBytes(address))
