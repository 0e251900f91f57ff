/**
 * The queries of the chain's modules over a committed state: by gRPC path, from request bytes to answer bytes. gRPC and
 * `abci_query` serve the same table.
 */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary
} from "@bufbuild/protobuf"
import { Result } from "effect"
import * as Account from "../../../domain/chain/Account.ts"
import * as Application from "../../../domain/chain/Application.ts"
import * as Claim from "../../../domain/chain/Claim.ts"
import { UPOKT, upoktToMessage } from "../../../domain/chain/Coin.ts"
import * as ModuleParams from "../../../domain/chain/ModuleParams.ts"
import * as AuthPb from "../../../domain/chain/proto/cosmos/auth_pb.ts"
import * as BankPb from "../../../domain/chain/proto/cosmos/bank_pb.ts"
import * as ApplicationPb from "../../../domain/chain/proto/pocket/application_pb.ts"
import * as ProofPb from "../../../domain/chain/proto/pocket/proof_pb.ts"
import * as ServicePb from "../../../domain/chain/proto/pocket/service_pb.ts"
import * as SessionPb from "../../../domain/chain/proto/pocket/session_pb.ts"
import * as SharedPb from "../../../domain/chain/proto/pocket/shared_pb.ts"
import * as SupplierPb from "../../../domain/chain/proto/pocket/supplier_pb.ts"
import * as TokenomicsPb from "../../../domain/chain/proto/pocket/tokenomics_pb.ts"
import * as Service from "../../../domain/chain/Service.ts"
import * as Session from "../../../domain/chain/Session.ts"
import * as Supplier from "../../../domain/chain/Supplier.ts"
import { decodeAddress } from "../../../domain/keys/Address.ts"
import { computeUnitsAt } from "../../../domain/protocol/ComputeUnitsHistory.ts"
import { toDouble } from "../../../domain/protocol/Decimal.ts"
import type { RewardSplit } from "../../../domain/protocol/TokenomicsParams.ts"
import { difficultyAt } from "../../../domain/settlement/DifficultyUpdate.ts"
import { type ChainState, claimKey, type ServiceRecord, sharedAt, sharedLive, balanceOf } from "../ChainState.ts"
import { headerOf } from "../ClaimFacts.ts"
import { hydrateSession } from "../SessionHydration.ts"
import { paginate } from "./Pages.ts"
import { failure, GRPC, type QueryFailure, sdkFailure } from "./QueryFailure.ts"

/** Answers one method. */
export type QueryMethod = (state: ChainState, request: Uint8Array) => Result.Result<Uint8Array, QueryFailure>

type Answer<Response extends DescMessage> = Result.Result<MessageInitShape<Response>, QueryFailure>

const method =
  <Request extends DescMessage, Response extends DescMessage>(
    request: Request,
    response: Response,
    answer: (state: ChainState, request: MessageShape<Request>) => Answer<Response>
  ): QueryMethod =>
  (state, bytes) =>
    Result.gen(function* () {
      const decoded = yield* Result.try({
        try: () => fromBinary(request, bytes),
        catch: (cause) => sdkFailure(18, `${cause instanceof Error ? cause.message : String(cause)}: invalid request`)
      })
      return toBinary(response, create(response, yield* answer(state, decoded)))
    })

const notFound = (text: string) => Result.fail(failure(GRPC.notFound, text))
const invalid = (text: string) => Result.fail(failure(GRPC.invalidArgument, text))

const split = (given: RewardSplit) => ({
  dao: toDouble(given.dao),
  proposer: toDouble(given.proposer),
  supplier: toDouble(given.supplier),
  sourceOwner: toDouble(given.sourceOwner),
  application: toDouble(given.application)
})

const serviceOf = (state: ChainState, id: string): Result.Result<ServiceRecord, QueryFailure> => {
  const service = state.services.get(id)
  return service === undefined ? notFound(`service ID: ${id}: service not found`) : Result.succeed(service)
}

/** A height of an `…AtHeight` question. */
const heightOf = (height: bigint): Result.Result<bigint, QueryFailure> =>
  height < 0n ? invalid(`invalid height ${height}: must not be negative`) : Result.succeed(height)

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

const isAddress = (text: string): boolean => Result.isSuccess(decodeAddress(text))

const dehydrate = (supplier: Supplier.Supplier, dehydrated: boolean): Supplier.Supplier =>
  dehydrated
    ? {
        ...supplier,
        services: supplier.services.map((service) => ({ ...service, revShare: [] })),
        serviceConfigHistory: []
      }
    : supplier

/** Every method by path, without the transaction service. */
export const queryMethods: ReadonlyMap<string, QueryMethod> = new Map([
  [
    "/pocket.shared.Query/Params",
    method(SharedPb.QueryParamsRequestSchema, SharedPb.QueryParamsResponseSchema, (state) =>
      Result.succeed({ params: ModuleParams.sharedToMessage(sharedLive(state)) })
    )
  ],
  [
    "/pocket.shared.Query/ParamsAtHeight",
    method(
      SharedPb.QueryParamsAtHeightRequestSchema,
      SharedPb.QueryParamsAtHeightResponseSchema,
      (state, { height: asked }) =>
        Result.map(heightOf(asked), (height) => ({ params: ModuleParams.sharedToMessage(sharedAt(state, height)) }))
    )
  ],
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
  ],
  [
    "/pocket.proof.Query/Params",
    method(ProofPb.QueryParamsRequestSchema, ProofPb.QueryParamsResponseSchema, (state) =>
      Result.succeed({ params: ModuleParams.proofToMessage(state.params.proof) })
    )
  ],
  [
    "/pocket.proof.Query/Claim",
    method(
      ProofPb.QueryGetClaimRequestSchema,
      ProofPb.QueryGetClaimResponseSchema,
      (state, { sessionId, supplierOperatorAddress: supplier }) => {
        if (sessionId === "") return invalid("session ID is empty: invalid session ID")
        if (!isAddress(supplier)) return invalid(`${supplier}: invalid address`)
        const found = state.claims.get(claimKey(sessionId, supplier))
        return found === undefined
          ? notFound(`session ID "${sessionId}" and supplier "${supplier}": claim not found`)
          : Result.succeed({ claim: Claim.toMessage(found) })
      }
    )
  ],
  [
    "/pocket.proof.Query/Proof",
    method(
      ProofPb.QueryGetProofRequestSchema,
      ProofPb.QueryGetProofResponseSchema,
      (_, { sessionId, supplierOperatorAddress: supplier }) => {
        if (sessionId === "") return invalid("session ID is empty: invalid session ID")
        if (!isAddress(supplier)) return invalid(`${supplier}: invalid address`)
        // A proof is removed by the end of the block that has it, so that no committed state holds one.
        return notFound(`session ID "${sessionId}" and supplier "${supplier}": proof not found`)
      }
    )
  ],
  [
    "/pocket.proof.Query/AllClaims",
    method(
      ProofPb.QueryAllClaimsRequestSchema,
      ProofPb.QueryAllClaimsResponseSchema,
      (state, { filter, pagination }) => {
        const chosen = [...state.claims]
          .filter(([, claim]) => {
            const { sessionEndBlockHeight, sessionId } = headerOf(claim)
            if (filter.case === "supplierOperatorAddress") return claim.supplierOperatorAddress === filter.value
            if (filter.case === "sessionId") return sessionId === filter.value
            if (filter.case === "sessionEndHeight") return sessionEndBlockHeight === filter.value
            return true
          })
          .map(([key, value]) => ({ key, value }))
        return Result.map(paginate(chosen, pagination), (page) => ({
          claims: page.values.map(Claim.toMessage),
          pagination: page.pagination
        }))
      }
    )
  ],
  [
    "/pocket.tokenomics.Query/Params",
    method(TokenomicsPb.QueryParamsRequestSchema, TokenomicsPb.QueryParamsResponseSchema, (state) => {
      const given = state.params.tokenomics
      return Result.succeed({
        params: {
          mintAllocationPercentages: split(given.mintAllocationPercentages),
          daoRewardAddress: given.daoRewardAddress,
          globalInflationPerClaim: toDouble(given.globalInflationPerClaim),
          mintEqualsBurnClaimDistribution: split(given.mintEqualsBurnClaimDistribution),
          mintRatio: toDouble(given.mintRatio),
          overservicingBonusMultiplier: given.overservicingBonusMultiplier
        }
      })
    })
  ],
  [
    "/cosmos.auth.v1beta1.Query/Account",
    method(AuthPb.QueryAccountRequestSchema, AuthPb.QueryAccountResponseSchema, (state, { address }) =>
      Result.map(accountOf(state, address), (account) => ({ account: Account.toAny(account) }))
    )
  ],
  [
    "/cosmos.auth.v1beta1.Query/AccountInfo",
    method(AuthPb.QueryAccountInfoRequestSchema, AuthPb.QueryAccountInfoResponseSchema, (state, { address }) =>
      Result.map(accountOf(state, address), (account) => ({ info: Account.toBaseAccount(account) }))
    )
  ],
  [
    "/cosmos.bank.v1beta1.Query/Balance",
    method(BankPb.QueryBalanceRequestSchema, BankPb.QueryBalanceResponseSchema, (state, { address, denom }) => {
      if (denom === "") return invalid("invalid denom")
      if (!isAddress(address)) return invalid(`invalid address: ${address}`)
      const amount = denom === UPOKT ? balanceOf(state, address) : 0n
      return Result.succeed({ balance: { denom, amount: amount.toString() } })
    })
  ]
])

function accountOf(state: ChainState, address: string): Result.Result<Account.Account, QueryFailure> {
  if (address === "") return invalid("Address cannot be empty")
  if (!isAddress(address)) return Result.fail(failure(GRPC.unknown, `decoding bech32 failed: ${address}`))
  const account = state.accounts.get(address)
  return account === undefined ? notFound(`account ${address} not found`) : Result.succeed(account)
}
