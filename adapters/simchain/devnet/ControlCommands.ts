/** Commands of the control surface: what a body may say, and the operation on the chain that it stands for. */
import { Effect, Result, Schema } from "effect"
import { SECP256K1_TYPE_URL } from "../../../domain/chain/Account.ts"
import type { Supplier } from "../../../domain/chain/Supplier.ts"
import { wholeNumber } from "../../../domain/chain/WholeNumber.ts"
import { addressOf, decodeAddress } from "../../../domain/keys/Address.ts"
import { delegate, stakeApplication, undelegate, unstakeApplication } from "../ApplicationLifecycle.ts"
import { credit, withKey } from "../ChainState.ts"
import { stakeGateway, unstakeGateway } from "../GatewayLifecycle.ts"
import { addService, updateComputeUnits, updateParams, updateSessionParams, updateSharedParams } from "../Governance.ts"
import { type Operation, refuseOperation } from "../Operation.ts"
import { stakeSupplier, unstakeSupplier } from "../SupplierLifecycle.ts"
import { SharedParamsFields } from "./WireFaults.ts"

/** Amounts, heights and counts: decimal text or a whole number. */
export const Integer = wholeNumber(39, "a whole number")

const Address = Schema.String.check(
  Schema.makeFilter((text: string) => Result.isSuccess(decodeAddress(text)) || "Expected a pokt address")
)

/** A command: reads a body, and gives the operation for the next block. */
type Command = (body: unknown) => Effect.Effect<Operation, Schema.SchemaError>

const command =
  <S extends Schema.Codec<unknown, unknown>>(schema: S, operation: (input: S["Type"]) => Operation): Command =>
  (body) =>
    Effect.map(Schema.decodeUnknownEffect(schema, { errors: "all", onExcessProperty: "error" })(body), operation)

const optional = Schema.optionalKey

const ofAddress = (operation: (address: string) => Operation): Command =>
  command(Schema.Struct({ address: Address }), ({ address }) => operation(address))

const Endpoint = Schema.Struct({ url: Schema.String, rpcType: Schema.Int })
const StakedService = Schema.Struct({
  serviceId: Schema.String,
  endpoints: optional(Schema.Array(Endpoint)),
  revShare: optional(Schema.Array(Schema.Struct({ address: Address, percentage: Integer })))
})

const servicesOf = (
  given: ReadonlyArray<typeof StakedService.Type>,
  owner: string
): ReadonlyArray<Supplier["services"][number]> =>
  given.map(({ endpoints = [], revShare, serviceId }) => ({
    serviceId,
    endpoints: endpoints.map((endpoint) => ({ ...endpoint, configs: [] })),
    revShare: revShare ?? [{ address: owner, percentage: 100n }]
  }))

/** Mints into an account; an address without one gets an account without a key. */
const mint =
  (address: string, amount: bigint): Operation =>
  (state) =>
    amount > 0n || (state.accounts.get(address)?.balance ?? 0n) >= -amount
      ? Result.succeed(credit(state, address, amount))
      : refuseOperation("fund", address, "the balance is smaller")

/** Takes the public key off an account, as if it had never signed, or puts it on record. */
const setPublicKey =
  (address: string, publicKey: Uint8Array | null): Operation =>
  (state) => {
    const account = state.accounts.get(address)
    if (account === undefined) return refuseOperation("set public key", address, "there is no such account")
    if (publicKey !== null && addressOf(publicKey) !== address) {
      return refuseOperation("set public key", address, "the key is that of another address")
    }
    return Result.succeed({
      ...state,
      accounts: withKey(state.accounts, address, {
        ...account,
        publicKey: publicKey ?? undefined,
        publicKeyType: publicKey === null ? undefined : SECP256K1_TYPE_URL
      })
    })
  }

const proof = {
  proofRequestProbability: optional(Schema.Finite),
  proofRequirementThreshold: optional(Integer),
  proofMissingPenalty: optional(Integer),
  proofSubmissionFee: optional(Integer)
}

const block = { maxBytes: optional(Schema.Int), maxGas: optional(Integer) }

/** Operations by path of their POST. */
export const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    "/fund",
    command(Schema.Struct({ address: Address, amount: Integer }), ({ address, amount }) => mint(address, amount))
  ],
  [
    "/accounts/key",
    command(
      Schema.Struct({ address: Address, publicKey: Schema.NullOr(Schema.Uint8ArrayFromHex) }),
      ({ address, publicKey }) => setPublicKey(address, publicKey)
    )
  ],
  [
    "/suppliers/stake",
    command(
      Schema.Struct({
        operatorAddress: Address,
        ownerAddress: optional(Address),
        stake: optional(Integer),
        services: optional(Schema.Array(StakedService))
      }),
      ({ operatorAddress, ownerAddress, services = [], stake }) =>
        (state, block) => {
          const owner = state.suppliers.get(operatorAddress)?.ownerAddress ?? ownerAddress ?? operatorAddress
          return stakeSupplier({
            operatorAddress,
            services: servicesOf(services, owner),
            ...(ownerAddress !== undefined && { ownerAddress }),
            ...(stake !== undefined && { stake })
          })(state, block)
        }
    )
  ],
  ["/suppliers/unstake", ofAddress(unstakeSupplier)],
  [
    "/applications/stake",
    command(
      Schema.Struct({
        address: Address,
        stake: optional(Integer),
        serviceIds: optional(Schema.Array(Schema.String)),
        perSessionSpendLimit: optional(Integer)
      }),
      stakeApplication
    )
  ],
  ["/applications/unstake", ofAddress(unstakeApplication)],
  [
    "/applications/delegate",
    command(Schema.Struct({ address: Address, gateway: Address }), ({ address, gateway }) => delegate(address, gateway))
  ],
  [
    "/applications/undelegate",
    command(Schema.Struct({ address: Address, gateway: Address }), ({ address, gateway }) =>
      undelegate(address, gateway)
    )
  ],
  [
    "/gateways/stake",
    command(Schema.Struct({ address: Address, stake: Integer }), ({ address, stake }) => stakeGateway(address, stake))
  ],
  ["/gateways/unstake", ofAddress(unstakeGateway)],
  [
    "/services/add",
    command(
      Schema.Struct({
        id: Schema.String,
        name: optional(Schema.String),
        computeUnitsPerRelay: Integer,
        ownerAddress: optional(Address)
      }),
      addService
    )
  ],
  [
    "/services/compute-units",
    command(Schema.Struct({ id: Schema.String, computeUnitsPerRelay: Integer }), ({ computeUnitsPerRelay, id }) =>
      updateComputeUnits(id, computeUnitsPerRelay)
    )
  ],
  ["/params/shared", command(Schema.Struct(SharedParamsFields), updateSharedParams)],
  ["/params/session", command(Schema.Struct({ numSuppliersPerSession: Integer }), updateSessionParams)],
  ["/params/proof", command(Schema.Struct(proof), (changes) => updateParams("proof", changes))],
  ["/params/block", command(Schema.Struct(block), (changes) => updateParams("block", changes))],
  [
    "/params/auth",
    command(Schema.Struct({ unorderedTransactions: Schema.Boolean }), (changes) => updateParams("auth", changes))
  ]
])
