/**
 * A small simulated chain driven without Effect, for tests of its rules: one application with a gateway, two suppliers,
 * one service, demo params. Blocks are one second apart, the first at `START`.
 */
import { Result } from "effect"
import { ChainCell } from "../../../adapters/simchain/ChainCell.ts"
import type { ChainState } from "../../../adapters/simchain/ChainState.ts"
import { proofSeed } from "../../../adapters/simchain/ClaimFacts.ts"
import type { BlockTx, CommittedBlock, TxResult } from "../../../adapters/simchain/CommittedBlock.ts"
import { demoGenesis, type GenesisInput } from "../../../adapters/simchain/Genesis.ts"
import { checkTx, defaultLimits, type MempoolLimits } from "../../../adapters/simchain/Mempool.ts"
import type { Operation } from "../../../adapters/simchain/Operation.ts"
import { hydrateSession } from "../../../adapters/simchain/SessionHydration.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { type ChainEvent, decodeEvent } from "../../../domain/chain/ChainEvents.ts"
import type { Session } from "../../../domain/chain/Session.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { proofPath } from "../../../domain/settlement/ProofRequirement.ts"
import type { Claim } from "../../../domain/tx/ProofMessages.ts"
import { packCreateClaim, packSubmitProof } from "../../../domain/tx/ProofMessages.ts"
import type { PackedMessage } from "../../../domain/tx/UnorderedTx.ts"
import {
  buildRelays,
  buildTrie,
  type RelayParts,
  type TestKey,
  testKey,
  type TestRelay,
  type TestTrie
} from "../../support/RelayBuilder.ts"
import { buildTx, type TxParts } from "../../support/TxBuilder.ts"

export const SERVICE = "anvil"
export const UNITS = 100n
/** Header time of the first block, nanoseconds. */
export const START = 1_800_000_000_000_000_000n
export const SECOND = 1_000_000_000n

export const application = testKey("application")
export const gateway = testKey("gateway")
export const supplier = testKey("supplier")
export const otherSupplier = testKey("other supplier")

/** Verdicts are shared by all tests of a file: the same relays are verified again and again. */
const verifiers = rememberingVerifiers()

export interface TestChainOptions extends GenesisInput {
  readonly limits?: Partial<MempoolLimits>
  readonly minGasPriceScaled?: bigint
}

/** The chain at height 1. */
export const testChain = (options: TestChainOptions = {}): TestChain => new TestChain(options)

export class TestChain {
  readonly cell: ChainCell
  private nextTimeout = 1n

  constructor(options: TestChainOptions) {
    this.cell = new ChainCell({
      genesis: demoGenesis({
        applications: [{ publicKey: application.publicKey, serviceIds: [SERVICE], gateways: [gateway.address] }],
        gateways: [{ publicKey: gateway.publicKey }],
        suppliers: [supplier, otherSupplier].map(({ publicKey }) => ({
          publicKey,
          services: [{ serviceId: SERVICE }]
        })),
        services: [{ id: SERVICE, computeUnitsPerRelay: UNITS }],
        ...options
      }),
      seed: "test",
      verifiers,
      limits: { ...defaultLimits, ...options.limits },
      minGasPriceScaled: options.minGasPriceScaled ?? 0n
    })
    this.next()
  }

  get state(): ChainState {
    return this.cell.state
  }

  get height(): bigint {
    return this.cell.state.height
  }

  /** Commits one block, a second after the one before. */
  next(): CommittedBlock {
    return this.cell.commit(START + this.cell.state.height * SECOND)
  }

  /** Commits blocks until `height` is the last one. */
  until(height: bigint): CommittedBlock {
    let block = this.cell.block(this.height)
    while (this.height < height) block = this.next()
    if (block === undefined) throw new Error("no block")
    return block
  }

  /** Executes an operation in the next block. */
  administer(operation: Operation): void {
    const refused = this.cell.administer(operation, START + this.height * SECOND)
    if (refused !== undefined) throw refused
  }

  /** Session of the application at a height. */
  session(height: bigint, applicationAddress = application.address): Session {
    return Result.getOrThrow(
      hydrateSession(this.state, { applicationAddress, serviceId: SERVICE, height }, this.height)
    )
  }

  header(height: bigint): SessionHeader {
    return this.session(height).header
  }

  /** A time-out that no other transaction of this chain has. */
  timeout(): bigint {
    return this.state.timeUnixNano + 120n * SECOND + this.nextTimeout++
  }

  tx(messages: ReadonlyArray<PackedMessage>, parts: Partial<TxParts> = {}): Uint8Array {
    const signer = parts.signer ?? supplier
    return buildTx({
      signer,
      messages,
      timeoutUnixNano: this.timeout(),
      accountNumber: this.state.accounts.get(signer.address)?.accountNumber ?? 0n,
      ...parts
    }).txBytes
  }

  /** Hands bytes to CheckTx: nothing on success, else codespace, code and log (or the text of an answer without code). */
  check(bytes: Uint8Array): { readonly codespace: string; readonly code: number; readonly log: string } | undefined {
    const { state, mempool } = this.cell
    const checked = checkTx(mempool, bytes, this.height + 1n, this.cell.checkContext(state))
    if (Result.isSuccess(checked)) {
      this.cell.mempool = checked.success
      return undefined
    }
    return "text" in checked.failure ? { codespace: "", code: -1, log: checked.failure.text } : checked.failure
  }

  /** CheckTx and one block; the result in the block. Throws if CheckTx refuses or the block leaves it out. */
  deliver(bytes: Uint8Array): TxResult {
    const refused = this.check(bytes)
    if (refused !== undefined) throw new Error(`CheckTx: ${refused.code} ${refused.log}`)
    const [tx]: ReadonlyArray<BlockTx> = this.next().txs
    if (tx === undefined) throw new Error("the transaction is not in the block")
    return tx.result
  }

  claimMessage(header: SessionHeader, root: Uint8Array, signer: TestKey = supplier): PackedMessage {
    return packCreateClaim({ supplierOperatorAddress: signer.address, sessionHeader: header, rootHash: root })
  }

  proofMessage(header: SessionHeader, proof: Uint8Array, signer: TestKey = supplier): PackedMessage {
    return packSubmitProof({ supplierOperatorAddress: signer.address, sessionHeader: header, proof })
  }

  /** Path that a proof for the session has to show, once its seed block is committed. */
  path(header: SessionHeader): Uint8Array {
    return proofPath(proofSeed(this.state, header.sessionEndBlockHeight), header.sessionId)
  }

  claims(): ReadonlyArray<Claim> {
    return [...this.state.claims.values()]
  }
}

/** Relays of a session signed by the gateway, and their trie. */
export const mineRelays = (
  header: SessionHeader,
  count: number,
  parts: Partial<RelayParts> = {}
): { readonly relays: ReadonlyArray<TestRelay>; readonly trie: TestTrie } => {
  const relays = buildRelays(count, {
    header,
    supplier,
    signer: gateway,
    ring: [application.publicKey, gateway.publicKey],
    ...parts
  })
  return { relays, trie: buildTrie(relays, UNITS) }
}

/** Typed events of a block, those of transactions first. */
export const eventsOf = (block: CommittedBlock): ReadonlyArray<ChainEvent> =>
  [...block.txs.flatMap(({ result }) => result.events), ...block.endBlockEvents].flatMap((raw) => {
    const event = Result.getOrThrow(decodeEvent(raw))
    return event === undefined ? [] : [event]
  })

type Tagged<Tag extends ChainEvent["_tag"]> = Extract<ChainEvent, { readonly _tag: Tag }>

/** The events with this tag. */
export const eventsTagged = <Tag extends ChainEvent["_tag"]>(
  block: CommittedBlock,
  tag: Tag
): ReadonlyArray<Tagged<Tag>> => eventsOf(block).filter((event): event is Tagged<Tag> => event._tag === tag)
