/** A claim as a query answers it, from and to the record that is hashed and compared. */
import { create } from "@bufbuild/protobuf"
import type { Claim } from "../tx/ProofMessages.ts"
import { type Claim as ClaimMessage, type ClaimProofStatus, ClaimSchema } from "./proto/pocket/proof_pb.ts"
import { headerFromMessage, headerToMessage } from "./Session.ts"

/** Converts the wire message. Re-encoding the record gives the chain's stored bytes. */
export const fromMessage = (message: ClaimMessage): Claim => ({
  supplierOperatorAddress: message.supplierOperatorAddress,
  sessionHeader: message.sessionHeader && headerFromMessage(message.sessionHeader),
  rootHash: message.rootHash,
  proofValidationStatus: message.proofValidationStatus
})

/** The wire message of a record, as a node would answer it. */
export const toMessage = (claim: Claim): ClaimMessage =>
  create(ClaimSchema, {
    supplierOperatorAddress: claim.supplierOperatorAddress,
    rootHash: claim.rootHash,
    // The enum is open: any int32 is carried, the generated type has no constructor for unknown numbers.
    proofValidationStatus: claim.proofValidationStatus as ClaimProofStatus,
    ...(claim.sessionHeader && { sessionHeader: headerToMessage(claim.sessionHeader) })
  })
