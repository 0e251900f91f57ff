/** Queries of sessions and of who and what is staked for them. */
import { Result } from "effect"
import * as Application from "../../../domain/chain/Application.ts"
import { upoktToMessage } from "../../../domain/chain/Coin.ts"
import * as ModuleParams from "../../../domain/chain/ModuleParams.ts"
import * as ApplicationPb from "../../../domain/chain/proto/pocket/application_pb.ts"
import * as ServicePb from "../../../domain/chain/proto/pocket/service_pb.ts"
import * as SessionPb from "../../../domain/chain/proto/pocket/session_pb.ts"
import * as SupplierPb from "../../../domain/chain/proto/pocket/supplier_pb.ts"
import * as Service from "../../../domain/chain/Service.ts"
import * as Session from "../../../domain/chain/Session.ts"
import * as Supplier from "../../../domain/chain/Supplier.ts"
import { computeUnitsAt } from "../../../domain/protocol/ComputeUnitsHistory.ts"
import { difficultyAt } from "../../../domain/settlement/DifficultyUpdate.ts"
import { type ChainState, type ServiceRecord } from "../ChainState.ts"
import { hydrateSession } from "../SessionHydration.ts"
import { paginate } from "./Pages.ts"
import { failure, GRPC, type QueryFailure } from "./QueryFailure.ts"
import { heightOf, method, notFound, type QueryMethod } from "./QueryMethod.ts"

const serviceOf = (state: ChainState, id: string): Result.Result<ServiceRecord, QueryFailure> => {
  const service = state.services.get(id)
  return service === undefined ? notFound(`service ID: ${id}: service not found`) : Result.succeed(service)
}

const difficultyOf = (
  state: ChainState,
  service: ServiceRecord,
  height: bigint | undefined
): Service.RelayMiningDifficulty => {
  const { targetNumRelays } = state.params.service
  const live = service.difficulty.live
  const found =
    height === undefined && live !== undefined
      ? live
      : difficultyAt(height === undefined ? { live, entries: [] } : service.difficulty, height ?? 0n, targetNumRelays)
  return { serviceId: service.id, blockHeight: height ?? state.height, ...found }
}

const dehydrate = (supplier: Supplier.Supplier, dehydrated: boolean): Supplier.Supplier =>
  dehydrated
    ? {
        ...supplier,
        services: supplier.services.map((service) => ({ ...service, revShare: [] })),
        serviceConfigHistory: []
      }
    : supplier

/** Methods of sessions, applications, suppliers and services, by path. */
export const actorMethods: ReadonlyArray<readonly [string, QueryMethod]> = [
  [
    "/pocket.session.Query/Params",
    method(SessionPb.QueryParamsRequestSchema, SessionPb.QueryParamsResponseSchema, (state) =>
      Result.succeed({ params: ModuleParams.sessionToMessage(state.params.session.live) })
    )
  ],
  [
    "/pocket.session.Query/GetSession",
    method(SessionPb.QueryGetSessionRequestSchema, SessionPb.QueryGetSessionResponseSchema, (state, request) =>
      Result.mapBoth(
        hydrateSession(
          state,
          {
            applicationAddress: request.applicationAddress,
            serviceId: request.serviceId,
            height: request.blockHeight
          },
          state.height
        ),
        {
          onFailure: ({ detail, grpcCode }) => failure(grpcCode === 3 ? GRPC.invalidArgument : GRPC.internal, detail),
          onSuccess: (session) => ({ session: Session.toMessage(session) })
        }
      )
    )
  ],
  [
    "/pocket.application.Query/Params",
    method(ApplicationPb.QueryParamsRequestSchema, ApplicationPb.QueryParamsResponseSchema, (state) => {
      const { maxDelegatedGateways, minStake } = state.params.application
      return Result.succeed({ params: { maxDelegatedGateways, minStake: upoktToMessage(minStake) } })
    })
  ],
  [
    "/pocket.application.Query/Application",
    method(
      ApplicationPb.QueryGetApplicationRequestSchema,
      ApplicationPb.QueryGetApplicationResponseSchema,
      (state, { address }) => {
        const found = state.applications.get(address)
        return found === undefined
          ? notFound(`app address: ${address}: application not found`)
          : Result.succeed({ application: Application.toMessage(found) })
      }
    )
  ],
  [
    "/pocket.application.Query/AllApplications",
    method(
      ApplicationPb.QueryAllApplicationsRequestSchema,
      ApplicationPb.QueryAllApplicationsResponseSchema,
      (state, { delegateeGatewayAddress: gateway, pagination }) =>
        Result.map(
          paginate(
            [...state.applications].map(([key, value]) => ({ key, value })),
            pagination
          ),
          (page) => ({
            // The filter has no index: pages are cut before it.
            applications: page.values
              .filter((application) => gateway === "" || application.delegateeGatewayAddresses.includes(gateway))
              .map(Application.toMessage),
            pagination: page.pagination
          })
        )
    )
  ],
  [
    "/pocket.supplier.Query/Params",
    method(SupplierPb.QueryParamsRequestSchema, SupplierPb.QueryParamsResponseSchema, (state) => {
      const { minStake, stakingFee } = state.params.supplier
      return Result.succeed({ params: { minStake: upoktToMessage(minStake), stakingFee: upoktToMessage(stakingFee) } })
    })
  ],
  [
    "/pocket.supplier.Query/Supplier",
    method(
      SupplierPb.QueryGetSupplierRequestSchema,
      SupplierPb.QueryGetSupplierResponseSchema,
      (state, { dehydrated, operatorAddress }) => {
        const found = state.suppliers.get(operatorAddress)
        return found === undefined
          ? notFound(`supplier with address: "${operatorAddress}": supplier not found`)
          : Result.succeed({ supplier: Supplier.toMessage(dehydrate(found, dehydrated)) })
      }
    )
  ],
  [
    "/pocket.supplier.Query/AllSuppliers",
    method(
      SupplierPb.QueryAllSuppliersRequestSchema,
      SupplierPb.QueryAllSuppliersResponseSchema,
      (state, { dehydrated, operatorAddress, ownerAddress, pagination, serviceId }) => {
        const indexed = [...state.suppliers.values()].filter(
          (supplier) =>
            (serviceId === "" || supplier.services.some((service) => service.serviceId === serviceId)) &&
            (operatorAddress === "" || supplier.operatorAddress === operatorAddress)
        )
        return Result.map(
          paginate(
            indexed.map((value) => ({ key: value.operatorAddress, value })),
            pagination
          ),
          (page) => ({
            supplier: page.values
              .filter((supplier) => ownerAddress === "" || supplier.ownerAddress === ownerAddress)
              .map((supplier) => Supplier.toMessage(dehydrate(supplier, dehydrated))),
            pagination: page.pagination
          })
        )
      }
    )
  ],
  [
    "/pocket.service.Query/Params",
    method(ServicePb.QueryParamsRequestSchema, ServicePb.QueryParamsResponseSchema, (state) => {
      const { addServiceFee, targetNumRelays } = state.params.service
      return Result.succeed({ params: { addServiceFee: upoktToMessage(addServiceFee), targetNumRelays } })
    })
  ],
  [
    "/pocket.service.Query/Service",
    method(
      ServicePb.QueryGetServiceRequestSchema,
      ServicePb.QueryGetServiceResponseSchema,
      (state, { dehydrated, id }) =>
        Result.map(serviceOf(state, id), (service) => {
          const { card, computeUnitsPerRelay, name, ownerAddress } = service
          return {
            service: Service.toMessage({
              id,
              name,
              computeUnitsPerRelay,
              ownerAddress,
              card: dehydrated ? undefined : card
            })
          }
        })
    )
  ],
  [
    "/pocket.service.Query/RelayMiningDifficulty",
    method(
      ServicePb.QueryGetRelayMiningDifficultyRequestSchema,
      ServicePb.QueryGetRelayMiningDifficultyResponseSchema,
      (state, { serviceId }) =>
        Result.map(serviceOf(state, serviceId), (service) => ({
          relayMiningDifficulty: Service.difficultyToMessage(difficultyOf(state, service, undefined))
        }))
    )
  ],
  [
    "/pocket.service.Query/RelayMiningDifficultyAtHeight",
    method(
      ServicePb.QueryGetRelayMiningDifficultyAtHeightRequestSchema,
      ServicePb.QueryGetRelayMiningDifficultyAtHeightResponseSchema,
      (state, { blockHeight, serviceId }) =>
        Result.gen(function* () {
          const height = yield* heightOf(blockHeight)
          const service = yield* serviceOf(state, serviceId)
          return { relayMiningDifficulty: Service.difficultyToMessage(difficultyOf(state, service, height)) }
        })
    )
  ],
  [
    "/pocket.service.Query/ComputeUnitsPerRelayAtHeight",
    method(
      ServicePb.QueryComputeUnitsPerRelayAtHeightRequestSchema,
      ServicePb.QueryComputeUnitsPerRelayAtHeightResponseSchema,
      (state, { blockHeight, serviceId }) =>
        Result.gen(function* () {
          const height = yield* heightOf(blockHeight)
          const service = yield* serviceOf(state, serviceId)
          return { computeUnitsPerRelay: computeUnitsAt(service.computeUnits, height, service.computeUnitsPerRelay) }
        })
    )
  ]
]
