/** A session as the chain computes it for an application and a service: its header and the suppliers chosen for it. */
import { create } from "@bufbuild/protobuf"
import { Result } from "effect"
import type { SessionHeader } from "../relay/SessionHeader.ts"
import * as Application from "./Application.ts"
import { InvalidChainRecord } from "./Coin.ts"
import {
  type Session as SessionMessage,
  type SessionHeader as SessionHeaderMessage,
  SessionHeaderSchema,
  SessionSchema
} from "./proto/pocket/session_pb.ts"
import * as Supplier from "./Supplier.ts"

/** Source: poktroll `proto/pocket/session/types.proto`. */
export interface Session {
  readonly header: SessionHeader
  readonly sessionId: string
  readonly sessionNumber: bigint
  readonly numBlocksPerSession: bigint
  readonly application: Application.Application
  /** In the chain's order; each carries the one config of this service in `services` and no history. */
  readonly suppliers: ReadonlyArray<Supplier.Supplier>
}

/** Converts the wire message; fails if header or application is missing, or an amount is no number. */
export const fromMessage = (message: SessionMessage): Result.Result<Session, InvalidChainRecord> =>
  Result.gen(function* () {
    if (message.header === undefined) return yield* Result.fail(missing("header"))
    if (message.application === undefined) return yield* Result.fail(missing("application"))
    return {
      header: headerFromMessage(message.header),
      sessionId: message.sessionId,
      sessionNumber: message.sessionNumber,
      numBlocksPerSession: message.numBlocksPerSession,
      application: yield* Application.fromMessage(message.application),
      suppliers: yield* Result.all(message.suppliers.map(Supplier.fromMessage))
    }
  })

/** The wire message of a record, as a node would answer it. */
export const toMessage = (session: Session): SessionMessage =>
  create(SessionSchema, {
    header: headerToMessage(session.header),
    sessionId: session.sessionId,
    sessionNumber: session.sessionNumber,
    numBlocksPerSession: session.numBlocksPerSession,
    application: Application.toMessage(session.application),
    suppliers: session.suppliers.map(Supplier.toMessage)
  })

/** Converts the wire message of a header; it is not validated. */
export const headerFromMessage = (message: SessionHeaderMessage): SessionHeader => ({
  applicationAddress: message.applicationAddress,
  serviceId: message.serviceId,
  sessionId: message.sessionId,
  sessionStartBlockHeight: message.sessionStartBlockHeight,
  sessionEndBlockHeight: message.sessionEndBlockHeight
})

/** The wire message of a header. */
export const headerToMessage = (header: SessionHeader): SessionHeaderMessage => create(SessionHeaderSchema, header)

const missing = (field: string) => new InvalidChainRecord({ record: "Session", field, reason: "is missing" })
