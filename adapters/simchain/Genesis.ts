/**
 * The state a simulated chain starts from: params, staked actors, services and accounts. Every actor has its public key on
 * record and a balance, as if it had signed before. `demoGenesis` has the values under which a demo shows something.
 */
import { SECP256K1_TYPE_URL } from "../../domain/chain/Account.ts"
import type { Application } from "../../domain/chain/Application.ts"
import type { RevenueShare, Supplier, SupplierEndpoint } from "../../domain/chain/Supplier.ts"
import { addressOf } from "../../domain/keys/Address.ts"
import { privateKeyFromSecret, publicKeyOf } from "../../domain/keys/PrivateKey.ts"
import { createComputeUnits } from "../../domain/protocol/ComputeUnitsHistory.ts"
import { sharedParamsHistory } from "../../domain/protocol/ParamsHistory.ts"
import { defaultProofParams, type ProofParams } from "../../domain/protocol/ProofParams.ts"
import { defaultSessionParams, type SessionParams } from "../../domain/protocol/SessionParams.ts"
import { defaultSharedParams, type SharedParams } from "../../domain/protocol/SharedParams.ts"
import { defaultTokenomicsParams, type TokenomicsParams } from "../../domain/protocol/TokenomicsParams.ts"
import { defaultMaxDelegatedGateways, type Gateway } from "../../domain/session/Delegations.ts"
import { defaultTargetNumRelays, noDifficulty } from "../../domain/settlement/DifficultyUpdate.ts"
import { textToBytes } from "../../domain/wire/ByteText.ts"
import { emptyBlockHashes } from "./BlockHashes.ts"
import type { ChainAccount, ChainParams, ChainState, ServiceRecord } from "./ChainState.ts"

/** One POKT in uPOKT. */
export const POKT = 1_000_000n

/** An application; amounts in uPOKT. */
export interface GenesisApplication {
  /** 33 bytes, compressed; the address follows from it. */
  readonly publicKey: Uint8Array
  readonly serviceIds: ReadonlyArray<string>
  /** Addresses of gateways of this genesis. */
  readonly gateways?: ReadonlyArray<string>
  /** 100 000 POKT by default. */
  readonly stake?: bigint
  readonly balance?: bigint
  readonly perSessionSpendLimit?: bigint
}

/** A gateway; amounts in uPOKT. */
export interface GenesisGateway {
  readonly publicKey: Uint8Array
  readonly stake?: bigint
  readonly balance?: bigint
}

/** A supplier that owns itself unless `ownerAddress` says otherwise; amounts in uPOKT. */
export interface GenesisSupplier {
  readonly publicKey: Uint8Array
  readonly services: ReadonlyArray<{
    readonly serviceId: string
    readonly endpoints?: ReadonlyArray<SupplierEndpoint>
    /** All to the owner by default. */
    readonly revShare?: ReadonlyArray<RevenueShare>
  }>
  readonly ownerAddress?: string
  readonly stake?: bigint
  readonly balance?: bigint
}

/** A service. Without `targetHash` every relay counts until a settlement says otherwise. */
export interface GenesisService {
  readonly id: string
  readonly name?: string
  readonly computeUnitsPerRelay: bigint
  readonly ownerAddress?: string
  /** 32 bytes: relay mining difficulty from the first block on. */
  readonly targetHash?: Uint8Array
}

/** Single params that differ from the defaults. */
export interface ParamsOverrides {
  readonly shared?: Partial<SharedParams>
  readonly session?: Partial<SessionParams>
  readonly proof?: Partial<ProofParams>
  readonly tokenomics?: Partial<TokenomicsParams>
  readonly application?: Partial<ChainParams["application"]>
  readonly supplier?: Partial<ChainParams["supplier"]>
  readonly gateway?: Partial<ChainParams["gateway"]>
  readonly service?: Partial<ChainParams["service"]>
  readonly auth?: Partial<ChainParams["auth"]>
  readonly block?: Partial<ChainParams["block"]>
}

/** Who and what is on the chain at its start; nothing has to be named. */
export interface GenesisInput {
  /** `relaymill-sim` by default. */
  readonly chainId?: string
  /** Height of the first block, 1 by default. */
  readonly initialHeight?: bigint
  readonly params?: ParamsOverrides
  readonly applications?: ReadonlyArray<GenesisApplication>
  readonly gateways?: ReadonlyArray<GenesisGateway>
  readonly suppliers?: ReadonlyArray<GenesisSupplier>
  readonly services?: ReadonlyArray<GenesisService>
  /** Further accounts with a key and a balance. */
  readonly accounts?: ReadonlyArray<{ readonly publicKey: Uint8Array; readonly balance: bigint }>
}

/** Account of the DAO, from a public secret. */
export const daoAddress = addressFromSecret("relaymill simulated dao")
/** Account that receives the proposer's part of rewards, from a public secret. */
export const validatorAddress = addressFromSecret("relaymill simulated validator")
/** Owner of services that name none, from a public secret. */
export const serviceOwnerAddress = addressFromSecret("relaymill simulated service owner")

/** Stakes and balances of actors that name none. */
const DEFAULT_APPLICATION_STAKE = 100_000n * POKT
const DEFAULT_SUPPLIER_STAKE = 100_000n * POKT
const DEFAULT_GATEWAY_STAKE = POKT
const DEFAULT_BALANCE = 1_000n * POKT

/** A chain with the network's defaults where `input.params` names nothing; the state before its first block. */
export const genesis = (input: GenesisInput): ChainState => {
  const initialHeight = input.initialHeight ?? 1n
  const accounts = new Map<string, ChainAccount>()
  const addAccount = (publicKey: Uint8Array, balance: bigint): string => {
    const address = addressOf(publicKey)
    accounts.set(address, {
      address,
      publicKey,
      publicKeyType: SECP256K1_TYPE_URL,
      accountNumber: accounts.get(address)?.accountNumber ?? BigInt(accounts.size),
      sequence: 0n,
      balance
    })
    return address
  }
  const applications = (input.applications ?? []).map((given): Application => ({
    address: addAccount(given.publicKey, given.balance ?? DEFAULT_BALANCE),
    stake: given.stake ?? DEFAULT_APPLICATION_STAKE,
    serviceIds: given.serviceIds,
    delegateeGatewayAddresses: given.gateways ?? [],
    pendingUndelegations: [],
    unstakeSessionEndHeight: 0n,
    pendingTransfer: undefined,
    perSessionSpendLimit: given.perSessionSpendLimit,
    serviceConfigHistory: []
  }))
  const gateways = (input.gateways ?? []).map((given): Gateway => ({
    address: addAccount(given.publicKey, given.balance ?? DEFAULT_BALANCE),
    stake: given.stake ?? DEFAULT_GATEWAY_STAKE,
    unstakeSessionEndHeight: 0n
  }))
  const suppliers = (input.suppliers ?? []).map((given) =>
    supplierOf(given, addAccount(given.publicKey, given.balance ?? DEFAULT_BALANCE))
  )
  for (const { publicKey, balance } of input.accounts ?? []) addAccount(publicKey, balance)
  return {
    chainId: input.chainId ?? "relaymill-sim",
    height: initialHeight - 1n,
    timeUnixNano: 0n,
    blockHashes: emptyBlockHashes(initialHeight),
    params: paramsOf(input.params ?? {}),
    accounts,
    modules: { feeCollector: 0n, proof: 0n },
    applications: new Map(applications.map((application) => [application.address, application])),
    gateways: new Map(gateways.map((gateway) => [gateway.address, gateway])),
    suppliers: new Map(suppliers.map((supplier) => [supplier.operatorAddress, supplier])),
    unbondingSuppliers: new Set(),
    services: new Map((input.services ?? []).map((service) => [service.id, serviceOf(service)])),
    claims: new Map(),
    proofs: new Map(),
    nonces: new Map(),
    validatorAddress
  }
}

/**
 * The demo chain: sessions of 6 blocks that settle 6 blocks after their end, every claim needs a proof, and all suppliers
 * serve every session. Made for blocks of one second; `input.params` overrides single values.
 */
export const demoGenesis = (input: GenesisInput): ChainState =>
  genesis({
    ...input,
    params: {
      ...input.params,
      shared: { ...demoSharedParams, ...input.params?.shared },
      proof: { ...demoProofParams, ...input.params?.proof },
      session: {
        numSuppliersPerSession: BigInt(Math.max(1, input.suppliers?.length ?? 0)),
        ...input.params?.session
      }
    }
  })

const demoSharedParams: Partial<SharedParams> = {
  numBlocksPerSession: 6n,
  gracePeriodEndOffsetBlocks: 1n,
  claimWindowOpenOffsetBlocks: 1n,
  claimWindowCloseOffsetBlocks: 2n,
  proofWindowOpenOffsetBlocks: 0n,
  proofWindowCloseOffsetBlocks: 2n
}

const demoProofParams: ProofParams = {
  proofRequestProbability: 1,
  proofRequirementThreshold: 20_000_000n,
  proofMissingPenalty: 320_000_000n,
  proofSubmissionFee: 1n
}

const paramsOf = (overrides: ParamsOverrides): ChainParams => ({
  shared: sharedParamsHistory({ ...defaultSharedParams, ...overrides.shared }),
  session: { live: { ...defaultSessionParams, ...overrides.session }, entries: [] },
  proof: { ...defaultProofParams, ...overrides.proof },
  tokenomics: { ...defaultTokenomicsParams(daoAddress), ...overrides.tokenomics },
  application: { minStake: POKT, maxDelegatedGateways: defaultMaxDelegatedGateways, ...overrides.application },
  supplier: { minStake: POKT, stakingFee: 1n, ...overrides.supplier },
  gateway: { minStake: 100n, ...overrides.gateway },
  service: { targetNumRelays: defaultTargetNumRelays, addServiceFee: 1n, ...overrides.service },
  auth: { maxMemoCharacters: 256, unorderedTransactions: true, ...overrides.auth },
  block: { maxBytes: 22_020_096, maxGas: -1n, ...overrides.block }
})

const supplierOf = (given: GenesisSupplier, operatorAddress: string): Supplier => {
  const ownerAddress = given.ownerAddress ?? operatorAddress
  const services = given.services.map(({ serviceId, endpoints, revShare }) => ({
    serviceId,
    endpoints: endpoints ?? [],
    revShare: revShare ?? [{ address: ownerAddress, percentage: 100n }]
  }))
  return {
    ownerAddress,
    operatorAddress,
    stake: given.stake ?? DEFAULT_SUPPLIER_STAKE,
    services,
    unstakeSessionEndHeight: 0n,
    serviceConfigHistory: services.map((service) => ({
      operatorAddress,
      service,
      activationHeight: 1n,
      deactivationHeight: 0n
    }))
  }
}

const serviceOf = (given: GenesisService): ServiceRecord => {
  const difficulty = given.targetHash && { numRelaysEma: defaultTargetNumRelays, targetHash: given.targetHash }
  return {
    id: given.id,
    name: given.name ?? given.id,
    computeUnitsPerRelay: given.computeUnitsPerRelay,
    ownerAddress: given.ownerAddress ?? serviceOwnerAddress,
    card: undefined,
    computeUnits: createComputeUnits(1n, given.computeUnitsPerRelay),
    difficulty:
      difficulty === undefined
        ? noDifficulty
        : { live: difficulty, entries: [{ effectiveHeight: 1n, value: difficulty }] }
  }
}

function addressFromSecret(secret: string): string {
  return addressOf(publicKeyOf(privateKeyFromSecret(textToBytes(secret))))
}
