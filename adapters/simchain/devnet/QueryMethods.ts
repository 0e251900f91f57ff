/** Queries of parameters, claims, accounts and balances, and the table of all queries. */
import { Result } from "effect"
import * as Account from "../../../domain/chain/Account.ts"
import * as Claim from "../../../domain/chain/Claim.ts"
import { UPOKT } from "../../../domain/chain/Coin.ts"
import * as ModuleParams from "../../../domain/chain/ModuleParams.ts"
import * as AuthPb from "../../../domain/chain/proto/cosmos/auth_pb.ts"
import * as BankPb from "../../../domain/chain/proto/cosmos/bank_pb.ts"
import * as ProofPb from "../../../domain/chain/proto/pocket/proof_pb.ts"
import * as SharedPb from "../../../domain/chain/proto/pocket/shared_pb.ts"
import * as TokenomicsPb from "../../../domain/chain/proto/pocket/tokenomics_pb.ts"
import { type ChainState, claimKey, sharedAt, sharedLive, balanceOf } from "../ChainState.ts"
import { headerOf } from "../ClaimFacts.ts"
import { paginate } from "./Pages.ts"
import { failure, GRPC, type QueryFailure } from "./QueryFailure.ts"
import { actorMethods } from "./ActorQueries.ts"
import { heightOf, invalid, isAddress, method, notFound, type QueryMethod } from "./QueryMethod.ts"

/** Methods of parameters, claims, accounts and balances, by path. */
const methods: ReadonlyArray<readonly [string, QueryMethod]> = [
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
    method(TokenomicsPb.QueryParamsRequestSchema, TokenomicsPb.QueryParamsResponseSchema, (state) =>
      Result.succeed({ params: ModuleParams.tokenomicsToMessage(state.params.tokenomics) })
    )
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
]

/** Every method by path, without the transaction service. gRPC and `abci_query` serve the same table. */
export const queryMethods: ReadonlyMap<string, QueryMethod> = new Map([...methods, ...actorMethods])

function accountOf(state: ChainState, address: string): Result.Result<Account.Account, QueryFailure> {
  if (address === "") return invalid("Address cannot be empty")
  if (!isAddress(address)) return Result.fail(failure(GRPC.unknown, `decoding bech32 failed: ${address}`))
  const account = state.accounts.get(address)
  return account === undefined ? notFound(`account ${address} not found`) : Result.succeed(account)
}
