/**
 * Which gateways may sign for an application, and how that ends. A delegation counts at once; a removed one stays in the
 * rings of its session, so it is kept as pending. `sessionEndHeight` is the current session's end under the live params.
 * Source: poktroll `x/application/keeper`, `x/gateway/keeper`.
 */
import { Result, Schema } from "effect"
import type { Application, PendingUndelegation } from "../chain/Application.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { isSessionEnd } from "./SessionGrid.ts"

/** Gateways that one application may delegate to, of a chain whose genesis names none. */
export const defaultMaxDelegatedGateways = 7n

/** A staked gateway, as far as the protocol's rules go. Source: poktroll `pocket.gateway.Gateway`. */
export interface Gateway {
  readonly address: string
  /** uPOKT. */
  readonly stake: bigint
  /** 0 while staked. */
  readonly unstakeSessionEndHeight: bigint
}

/** A delegation or its removal that the chain refuses. */
export class DelegationRefused extends Schema.TaggedError<DelegationRefused>()("DelegationRefused", {
  application: Schema.String,
  gateway: Schema.String,
  reason: Schema.Literals([
    "gateway not found",
    "gateway inactive",
    "already delegated",
    "too many gateways",
    "not delegated"
  ])
}) {
  override get message(): string {
    return `application ${this.application} and gateway ${this.gateway}: ${this.reason}`
  }
}

/** Sessions for which a removed delegation is remembered. Source: poktroll `x/application/keeper/prune_undelegations.go`. */
const RETENTION_SESSIONS = 2n

/** Does the gateway serve at `height`? An unstaking one does to the end of the session in which it unstaked. */
export const isGatewayActive = (gateway: Gateway, height: bigint): boolean =>
  gateway.unstakeSessionEndHeight === 0n || height <= gateway.unstakeSessionEndHeight

/** The record after a delegation in block `height`; it also ends every pending removal of that gateway. */
export const delegate = (
  application: Application,
  gatewayAddress: string,
  context: {
    readonly gateway: Gateway | undefined
    readonly height: bigint
    readonly maxDelegatedGateways: bigint
  }
): Result.Result<Application, DelegationRefused> => {
  const refuse = (reason: DelegationRefused["reason"]) => refused(application, gatewayAddress, reason)
  if (context.gateway === undefined) return refuse("gateway not found")
  const delegatees = application.delegateeGatewayAddresses
  if (BigInt(delegatees.length) >= context.maxDelegatedGateways) return refuse("too many gateways")
  if (!isGatewayActive(context.gateway, context.height)) return refuse("gateway inactive")
  if (delegatees.includes(gatewayAddress)) return refuse("already delegated")
  return Result.succeed({
    ...application,
    delegateeGatewayAddresses: [...delegatees, gatewayAddress],
    pendingUndelegations: application.pendingUndelegations
      .map((pending) => ({
        ...pending,
        gatewayAddresses: pending.gatewayAddresses.filter((address) => address !== gatewayAddress)
      }))
      .filter((pending) => pending.gatewayAddresses.length > 0)
  })
}

/** The record after a removal: the gateway is no delegatee any more and is pending under the session's end. */
export const undelegate = (
  application: Application,
  gatewayAddress: string,
  sessionEndHeight: bigint
): Result.Result<Application, DelegationRefused> =>
  application.delegateeGatewayAddresses.includes(gatewayAddress)
    ? Result.succeed({
        ...application,
        delegateeGatewayAddresses: application.delegateeGatewayAddresses.filter(
          (address) => address !== gatewayAddress
        ),
        pendingUndelegations: addPending(application.pendingUndelegations, gatewayAddress, sessionEndHeight)
      })
    : refused(application, gatewayAddress, "not delegated")

/**
 * The record without removals that no ring needs any more, at the end of block `height`: those of sessions that ended
 * more than grace + two sessions ago. `params` are the live ones.
 */
export const pruneUndelegations = (
  application: Application,
  height: bigint,
  params: Pick<SharedParams, "gracePeriodEndOffsetBlocks" | "numBlocksPerSession">
): Application => {
  const oldest = height - params.gracePeriodEndOffsetBlocks - RETENTION_SESSIONS * params.numBlocksPerSession
  return oldest <= 0n || application.pendingUndelegations.every((pending) => pending.sessionEndHeight >= oldest)
    ? application
    : {
        ...application,
        pendingUndelegations: application.pendingUndelegations.filter((pending) => pending.sessionEndHeight >= oldest)
      }
}

/** The record after an unstake: the gateway serves to the end of the session. */
export const unstakeGateway = (gateway: Gateway, sessionEndHeight: bigint): Gateway => ({
  ...gateway,
  unstakeSessionEndHeight: sessionEndHeight
})

/**
 * Does every application lose this gateway at the end of block `height`? One block after its last session, so that the
 * removal is pending under the end of the session that has just begun and the gateway stays in rings one session more.
 */
export const losesDelegations = (gateway: Gateway, height: bigint): boolean =>
  gateway.unstakeSessionEndHeight > 0n && height === gateway.unstakeSessionEndHeight + 1n

/**
 * Is an unstaking gateway removed at the end of block `height`? At the first session end once the unbonding period is
 * over. `at` are the params at `height`, `live` the live ones.
 */
export const isGatewayUnbonded = (
  gateway: Pick<Gateway, "unstakeSessionEndHeight">,
  height: bigint,
  at: SharedParams,
  live: SharedParams
): boolean =>
  gateway.unstakeSessionEndHeight > 0n &&
  isSessionEnd(at, height) &&
  height >= gateway.unstakeSessionEndHeight + live.gatewayUnbondingPeriodSessions * live.numBlocksPerSession

const refused = (
  application: Application,
  gateway: string,
  reason: DelegationRefused["reason"]
): Result.Result<never, DelegationRefused> =>
  Result.fail(new DelegationRefused({ application: application.address, gateway, reason }))

/** Ascending by session end; a gateway is listed once for each session. */
const addPending = (
  pending: ReadonlyArray<PendingUndelegation>,
  gatewayAddress: string,
  sessionEndHeight: bigint
): ReadonlyArray<PendingUndelegation> => {
  const present = pending.find((entry) => entry.sessionEndHeight === sessionEndHeight)?.gatewayAddresses ?? []
  return [
    ...pending.filter((entry) => entry.sessionEndHeight < sessionEndHeight),
    {
      sessionEndHeight,
      gatewayAddresses: present.includes(gatewayAddress) ? present : [...present, gatewayAddress]
    },
    ...pending.filter((entry) => entry.sessionEndHeight > sessionEndHeight)
  ]
}
