/** Pages of a listing, as the SDK cuts them. Source: cosmos-sdk `types/query/pagination.go`. */
import { create } from "@bufbuild/protobuf"
import { Result } from "effect"
import {
  type PageRequest,
  type PageResponse,
  PageResponseSchema
} from "../../../domain/chain/proto/cosmos/pagination_pb.ts"
import { bytesToText, textToBytes } from "../../../domain/wire/ByteText.ts"
import { failure, GRPC, type QueryFailure } from "./QueryFailure.ts"

/** Entries of a page without a limit of its own. */
const DEFAULT_LIMIT = 100n

/** An entry under its store key, which is unique and orders the listing. */
export interface Entry<A> {
  readonly key: string
  readonly value: A
}

/** One page of the entries, in any order given, and where the next one starts. */
export const paginate = <A>(
  entries: ReadonlyArray<Entry<A>>,
  request: PageRequest | undefined
): Result.Result<{ readonly values: ReadonlyArray<A>; readonly pagination: PageResponse }, QueryFailure> => {
  const key = bytesToText(request?.key ?? new Uint8Array(0))
  const offset = request?.offset ?? 0n
  if (key !== "" && offset > 0n) {
    return Result.fail(failure(GRPC.internal, "invalid request, either offset or key is expected, got both"))
  }
  const unlimited = (request?.limit ?? 0n) === 0n
  const limit = unlimited ? DEFAULT_LIMIT : (request?.limit ?? DEFAULT_LIMIT)
  const reverse = request?.reverse ?? false
  const ordered = entries.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  if (reverse) ordered.reverse()
  const found = ordered.findIndex((entry) => (reverse ? entry.key <= key : entry.key >= key))
  const start = key === "" ? Number(offset) : found < 0 ? ordered.length : found
  const end = BigInt(start) + limit
  const next = end < BigInt(ordered.length) ? ordered[Number(end)] : undefined
  const counts = key === "" && (unlimited || request?.countTotal === true)
  return Result.succeed({
    values: ordered.slice(start, next === undefined ? undefined : Number(end)).map(({ value }) => value),
    pagination: create(PageResponseSchema, {
      nextKey: textToBytes(next?.key ?? ""),
      total: counts ? BigInt(ordered.length) : 0n
    })
  })
}
