/** The chain of the many-process tests: who is on it, and how long its sessions and windows are. */
import { Schema } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { type DemoKey, demoKeys } from "../../adapters/demo/DemoKeys.ts"
import { demoGenesis, POKT } from "../../adapters/simchain/Genesis.ts"
import type { ChainState } from "../../adapters/simchain/ChainState.ts"
import type { SimChainOptions } from "../../adapters/simchain/SimChain.ts"

/** Chain id that transactions are signed for. */
export const CHAIN_ID = "fleet"

/** The one service that all serve. */
export const SERVICE = "fleet-eth"

/** Dear enough that one relay is worth its claim, cheap enough that no application reaches its limit. */
const COMPUTE_UNITS_PER_RELAY = 1_000n
const APPLICATION_STAKE = 50_000_000n * POKT

/** What a chain is made of; the same values give the same actors everywhere. Windows are offsets in blocks. */
export const FleetChain = Schema.Struct({
  seed: Schema.String,
  suppliers: Schema.Int,
  applications: Schema.Int,
  /** So many of the applications have no public key on chain. */
  keylessApplications: Schema.Int,
  blockMillis: Schema.Int,
  sessionBlocks: Schema.Int,
  /** From a session's end to the block before the claim window; grace ends one block after the session. */
  claimOpensAfterBlocks: Schema.Int,
  claimWindowBlocks: Schema.Int,
  proofWindowBlocks: Schema.Int
})
export type FleetChain = typeof FleetChain.Type

export const suppliersOf = ({ seed, suppliers }: FleetChain): ReadonlyArray<DemoKey> =>
  demoKeys(seed, "supplier", suppliers)
export const applicationsOf = ({ applications, seed }: FleetChain): ReadonlyArray<DemoKey> =>
  demoKeys(seed, "application", applications)
/** The one gateway that signs for all applications. */
export const gatewayOf = ({ seed }: FleetChain): DemoKey => {
  const [gateway] = demoKeys(seed, "gateway", 1)
  if (gateway === undefined) throw new Error("one key was asked for")
  return gateway
}

/** Genesis and cryptography of the simulated chain. */
export const simChainOf = (chain: FleetChain): SimChainOptions => {
  const gateway = gatewayOf(chain)
  const blocks = BigInt(chain.sessionBlocks)
  const afterEnd = BigInt(chain.claimOpensAfterBlocks + chain.claimWindowBlocks + chain.proofWindowBlocks)
  // A supplier may not be gone before its sessions are settled.
  const unbonding = afterEnd / blocks + 1n
  return {
    seed: chain.seed,
    verifiers: { sha256: nodeSha256 },
    genesis: withoutKeys(
      applicationsOf(chain).slice(0, chain.keylessApplications),
      demoGenesis({
        chainId: CHAIN_ID,
        services: [{ id: SERVICE, computeUnitsPerRelay: COMPUTE_UNITS_PER_RELAY }],
        gateways: [{ publicKey: gateway.publicKey }],
        applications: applicationsOf(chain).map(({ publicKey }) => ({
          publicKey,
          serviceIds: [SERVICE],
          gateways: [gateway.address],
          stake: APPLICATION_STAKE
        })),
        suppliers: suppliersOf(chain).map(({ publicKey }) => ({ publicKey, services: [{ serviceId: SERVICE }] })),
        params: {
          shared: {
            numBlocksPerSession: blocks,
            gracePeriodEndOffsetBlocks: 1n,
            claimWindowOpenOffsetBlocks: BigInt(chain.claimOpensAfterBlocks),
            claimWindowCloseOffsetBlocks: BigInt(chain.claimWindowBlocks),
            proofWindowOpenOffsetBlocks: 0n,
            proofWindowCloseOffsetBlocks: BigInt(chain.proofWindowBlocks),
            supplierUnbondingPeriodSessions: unbonding,
            applicationUnbondingPeriodSessions: unbonding,
            gatewayUnbondingPeriodSessions: unbonding
          }
        }
      })
    )
  }
}

/** The same chain before these accounts have signed anything. */
const withoutKeys = (keys: ReadonlyArray<DemoKey>, state: ChainState): ChainState => {
  const keyless = new Set<string>(keys.map(({ address }) => address))
  const accounts = Array.from(
    state.accounts,
    ([address, account]) =>
      [
        address,
        keyless.has(address) ? { ...account, publicKey: undefined, publicKeyType: undefined } : account
      ] as const
  )
  return { ...state, accounts: new Map(accounts) }
}
