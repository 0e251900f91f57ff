/**
 * The `ChainQuery` port over full nodes. Nothing is kept here: caches are above. Every read ends within the deadline of
 * the pool; a node that lacks compute units at heights is asked for the live ones.
 */
import { Context, Effect, Layer, Option, Result } from "effect"
import * as Account from "../../domain/chain/Account.ts"
import * as Application from "../../domain/chain/Application.ts"
import * as Claim from "../../domain/chain/Claim.ts"
import { fromMessage as coinFromMessage, InvalidChainRecord, UPOKT, upoktFromMessage } from "../../domain/chain/Coin.ts"
import {
  proofFromMessage,
  sessionFromMessage,
  sharedFromMessage,
  tokenomicsFromMessage
} from "../../domain/chain/ModuleParams.ts"
import { Query as Auth } from "../../domain/chain/proto/cosmos/auth_pb.ts"
import { Query as Bank } from "../../domain/chain/proto/cosmos/bank_pb.ts"
import { OrderBy, Service as Txs, type Tx } from "../../domain/chain/proto/cosmos/tx_pb.ts"
import { Query as Applications } from "../../domain/chain/proto/pocket/application_pb.ts"
import { Query as Proofs } from "../../domain/chain/proto/pocket/proof_pb.ts"
import { Query as Services } from "../../domain/chain/proto/pocket/service_pb.ts"
import { Query as Sessions } from "../../domain/chain/proto/pocket/session_pb.ts"
import { Query as Shared } from "../../domain/chain/proto/pocket/shared_pb.ts"
import { Query as Suppliers } from "../../domain/chain/proto/pocket/supplier_pb.ts"
import { Query as Tokenomics } from "../../domain/chain/proto/pocket/tokenomics_pb.ts"
import * as Service from "../../domain/chain/Service.ts"
import * as Session from "../../domain/chain/Session.ts"
import * as Supplier from "../../domain/chain/Supplier.ts"
import { ChainQuery, ServiceNotFound, SessionNotFound } from "../../domain/ports/ChainQuery.ts"
import type { ServiceId } from "../../domain/protocol/Identifiers.ts"
import { readClaims } from "./ClaimPages.ts"
import { lacksMethod } from "./EndpointFailed.ts"
import { type QueryCalls, type QueryFailure, required, sameAs } from "./QueryCalls.ts"
import { QueryEndpoints } from "./QueryEndpoints.ts"
import { sessionRefusal } from "./SessionRefusals.ts"

/** What the port needs besides queries: reads of CometBFT RPC. */
export class BlockReads extends Context.Service<
  BlockReads,
  Pick<ChainQuery["Service"], "blockEvents" | "blockLimits">
>()("relaymill/adapters/chain/BlockReads") {}

/** The port over the endpoints of the context. */
export const layer: Layer.Layer<ChainQuery, never, QueryEndpoints | BlockReads> = Layer.effect(
  ChainQuery,
  Effect.gen(function* () {
    const { calls } = yield* QueryEndpoints
    return makeChainQueryNode(calls, yield* BlockReads)
  })
)

/** The port over `calls`, and over CometBFT RPC for what is no state. */
export const makeChainQueryNode = (calls: QueryCalls, blocks: BlockReads["Service"]): ChainQuery["Service"] => {
  const account = (operation: string, address: string) =>
    calls.find({
      operation,
      method: Auth.method.account,
      request: { address },
      read: ({ account: packed }) =>
        required(packed, "Account", (present) =>
          Result.flatMap(
            Account.fromAny(present),
            sameAs(address, "Account", "address", (found) => found.address)
          )
        )
    })

  const service = (operation: string, id: ServiceId) =>
    calls.find({
      operation,
      method: Services.method.service,
      request: { id },
      read: (answer) =>
        required(answer.service, "Service", (message) =>
          sameAs<Service.Service>(id, "Service", "id", (found) => found.id)(Service.fromMessage(message))
        )
    })

  const unknownService = (id: ServiceId) => (failure: QueryFailure) =>
    failure._tag === "RecordNotFound" ? new ServiceNotFound({ service: id }) : undefined

  return ChainQuery.of({
    sharedParams: calls.get({
      operation: "sharedParams",
      method: Shared.method.params,
      request: {},
      read: ({ params }) => sharedFromMessage(params)
    }),
    sharedParamsAt: (height) =>
      calls.get({
        operation: "sharedParamsAt",
        method: Shared.method.paramsAtHeight,
        request: { height },
        read: ({ params }) => sharedFromMessage(params)
      }),
    proofParams: calls.get({
      operation: "proofParams",
      method: Proofs.method.params,
      request: {},
      read: ({ params }) => proofFromMessage(params)
    }),
    sessionParams: calls.get({
      operation: "sessionParams",
      method: Sessions.method.params,
      request: {},
      read: ({ params }) => sessionFromMessage(params)
    }),
    supplierParams: calls.get({
      operation: "supplierParams",
      method: Suppliers.method.params,
      request: {},
      read: ({ params }) =>
        required(params, "supplier.Params", ({ minStake: coin }) =>
          Result.map(upoktFromMessage(coin, "supplier.Params", "min_stake"), (minStake) => ({ minStake }))
        )
    }),
    tokenomicsParams: calls.get({
      operation: "tokenomicsParams",
      method: Tokenomics.method.params,
      request: {},
      read: ({ params }) => tokenomicsFromMessage(params)
    }),
    blockLimits: blocks.blockLimits,
    session: (application, serviceId, height) =>
      calls
        .ask(
          {
            operation: "session",
            method: Sessions.method.getSession,
            request: { applicationAddress: application, serviceId, blockHeight: height },
            read: ({ session }) =>
              required(session, "Session", (message) =>
                Result.flatMap(
                  Session.fromMessage(message),
                  sameAs(
                    `${application} ${serviceId}`,
                    "Session",
                    "header",
                    ({ header }) => `${header.applicationAddress} ${header.serviceId}`
                  )
                )
              )
          },
          (failure) => {
            const reason = sessionRefusal(failure)
            return reason && new SessionNotFound({ application, service: serviceId, height, reason })
          }
        )
        .pipe(Effect.map(({ value }) => value)),
    application: (address) =>
      calls.find({
        operation: "application",
        method: Applications.method.application,
        request: { address },
        read: ({ application }) =>
          required(application, "Application", (message) =>
            Result.flatMap(
              Application.fromMessage(message),
              sameAs(address, "Application", "address", (found) => found.address)
            )
          )
      }),
    supplier: (address) =>
      calls.find({
        operation: "supplier",
        method: Suppliers.method.supplier,
        request: { operatorAddress: address },
        read: ({ supplier }) =>
          required(supplier, "Supplier", (message) =>
            Result.flatMap(
              Supplier.fromMessage(message),
              sameAs(address, "Supplier", "operator_address", (found) => found.operatorAddress)
            )
          )
      }),
    service: (id) => service("service", id),
    account: (address) => account("account", address),
    publicKey: (address) =>
      Effect.map(
        account("publicKey", address),
        Option.flatMap(({ publicKey }) => Option.fromUndefinedOr(publicKey))
      ),
    balance: (address) =>
      calls.get({
        operation: "balance",
        method: Bank.method.balance,
        request: { address, denom: UPOKT },
        read: ({ balance }) => required(balance, "Balance", (coin) => upoktFromMessage(coin, "Balance", "amount"))
      }),
    computeUnitsPerRelayAt: (id, height) =>
      calls
        .ask(
          {
            operation: "computeUnitsPerRelayAt",
            method: Services.method.computeUnitsPerRelayAtHeight,
            request: { serviceId: id, blockHeight: height },
            read: ({ computeUnitsPerRelay }) => Result.succeed(computeUnitsPerRelay)
          },
          unknownService(id)
        )
        .pipe(
          Effect.map(({ value }) => value),
          Effect.catchTag("ChainUnavailable", (unavailable) =>
            // Chains before v0.1.35 keep no history of prices.
            lacksMethod(unavailable)
              ? Effect.flatMap(
                  service("computeUnitsPerRelay", id),
                  Option.match({
                    onNone: () => Effect.fail(new ServiceNotFound({ service: id })),
                    onSome: ({ computeUnitsPerRelay }) => Effect.succeed(computeUnitsPerRelay)
                  })
                )
              : Effect.fail(unavailable)
          )
        ),
    difficultyTargetAt: (id, height) =>
      calls
        .ask(
          {
            operation: "difficultyTargetAt",
            method: Services.method.relayMiningDifficultyAtHeight,
            request: { serviceId: id, blockHeight: height },
            read: ({ relayMiningDifficulty }) =>
              required(relayMiningDifficulty, "RelayMiningDifficulty", ({ targetHash }) =>
                targetHash.length === TARGET_BYTES
                  ? Result.succeed(targetHash)
                  : Result.fail(
                      new InvalidChainRecord({
                        record: "RelayMiningDifficulty",
                        field: "target_hash",
                        reason: `has ${targetHash.length} bytes, not ${TARGET_BYTES}`
                      })
                    )
              )
          },
          unknownService(id)
        )
        .pipe(Effect.map(({ value }) => value)),
    claim: (session, supplier) =>
      calls.find({
        operation: "claim",
        method: Proofs.method.claim,
        request: { sessionId: session, supplierOperatorAddress: supplier },
        read: ({ claim }) =>
          required(claim, "Claim", (message) =>
            sameAs<ReturnType<typeof Claim.fromMessage>>(
              `${supplier} ${session}`,
              "Claim",
              "session_header",
              (found) => `${found.supplierOperatorAddress} ${found.sessionHeader?.sessionId}`
            )(Claim.fromMessage(message))
          )
      }),
    claims: (supplier, notBefore) => readClaims(calls, supplier, notBefore),
    recentFee: (messageType) =>
      calls.get({
        operation: "recentFee",
        method: Txs.method.getTxsEvent,
        // `query`, not `events`: nodes ignore those (`transactions.md` §7 of the protocol notes).
        request: { query: `message.action='${messageType}'`, orderBy: OrderBy.DESC, page: 1n, limit: 1n },
        read: ({ txs: [newest] }) =>
          newest === undefined ? Result.succeed(Option.none<bigint>()) : Result.map(feeOf(newest), Option.some)
      }),
    blockEvents: blocks.blockEvents
  })
}

/** Sum of the coins in uPOKT that a transaction offers; a fee of other coins counts as none. */
const feeOf = ({ authInfo }: Tx): Result.Result<bigint, InvalidChainRecord> =>
  Result.map(
    Result.all((authInfo?.fee?.amount ?? []).map((coin) => coinFromMessage(coin, "Tx", "auth_info.fee.amount"))),
    (coins) => coins.filter(({ denom }) => denom === UPOKT).reduce((sum, { amount }) => sum + amount, 0n)
  )

/** Length of a relay mining target. */
const TARGET_BYTES = 32
