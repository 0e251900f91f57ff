/** An application as the chain stores it: its stake pays for relays, its delegations decide whose rings may sign. */
import { Result } from "effect"
import { create, type MessageInitShape } from "@bufbuild/protobuf"
import { type InvalidChainRecord, upoktFromMessage, upoktToMessage } from "./Coin.ts"
import { type Application as ApplicationMessage, ApplicationSchema } from "./proto/pocket/application_pb.ts"

/** Gateways that lost their delegation in the session that ends at `sessionEndHeight`. */
export interface PendingUndelegation {
  readonly sessionEndHeight: bigint
  readonly gatewayAddresses: ReadonlyArray<string>
}

/** One service of an application with the heights between which it counts; `deactivationHeight` 0 means open. */
export interface ApplicationServiceConfigUpdate {
  readonly applicationAddress: string
  readonly serviceId: string
  readonly activationHeight: bigint
  readonly deactivationHeight: bigint
}

/** Source: poktroll `proto/pocket/application/types.proto`. */
export interface Application {
  readonly address: string
  /** uPOKT. */
  readonly stake: bigint
  /** Current services; authoritative only while `serviceConfigHistory` is empty. */
  readonly serviceIds: ReadonlyArray<string>
  readonly delegateeGatewayAddresses: ReadonlyArray<string>
  /** Ascending by session end height. */
  readonly pendingUndelegations: ReadonlyArray<PendingUndelegation>
  /** 0 while staked. */
  readonly unstakeSessionEndHeight: bigint
  readonly pendingTransfer: { readonly destinationAddress: string; readonly sessionEndHeight: bigint } | undefined
  /** uPOKT; `undefined` or 0 means no limit. */
  readonly perSessionSpendLimit: bigint | undefined
  readonly serviceConfigHistory: ReadonlyArray<ApplicationServiceConfigUpdate>
}

/** Converts the wire message; fails on an amount that is no number. */
export const fromMessage = (message: ApplicationMessage): Result.Result<Application, InvalidChainRecord> =>
  Result.gen(function* () {
    const limit = message.perSessionSpendLimit
    return {
      address: message.address,
      stake: yield* upoktFromMessage(message.stake, "Application", "stake"),
      serviceIds: message.serviceConfigs.map((config) => config.serviceId),
      delegateeGatewayAddresses: message.delegateeGatewayAddresses,
      pendingUndelegations: Object.entries(message.pendingUndelegations)
        .map(([height, list]) => ({ sessionEndHeight: BigInt(height), gatewayAddresses: list.gatewayAddresses }))
        .sort(byHeight),
      unstakeSessionEndHeight: message.unstakeSessionEndHeight,
      pendingTransfer: message.pendingTransfer && {
        destinationAddress: message.pendingTransfer.destinationAddress,
        sessionEndHeight: message.pendingTransfer.sessionEndHeight
      },
      perSessionSpendLimit:
        limit === undefined ? undefined : yield* upoktFromMessage(limit, "Application", "per_session_spend_limit"),
      serviceConfigHistory: message.serviceConfigHistory.map((update) => ({
        applicationAddress: update.applicationAddress,
        serviceId: update.service?.serviceId ?? "",
        activationHeight: update.activationHeight,
        deactivationHeight: update.deactivationHeight
      }))
    }
  })

/** The wire message of a record, as a node would answer it. */
export const toMessage = (application: Application): ApplicationMessage => {
  const limit = application.perSessionSpendLimit
  const shape: MessageInitShape<typeof ApplicationSchema> = {
    address: application.address,
    stake: upoktToMessage(application.stake),
    serviceConfigs: application.serviceIds.map((serviceId) => ({ serviceId })),
    delegateeGatewayAddresses: [...application.delegateeGatewayAddresses],
    pendingUndelegations: Object.fromEntries(
      // The chain writes map entries by ascending key.
      application.pendingUndelegations
        .toSorted(byHeight)
        .map((pending) => [pending.sessionEndHeight.toString(), { gatewayAddresses: [...pending.gatewayAddresses] }])
    ),
    unstakeSessionEndHeight: application.unstakeSessionEndHeight,
    serviceConfigHistory: application.serviceConfigHistory.map((update) => ({
      applicationAddress: update.applicationAddress,
      service: { serviceId: update.serviceId },
      activationHeight: update.activationHeight,
      deactivationHeight: update.deactivationHeight
    })),
    ...(application.pendingTransfer && { pendingTransfer: application.pendingTransfer }),
    ...(limit !== undefined && { perSessionSpendLimit: upoktToMessage(limit) })
  }
  return create(ApplicationSchema, shape)
}

const byHeight = (a: PendingUndelegation, b: PendingUndelegation): number =>
  a.sessionEndHeight < b.sessionEndHeight ? -1 : a.sessionEndHeight > b.sessionEndHeight ? 1 : 0
