/** Private keys of the suppliers served here. Keys never leave the adapter: it signs. */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import type { SupplierAddress } from "../protocol/Identifiers.ts"

/** The supplier's key is not (or no longer) loaded in this process. */
export class KeyNotHeld extends Schema.TaggedError<KeyNotHeld>()("KeyNotHeld", { supplier: Schema.String }) {
  override get message(): string {
    return `the key of supplier ${this.supplier} is not loaded here`
  }
}

/** Signs for suppliers whose keys this process holds. Bytes of a private key cannot be asked for. */
export class SupplierKeys extends Context.Service<
  SupplierKeys,
  {
    /** Operator addresses whose keys are loaded, in ascending order. No I/O. */
    readonly held: Effect.Effect<ReadonlyArray<SupplierAddress>>
    /** Whether the supplier's key is loaded. No I/O. */
    readonly isHeld: (supplier: SupplierAddress) => boolean
    /** 33-byte compressed public key. No I/O. */
    readonly publicKey: (supplier: SupplierAddress) => Effect.Effect<Option.Option<Uint8Array>>
    /**
     * 64 bytes r‖s over SHA-256(`message`), RFC 6979, low s: deterministic (`protocol/crypto.md` §2). For a relay
     * response `message` is the 32-byte signable hash, for a transaction the sign document.
     */
    readonly sign: (supplier: SupplierAddress, message: Uint8Array) => Effect.Effect<Uint8Array, KeyNotHeld>
    /** The set after each change (hot reload), starting with the present one. */
    readonly changes: Stream.Stream<ReadonlyArray<SupplierAddress>>
  }
>()("relaymill/domain/ports/SupplierKeys") {}
