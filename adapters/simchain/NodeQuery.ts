/** The `ChainQuery` port over the state that a node shows. Nothing is cached: reading costs nothing here. */
import { Effect, Option, Result } from "effect"
import { type ChainEvent, decodeEvent, type RawEvent } from "../../domain/chain/ChainEvents.ts"
import type { Service } from "../../domain/chain/Service.ts"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { ChainQuery, ServiceNotFound, SessionNotFound } from "../../domain/ports/ChainQuery.ts"
import { computeUnitsAt } from "../../domain/protocol/ComputeUnitsHistory.ts"
import type { ServiceId } from "../../domain/protocol/Identifiers.ts"
import { balanceOf, type ChainState, claimKey, type ServiceRecord, sharedAt, sharedLive } from "./ChainState.ts"
import { headerOf, targetAt } from "./ClaimFacts.ts"
import type { CommittedBlock } from "./CommittedBlock.ts"
import { hydrateSession, notFoundReason } from "./SessionHydration.ts"

/** Where a node's client reads: its present state, kept blocks up to it, and whether reads fail now. */
export interface NodeView {
  readonly state: () => ChainState
  /** Undefined above the node's height and for blocks that are no longer kept. */
  readonly block: (height: bigint) => CommittedBlock | undefined
  /** The failure of the moment, if any. */
  readonly readFailure: (operation: string) => ChainUnavailable | undefined
}

/** Reads through a view; fails with what the view's switches say. */
export const makeNodeQuery = (view: NodeView): ChainQuery["Service"] => {
  const read = <A, E = never>(operation: string, use: (state: ChainState) => Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | ChainUnavailable> => {
      const failure = view.readFailure(operation)
      return failure === undefined ? use(view.state()) : Effect.fail(failure)
    })
  const readService = <A>(operation: string, id: ServiceId, use: (service: ServiceRecord, state: ChainState) => A) =>
    read<A, ServiceNotFound>(operation, (state) => {
      const service = state.services.get(id)
      return service === undefined
        ? Effect.fail(new ServiceNotFound({ service: id }))
        : Effect.succeed(use(service, state))
    })
  return ChainQuery.of({
    sharedParams: read("sharedParams", (state) => Effect.succeed(sharedLive(state))),
    sharedParamsAt: (height) => read("sharedParamsAt", (state) => Effect.succeed(sharedAt(state, height))),
    proofParams: read("proofParams", (state) => Effect.succeed(state.params.proof)),
    sessionParams: read("sessionParams", (state) => Effect.succeed(state.params.session.live)),
    supplierParams: read("supplierParams", (state) => Effect.succeed({ minStake: state.params.supplier.minStake })),
    tokenomicsParams: read("tokenomicsParams", (state) => Effect.succeed(state.params.tokenomics)),
    blockLimits: read("blockLimits", (state) => {
      const { maxBytes, maxGas } = state.params.block
      return Effect.succeed({ maxBytes: BigInt(maxBytes), maxGas: maxGas < 0n ? undefined : maxGas })
    }),
    session: (application, service, height) =>
      read("session", (state) =>
        Effect.fromResult(
          Result.mapError(
            hydrateSession(state, { applicationAddress: application, serviceId: service, height }, state.height),
            (failure) => new SessionNotFound({ application, service, height, reason: notFoundReason(failure) })
          )
        )
      ),
    application: (address) =>
      read("application", (state) => Effect.succeed(Option.fromUndefinedOr(state.applications.get(address)))),
    supplier: (address) =>
      read("supplier", (state) => Effect.succeed(Option.fromUndefinedOr(state.suppliers.get(address)))),
    service: (id) =>
      read("service", (state) => Effect.succeed(Option.map(Option.fromUndefinedOr(state.services.get(id)), toService))),
    account: (address) =>
      read("account", (state) => Effect.succeed(Option.fromUndefinedOr(state.accounts.get(address)))),
    publicKey: (address) =>
      read("publicKey", (state) => Effect.succeed(Option.fromUndefinedOr(state.accounts.get(address)?.publicKey))),
    balance: (address) => read("balance", (state) => Effect.succeed(balanceOf(state, address))),
    computeUnitsPerRelayAt: (id, height) =>
      readService("computeUnitsPerRelayAt", id, (service) =>
        computeUnitsAt(service.computeUnits, height, service.computeUnitsPerRelay)
      ),
    difficultyTargetAt: (id, height) =>
      readService("difficultyTargetAt", id, (_, state) => targetAt(state, id, height)),
    claim: (session, supplier) =>
      read("claim", (state) => Effect.succeed(Option.fromUndefinedOr(state.claims.get(claimKey(session, supplier))))),
    claims: (supplier, notBefore) =>
      read("claims", (state) =>
        state.height < notBefore
          ? Effect.fail(new ChainUnavailable({ operation: "claims", cause: `this node is at height ${state.height}` }))
          : Effect.succeed(
              [...state.claims.values()]
                .filter((claim) => claim.supplierOperatorAddress === supplier)
                .sort((a, b) => (headerOf(a).sessionId < headerOf(b).sessionId ? -1 : 1))
            )
      ),
    recentFee: (messageType) =>
      read("recentFee", ({ height }) => Effect.succeed(Option.fromUndefinedOr(newestFee(view, height, messageType)))),
    blockEvents: (height) =>
      read("blockEvents", () => Effect.succeed(Option.map(Option.fromUndefinedOr(view.block(height)), typedEvents)))
  })
}

const toService = ({ id, name, computeUnitsPerRelay, ownerAddress, card }: ServiceRecord): Service => ({
  id,
  name,
  computeUnitsPerRelay,
  ownerAddress,
  card
})

/** Fee of the newest transaction with such a message among the blocks that are kept, in uPOKT. */
const newestFee = (view: NodeView, latest: bigint, messageType: string): bigint | undefined => {
  for (let height = latest; height >= 1n; height--) {
    const block = view.block(height)
    if (block === undefined) return undefined
    const paid = block.txs.findLast(
      ({ result: { code, events } }) => code === 0 && attributeOf(events, "message", "action").includes(messageType)
    )
    if (paid === undefined) continue
    const [fee = ""] = attributeOf(paid.result.events, "tx", "fee")
    return BigInt(/^([0-9]+)upokt$/.exec(fee)?.[1] ?? 0)
  }
  return undefined
}

const attributeOf = (events: ReadonlyArray<RawEvent>, type: string, key: string): ReadonlyArray<string> =>
  events
    .filter((event) => event.type === type)
    .flatMap(({ attributes }) => attributes.filter((attribute) => attribute.key === key).map(({ value }) => value))

/** Events of transactions in order, then those of the end of the block; untyped ones are left out. */
const typedEvents = (block: CommittedBlock): ReadonlyArray<ChainEvent> =>
  [...block.txs.flatMap(({ result }) => result.events), ...block.endBlockEvents].flatMap((raw) => {
    // The chain's own events always decode; anything else would be a defect of this module.
    const event = Result.getOrThrow(decodeEvent(raw))
    return event === undefined ? [] : [event]
  })
