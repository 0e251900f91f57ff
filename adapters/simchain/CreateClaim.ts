/**
 * Handler of `MsgCreateClaim`, and the checks it shares with `MsgSubmitProof`. The stateless checks are in `BasicChecks`.
 * Source: poktroll `x/proof/keeper/msg_server_create_claim.go`, `session.go`.
 */
import { Result } from "effect"
import type { Session } from "../../domain/chain/Session.ts"
import { computeUnitsAt } from "../../domain/protocol/ComputeUnitsHistory.ts"
import { emptySessionHeader, type SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { claimWindow } from "../../domain/session/SessionWindow.ts"
import { rootCount, rootSum } from "../../domain/settlement/ClaimRoot.ts"
import { type Claim, ClaimProofStatus, type MsgCreateClaim } from "../../domain/tx/ProofMessages.ts"
import { type HandlerError, handlerError, PROOF } from "./ChainErrors.ts"
import { type BlockContext, type ChainState, claimKey, sharedAt, withKey } from "./ChainState.ts"
import { LOCATION, quoted } from "./GoText.ts"
import { hydrateSession } from "./SessionHydration.ts"

/** The stored claim; `updated` if it replaced another one of the same session and supplier. */
export interface ClaimStored {
  readonly state: ChainState
  readonly claim: Claim
  readonly updated: boolean
}

/** Executes the message in `block`. An existing claim is replaced entirely and is pending again. */
export const createClaim = (
  state: ChainState,
  message: MsgCreateClaim,
  block: BlockContext
): Result.Result<ClaimStored, HandlerError> =>
  Result.gen(function* () {
    const { supplierOperatorAddress: supplier, rootHash } = message
    // Basic checks have refused a message without header.
    const header = message.sessionHeader ?? emptySessionHeader()
    yield* querySession(state, header, supplier, block)
    const { opens, closes } = claimWindow(sharedAt(state, header.sessionEndBlockHeight), header.sessionEndBlockHeight)
    if (block.height < opens) {
      return yield* outOfWindow(`is less than the session's earliest claim commit height (${opens})`, block)
    }
    if (block.height > closes) {
      return yield* outOfWindow(`is greater than session claim window close height (${closes})`, block)
    }
    const price = yield* computeUnitsPerRelay(state, header)
    const count = rootCount(rootHash)
    const sum = rootSum(rootHash)
    if (sum !== BigInt.asUintN(64, count * price)) {
      return yield* Result.fail(
        handlerError("InvalidArgument", PROOF.computeUnitsMismatch, mismatchText(sum, count, price, header.serviceId))
      )
    }
    const key = claimKey(header.sessionId, supplier)
    const claim: Claim = { ...message, proofValidationStatus: ClaimProofStatus.pending }
    return { state: { ...state, claims: withKey(state.claims, key, claim) }, claim, updated: state.claims.has(key) }
  })

/** Text of a root whose sum is not count × price; settlement says the same. */
export const mismatchText = (sum: bigint, count: bigint, price: bigint, service: string): string =>
  `claim compute units: ${sum} is not equal to number of relays ${count} * compute units per relay ${price} for service ${service}`

/** The chain's session for a message's header, which has to have its id and to name the supplier. */
export const querySession = (
  state: ChainState,
  header: SessionHeader,
  supplier: string,
  block: BlockContext
): Result.Result<Session, HandlerError> =>
  Result.flatMap(
    Result.mapError(
      hydrateSession(
        state,
        {
          applicationAddress: header.applicationAddress,
          serviceId: header.serviceId,
          height: header.sessionStartBlockHeight
        },
        block.height
      ),
      ({ detail }): HandlerError => ({ status: "InvalidArgument", description: detail })
    ),
    (session) => {
      if (session.sessionId !== header.sessionId) {
        const detail = `session ID does not match onchain session ID; expected ${quoted(session.sessionId)}, got ${quoted(header.sessionId)}`
        return Result.fail(handlerError("InvalidArgument", PROOF.invalidSessionId, detail))
      }
      return session.suppliers.some(({ operatorAddress }) => operatorAddress === supplier)
        ? Result.succeed(session)
        : Result.fail(
            handlerError(
              "InvalidArgument",
              PROOF.supplierNotFound,
              `supplier operator address ${quoted(supplier)} not found in session ID ${quoted(session.sessionId)}`
            )
          )
    }
  )

/** Compute units of one relay at the session's start. */
export const computeUnitsPerRelay = (state: ChainState, header: SessionHeader): Result.Result<bigint, HandlerError> => {
  const service = state.services.get(header.serviceId)
  return service === undefined
    ? Result.fail(
        handlerError(
          "NotFound",
          PROOF.serviceNotFound,
          `service ${header.serviceId} not found: service not found${LOCATION}`
        )
      )
    : Result.succeed(computeUnitsAt(service.computeUnits, header.sessionStartBlockHeight, service.computeUnitsPerRelay))
}

const outOfWindow = (rest: string, block: BlockContext): Result.Result<never, HandlerError> =>
  Result.fail(handlerError("FailedPrecondition", PROOF.claimWindow, `current block height (${block.height}) ${rest}`))
