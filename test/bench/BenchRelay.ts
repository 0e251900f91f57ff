/** Relays of the benchmarks of the miner's pipeline: one service and one session length, contents without a pattern. */
import { randomBytes } from "node:crypto"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import type { MinedRelay } from "../../domain/relay/MinedRelay.ts"
import { testKey } from "../support/RelayBuilder.ts"

/** Bytes of each relay. */
export const RELAY_BYTES = 1_000

const applicationAddress = testKey("application").address

/** A new relay of the session with the supplier. */
export const benchRelay = (supplierOperatorAddress: string, sessionId: string): MinedRelay => {
  const relayBytes = randomBytes(RELAY_BYTES)
  return {
    relayHash: nodeSha256(relayBytes),
    relayBytes,
    computeUnitsPerRelay: 100n,
    sessionId,
    sessionStartHeight: 1n,
    sessionEndHeight: 10n,
    supplierOperatorAddress,
    serviceId: "svc",
    applicationAddress,
    arrivalBlockHeight: 2n,
    publishedAtUnixNano: 0n
  }
}
