/** Failures of queries with their gRPC status and the ABCI code that an RPC client sees for the same. */

import { status } from "@grpc/grpc-js"

/** gRPC status codes that a node answers. */
export const GRPC = {
  unknown: status.UNKNOWN,
  invalidArgument: status.INVALID_ARGUMENT,
  notFound: status.NOT_FOUND,
  failedPrecondition: status.FAILED_PRECONDITION,
  unimplemented: status.UNIMPLEMENTED,
  internal: status.INTERNAL
} as const

/** Names of those codes in Go's texts. */
const NAMES: Readonly<Record<number, string>> = {
  2: "Unknown",
  3: "InvalidArgument",
  5: "NotFound",
  9: "FailedPrecondition",
  12: "Unimplemented",
  13: "Internal"
}

/** A query that failed. `sdk` is set where the SDK's own error with this code reaches the client. */
export interface QueryFailure {
  readonly status: status
  readonly text: string
  readonly sdk?: number
}

/** A handler's failure with a gRPC status. */
export const failure = (code: status, text: string): QueryFailure => ({ status: code, text })

/** An error of the SDK before a handler runs: gRPC Unknown with the code in its text. */
export const sdkFailure = (code: number, text: string): QueryFailure => ({ status: GRPC.unknown, text, sdk: code })

/** What a gRPC client reads as the status message. */
export const grpcText = ({ sdk, text }: QueryFailure): string =>
  sdk === undefined ? text : `codespace sdk code ${sdk}: ${text}`

/** Code and log of the same failure in an `abci_query` answer. Source: cosmos-sdk `baseapp/abci.go`, gRPCErrorToSDKError. */
export const abciAnswer = (failed: QueryFailure): { readonly code: number; readonly log: string } => {
  if (failed.sdk !== undefined) return { code: failed.sdk, log: failed.text }
  const error = `rpc error: code = ${NAMES[failed.status] ?? "Unknown"} desc = ${failed.text}`
  switch (failed.status) {
    case GRPC.notFound:
      return { code: 22, log: `${error}: key not found` }
    case GRPC.invalidArgument:
    case GRPC.failedPrecondition:
      return { code: 18, log: `${error}: invalid request` }
    case GRPC.unimplemented:
      return { code: 6, log: "unknown query path: unknown request" }
    default:
      return { code: 6, log: `${error}: unknown request` }
  }
}
