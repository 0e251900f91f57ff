/** An account of the chain: number for signing, public key for verifying what its owner signed. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { Result } from "effect"
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt"
import { InvalidChainRecord } from "./Coin.ts"
import { type BaseAccount, BaseAccountSchema, ModuleAccountSchema } from "./proto/cosmos/auth_pb.ts"
import { PubKeySchema } from "./proto/cosmos/crypto_pb.ts"
import { ContinuousVestingAccountSchema } from "./proto/cosmos/vesting_pb.ts"

/** Type URL of the one key type that is fit for relays and transactions of suppliers. */
export const SECP256K1_TYPE_URL = "/cosmos.crypto.secp256k1.PubKey"

/** Source: cosmos-sdk `proto/cosmos/auth/v1beta1/auth.proto`. */
export interface Account {
  readonly address: string
  /** 33 bytes, compressed secp256k1. Absent until the account has signed a transaction, and for other key types. */
  readonly publicKey: Uint8Array | undefined
  /** Type URL of the key on record, also of an unfit one; absent when there is none. */
  readonly publicKeyType: string | undefined
  /** Never changes. */
  readonly accountNumber: bigint
  /** Not used by unordered transactions. */
  readonly sequence: bigint
}

/** Reads the `Any` of `Query/Account`: plain, module and vesting accounts; fails for another type or undecodable bytes. */
export const fromAny = (any: Any): Result.Result<Account, InvalidChainRecord> =>
  Result.flatMap(
    Result.try({
      try: () => baseAccount(any),
      catch: (cause) => invalid("account", `${any.typeUrl} does not decode: ${String(cause)}`)
    }),
    (base) =>
      base === undefined ? Result.fail(invalid("account", `type ${any.typeUrl} is not known`)) : fromBaseAccount(base)
  )

/** Reads the answer of `Query/AccountInfo`; fails if the public key does not decode. */
export const fromBaseAccount = (base: BaseAccount): Result.Result<Account, InvalidChainRecord> =>
  Result.map(
    Result.try({
      try: () => secp256k1Key(base.pubKey),
      catch: (cause) => invalid("pub_key", `does not decode: ${String(cause)}`)
    }),
    (publicKey) => ({
      address: base.address,
      publicKey,
      publicKeyType: base.pubKey?.typeUrl,
      accountNumber: base.accountNumber,
      sequence: base.sequence
    })
  )

/** The `Any` that a node answers for a plain account; a key is written only if it is secp256k1. */
export const toAny = (account: Account): Any =>
  create(AnySchema, {
    typeUrl: "/cosmos.auth.v1beta1.BaseAccount",
    value: toBinary(BaseAccountSchema, toBaseAccount(account))
  })

/** The message of `Query/AccountInfo` for a record. */
export const toBaseAccount = (account: Account): BaseAccount =>
  create(BaseAccountSchema, {
    address: account.address,
    accountNumber: account.accountNumber,
    sequence: account.sequence,
    ...(account.publicKey && {
      pubKey: {
        typeUrl: SECP256K1_TYPE_URL,
        value: toBinary(PubKeySchema, create(PubKeySchema, { key: account.publicKey }))
      }
    })
  })

const baseAccount = (any: Any): BaseAccount | undefined => {
  switch (any.typeUrl) {
    case "/cosmos.auth.v1beta1.BaseAccount":
      return fromBinary(BaseAccountSchema, any.value)
    case "/cosmos.auth.v1beta1.ModuleAccount":
      return fromBinary(ModuleAccountSchema, any.value).baseAccount
    case "/cosmos.vesting.v1beta1.ContinuousVestingAccount":
    case "/cosmos.vesting.v1beta1.DelayedVestingAccount":
    case "/cosmos.vesting.v1beta1.PeriodicVestingAccount":
    case "/cosmos.vesting.v1beta1.PermanentLockedAccount":
      // All four hold the base account in field 1 of field 1.
      return fromBinary(ContinuousVestingAccountSchema, any.value).baseVestingAccount?.baseAccount
    default:
      return undefined
  }
}

const secp256k1Key = (any: Any | undefined): Uint8Array | undefined => {
  if (any?.typeUrl !== SECP256K1_TYPE_URL) return undefined
  const { key } = fromBinary(PubKeySchema, any.value)
  return key.length === 33 ? key : undefined
}

const invalid = (field: string, reason: string) => new InvalidChainRecord({ record: "Account", field, reason })
