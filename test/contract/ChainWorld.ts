/** The chain behind an adapter under a contract suite: who is on it, and how a test makes it go on. */
import { Context, Effect, Option } from "effect"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ApplicationAddress, ServiceId } from "../../domain/protocol/Identifiers.ts"
import type { SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { claimWindowOpens } from "../../domain/session/SessionWindow.ts"
import { packCreateClaim } from "../../domain/tx/ProofMessages.ts"
import type { PackedMessage } from "../../domain/tx/UnorderedTx.ts"
import type { TestKey } from "../support/RelayBuilder.ts"
import { buildTx, type TxParts } from "../support/TxBuilder.ts"

/** The driver of a suite; each adapter under test brings its own. */
export class ChainWorld extends Context.Service<
  ChainWorld,
  {
    /** Commits one block; returns when the adapter can see it. */
    readonly nextBlock: Effect.Effect<void>
    /** Makes every read of the adapter fail, or lets them succeed again. */
    readonly setReadsBroken: (broken: boolean) => Effect.Effect<void>
    /** Makes simulation and broadcast fail before they take effect, or lets them succeed again. */
    readonly setTxsBroken: (broken: boolean) => Effect.Effect<void>
    /** A staked application with the one service. */
    readonly application: TestKey
    /** A staked supplier of the service, in every session, with a balance. */
    readonly supplier: TestKey
    /** Its compute units per relay have never changed; nothing was settled for it. */
    readonly service: string
    readonly computeUnitsPerRelay: bigint
  }
>()("relaymill/test/ChainWorld") {}

/** The session of the world's application at a height (0: the latest). */
export const worldSession = (height: bigint) =>
  Effect.gen(function* () {
    const { application, service } = yield* ChainWorld
    const query = yield* ChainQuery
    return yield* query.session(ApplicationAddress.make(application.address), ServiceId.make(service), height)
  })

/** Commits blocks until `height` is the latest. */
export const reach = (height: bigint) =>
  Effect.gen(function* () {
    const { nextBlock } = yield* ChainWorld
    const blocks = yield* Blocks
    while ((yield* blocks.latest).height < height) yield* nextBlock
  })

/** Commits blocks until a claim of the present session lands in the first block of its window. */
export const reachClaimWindow = Effect.gen(function* () {
  const { header } = yield* worldSession(0n)
  const query = yield* ChainQuery
  const params = yield* query.sharedParamsAt(header.sessionEndBlockHeight)
  yield* reach(claimWindowOpens(params, header.sessionEndBlockHeight) - 1n)
  return header
})

/** A claim of the world's supplier for so many relays. */
export const worldClaim = (header: SessionHeader, relays = 3n) =>
  Effect.map(ChainWorld, ({ supplier, computeUnitsPerRelay }): PackedMessage => {
    const rootHash = new Uint8Array(48).fill(5, 0, 32)
    const view = new DataView(rootHash.buffer)
    view.setBigUint64(32, relays * computeUnitsPerRelay)
    view.setBigUint64(40, relays)
    return packCreateClaim({ supplierOperatorAddress: supplier.address, sessionHeader: header, rootHash })
  })

let lastTimeout = 0n

/** A transaction of the world's supplier; its time-out is unlike any other's. */
export const worldTx = (messages: ReadonlyArray<PackedMessage>, chainId: string, parts: Partial<TxParts> = {}) =>
  Effect.gen(function* () {
    const { supplier } = yield* ChainWorld
    const account = Option.getOrThrow(yield* (yield* ChainQuery).account(supplier.address))
    const { timeUnixNano } = yield* (yield* Blocks).latest
    return buildTx({
      signer: supplier,
      messages,
      chainId,
      accountNumber: account.accountNumber,
      timeoutUnixNano: timeUnixNano + 120_000_000_000n + ++lastTimeout,
      ...parts
    })
  })
