/** Signed transactions of a supplier for tests, with single parts that can be made wrong. */
import { sha256 } from "../../domain/crypto/Sha256.ts"
import { sign } from "../../domain/keys/SupplierSignature.ts"
import { assembleTx, type PackedMessage, prepareTx, type SignedTx } from "../../domain/tx/UnorderedTx.ts"
import type { TestKey } from "./RelayBuilder.ts"

/** What a transaction is made of; the rest is as the product does it. */
export interface TxParts {
  readonly signer: TestKey
  readonly messages: ReadonlyArray<PackedMessage>
  readonly timeoutUnixNano: bigint
  readonly accountNumber: bigint
  readonly chainId?: string
  readonly memo?: string
  /** 2 000 000 by default. */
  readonly gasLimit?: bigint
  /** uPOKT, 2 000 by default. */
  readonly fee?: bigint
  readonly denom?: string
  /** Key in the transaction, the signer's by default. */
  readonly publicKey?: Uint8Array
  readonly changeSignature?: (signature: Uint8Array) => Uint8Array
}

/** A transaction as the product builds it. */
export const buildTx = (parts: TxParts): SignedTx => {
  const unsigned = prepareTx(
    {
      messages: parts.messages,
      timeoutUnixNano: parts.timeoutUnixNano,
      publicKey: parts.publicKey ?? parts.signer.publicKey,
      chainId: parts.chainId ?? "relaymill-sim",
      accountNumber: parts.accountNumber,
      ...(parts.memo !== undefined && { memo: parts.memo })
    },
    { gasLimit: parts.gasLimit ?? 2_000_000n, amount: parts.fee ?? 2_000n, denom: parts.denom ?? "upokt" }
  )
  const signature = sign(parts.signer.privateKey, unsigned.signDocBytes)
  return assembleTx(unsigned, parts.changeSignature?.(signature) ?? signature, sha256)
}
