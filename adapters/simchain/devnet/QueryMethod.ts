/** Queries of the chain's modules over a committed state: by gRPC path, from request bytes to answer bytes. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary
} from "@bufbuild/protobuf"
import { Result } from "effect"
import { decodeAddress } from "../../../domain/keys/Address.ts"
import { type ChainState } from "../ChainState.ts"
import { failure, GRPC, type QueryFailure, sdkFailure } from "./QueryFailure.ts"

/** Answers one method. */
export type QueryMethod = (state: ChainState, request: Uint8Array) => Result.Result<Uint8Array, QueryFailure>

type Answer<Response extends DescMessage> = Result.Result<MessageInitShape<Response>, QueryFailure>

/** A method of these messages. */
export const method =
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

/** There is no such record. */
export const notFound = (text: string) => Result.fail(failure(GRPC.notFound, text))

/** The request itself is wrong. */
export const invalid = (text: string) => Result.fail(failure(GRPC.invalidArgument, text))

/** Whether the chain takes the text for an address. */
export const isAddress = (text: string): boolean => Result.isSuccess(decodeAddress(text))

/** A height of an `…AtHeight` question. */
export const heightOf = (height: bigint): Result.Result<bigint, QueryFailure> =>
  height < 0n ? invalid(`invalid height ${height}: must not be negative`) : Result.succeed(height)
