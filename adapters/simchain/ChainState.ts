/**
 * The committed state of the simulated chain: one immutable value for each height. Every step of the chain is a function
 * from one value to the next, so a failed message leaves nothing behind and a lagging node reads an older value.
 */
import type { Account } from "../../domain/chain/Account.ts"
import type { Application } from "../../domain/chain/Application.ts"
import type { Service } from "../../domain/chain/Service.ts"
import type { Supplier } from "../../domain/chain/Supplier.ts"
import type { ComputeUnitsHistory } from "../../domain/protocol/ComputeUnitsHistory.ts"
import { type SharedParamsHistory, sharedParamsAt } from "../../domain/protocol/ParamsHistory.ts"
import type { ProofParams } from "../../domain/protocol/ProofParams.ts"
import type { SessionParamsHistory } from "../../domain/protocol/SessionParams.ts"
import type { SharedParams } from "../../domain/protocol/SharedParams.ts"
import type { TokenomicsParams } from "../../domain/protocol/TokenomicsParams.ts"
import type { Gateway } from "../../domain/session/Delegations.ts"
import type { DifficultyHistory } from "../../domain/settlement/DifficultyUpdate.ts"
import type { Claim, MsgSubmitProof } from "../../domain/tx/ProofMessages.ts"
import { type BlockHashes, blockHashAt } from "./BlockHashes.ts"

/** An account with its spendable uPOKT. */
export interface ChainAccount extends Account {
  readonly balance: bigint
}

/** A service with what it cost and how hard it was at each height. */
export interface ServiceRecord extends Service {
  readonly computeUnits: ComputeUnitsHistory
  readonly difficulty: DifficultyHistory
}

/** Params of all modules. Those without a history are live at every height. Amounts in uPOKT. */
export interface ChainParams {
  readonly shared: SharedParamsHistory
  readonly session: SessionParamsHistory
  readonly proof: ProofParams
  readonly tokenomics: TokenomicsParams
  readonly application: { readonly minStake: bigint; readonly maxDelegatedGateways: bigint }
  readonly supplier: { readonly minStake: bigint; readonly stakingFee: bigint }
  readonly gateway: { readonly minStake: bigint }
  readonly service: { readonly targetNumRelays: bigint; readonly addServiceFee: bigint }
  /** Of the `auth` module: longest memo in characters, and whether unordered transactions are allowed at all. */
  readonly auth: { readonly maxMemoCharacters: number; readonly unorderedTransactions: boolean }
  /** Consensus params of a block; gas -1 means no limit. */
  readonly block: { readonly maxBytes: number; readonly maxGas: bigint }
}

/** Accounts of modules that collect uPOKT; nobody can spend from them. */
export interface ModuleBalances {
  readonly feeCollector: bigint
  readonly proof: bigint
}

/** Everything the chain knows at one height. */
export interface ChainState {
  readonly chainId: string
  /** Height of the block this state is of; while a block is being executed that of the block before. */
  readonly height: bigint
  /** Header time of that block. */
  readonly timeUnixNano: bigint
  readonly blockHashes: BlockHashes
  readonly params: ChainParams
  readonly accounts: ReadonlyMap<string, ChainAccount>
  readonly modules: ModuleBalances
  readonly applications: ReadonlyMap<string, Application>
  readonly gateways: ReadonlyMap<string, Gateway>
  readonly suppliers: ReadonlyMap<string, Supplier>
  /** Suppliers that leave at the end of their unbonding period. One that was slashed below the minimum is not among them. */
  readonly unbondingSuppliers: ReadonlySet<string>
  readonly services: ReadonlyMap<string, ServiceRecord>
  /** By `claimKey`. */
  readonly claims: ReadonlyMap<string, Claim>
  /** Proofs of the block that is being executed, by `claimKey`; empty in every committed state. */
  readonly proofs: ReadonlyMap<string, MsgSubmitProof>
  /** Used pairs of unordered transactions: signer → time-outs in nanoseconds that block time has not reached yet. */
  readonly nonces: ReadonlyMap<string, ReadonlySet<bigint>>
  /** Receives what settlements assign to the proposer. */
  readonly validatorAddress: string
}

/** The block that is being executed. */
export interface BlockContext {
  readonly height: bigint
  readonly timeUnixNano: bigint
}

/** Key of claims and proofs: orders by session id, then by supplier, as the chain's store does. */
export const claimKey = (sessionId: string, supplier: string): string => `${sessionId}/${supplier}`

/** A copy of `map` in which `key` has `value`. Linear in the size of the map. */
export const withKey = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> =>
  new Map(map).set(key, value)

/** A copy of `map` without `key`; the same map where there is none. */
export const withoutKey = <K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> => {
  if (!map.has(key)) return map
  const copy = new Map(map)
  copy.delete(key)
  return copy
}

/** Shared params in force at `height`. */
export const sharedAt = (state: ChainState, height: bigint): SharedParams => sharedParamsAt(state.params.shared, height)

/** Shared params as the `Params` query returns them. */
export const sharedLive = (state: ChainState): SharedParams => state.params.shared.live

/** Hash of the block at `height` as the state holds it; empty when unknown. */
export const hashAt = (state: ChainState, height: bigint): Uint8Array => blockHashAt(state.blockHashes, height)

/** Spendable uPOKT of an address. */
export const balanceOf = (state: ChainState, address: string): bigint => state.accounts.get(address)?.balance ?? 0n

/**
 * The state in which the account has `amount` more (or less, if negative). An address without an account gets one, as
 * the chain creates accounts on their first credit. The caller has checked that the balance covers a debit.
 */
export const credit = (state: ChainState, address: string, amount: bigint): ChainState => {
  const account = state.accounts.get(address) ?? {
    address,
    publicKey: undefined,
    publicKeyType: undefined,
    accountNumber: BigInt(state.accounts.size),
    sequence: 0n,
    balance: 0n
  }
  return {
    ...state,
    accounts: withKey(state.accounts, address, { ...account, balance: account.balance + amount })
  }
}

/** Everything that exists, in uPOKT: balances, stakes and what modules hold. Grows by mints, shrinks by burns only. */
export const totalSupply = (state: ChainState): bigint =>
  sum(state.accounts, (account) => account.balance) +
  sum(state.applications, (application) => application.stake) +
  sum(state.gateways, (gateway) => gateway.stake) +
  sum(state.suppliers, (supplier) => supplier.stake) +
  state.modules.feeCollector +
  state.modules.proof

const sum = <V>(map: ReadonlyMap<string, V>, amount: (value: V) => bigint): bigint => {
  let total = 0n
  for (const value of map.values()) total += amount(value)
  return total
}
