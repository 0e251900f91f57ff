/** All claims of a supplier: page by page from one state, so that none is missed or seen twice while blocks come. */
import { Effect, Result } from "effect"
import * as ClaimRecord from "../../domain/chain/Claim.ts"
import { InvalidChainRecord } from "../../domain/chain/Coin.ts"
import { Query } from "../../domain/chain/proto/pocket/proof_pb.ts"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import type { SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import type { Claim } from "../../domain/tx/ProofMessages.ts"
import type { QueryCalls } from "./QueryCalls.ts"

/** Claims asked for at once, about 250 bytes each. */
const PAGE = 1_000n

/** Pages after which an endpoint that always has another is not followed any more. */
const MAX_PAGES = 500

/** Longest time of all pages; each has the deadline of the pool as well. */
const LONGEST_MILLIS = 30_000

const OPERATION = "claims"

/** Claims of the supplier, ascending by session id. Later pages are read at the height of the first: `notBefore` or later. */
export const readClaims = Effect.fnUntraced(function* (
  calls: QueryCalls,
  supplier: SupplierAddress,
  notBefore: bigint
): Effect.fn.Return<ReadonlyArray<Claim>, ChainUnavailable> {
  const claims: Array<Claim> = []
  const keys = new Set<string>()
  let key: Uint8Array = new Uint8Array(0)
  let height: bigint | undefined
  const until = (yield* monotonicMillis) + LONGEST_MILLIS
  for (let page = 0; page < MAX_PAGES; page++) {
    const { value, height: read } = yield* calls.ask({
      operation: OPERATION,
      method: Query.method.allClaims,
      request: {
        pagination: { key, limit: PAGE },
        filter: { case: "supplierOperatorAddress", value: supplier }
      },
      read: ({ claims: found, pagination }) => {
        const stranger = found.find(({ supplierOperatorAddress }) => supplierOperatorAddress !== supplier)
        return stranger === undefined
          ? Result.succeed({ found: found.map(ClaimRecord.fromMessage), next: pagination?.nextKey })
          : Result.fail(
              new InvalidChainRecord({
                record: "Claim",
                field: "supplier_operator_address",
                reason: `is "${stranger.supplierOperatorAddress}", asked was "${supplier}"`
              })
            )
      },
      ...(height === undefined ? { notBefore } : { height })
    })
    claims.push(...value.found)
    if (value.next === undefined || value.next.length === 0) return claims
    const name = Buffer.from(value.next).toString("hex")
    if (keys.has(name)) return yield* endless(`page key ${name} came twice`)
    keys.add(name)
    key = value.next
    height ??= read
    if ((yield* monotonicMillis) > until) return yield* endless(`page ${page + 1} ended after ${LONGEST_MILLIS} ms`)
  }
  return yield* endless(`more than ${MAX_PAGES} pages`)
})

const endless = (cause: string) => Effect.fail(new ChainUnavailable({ operation: OPERATION, cause }))
