/** The id of a session: a digest of where, for whom and from when it runs, seeded by a block hash nobody can choose. */
import { sha3_256 } from "@noble/hashes/sha3.js"
import { bytesToHex, concatBytes } from "@noble/hashes/utils.js"
import { textToBytes } from "../wire/ByteText.ts"

/** What identifies a session. */
export interface SessionIdentity {
  /** 32 bytes: hash of the block at `sessionStart` itself; empty when the chain has none stored. */
  readonly blockHash: Uint8Array
  readonly serviceId: string
  /** Bech32 text. */
  readonly applicationAddress: string
  readonly sessionStart: bigint
}

/**
 * Bytes whose digest is the session id; supplier selection extends the same bytes.
 * Source: poktroll `x/session/keeper/session_hydrator.go`, hydrateSessionID.
 */
export const sessionIdPreimage = (identity: SessionIdentity): Uint8Array => {
  const start = new Uint8Array(8)
  new DataView(start.buffer).setBigUint64(0, BigInt.asUintN(64, identity.sessionStart), true)
  return concatBytes(
    identity.blockHash,
    separator,
    textToBytes(identity.serviceId),
    separator,
    textToBytes(identity.applicationAddress),
    separator,
    start
  )
}

/** Lower-case hex of SHA3-256 (FIPS 202) of the preimage. */
export const sessionIdOf = (preimage: Uint8Array): string => bytesToHex(sha3_256(preimage))

/** The session id, 64 lower-case hex digits. */
export const sessionId = (identity: SessionIdentity): string => sessionIdOf(sessionIdPreimage(identity))

const separator = textToBytes(".")
