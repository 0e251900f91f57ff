/** What can go wrong on a devnet node's sockets, beside the faults of the node itself (`NodeFaults`). */
import { Effect, Schema } from "effect"
import { wholeNumber } from "../../../domain/chain/WholeNumber.ts"

const field = Schema.optionalKey(wholeNumber(39, "a whole number"))

/** Shared parameters by name, each of them optional. */
export const SharedParamsFields = {
  numBlocksPerSession: field,
  gracePeriodEndOffsetBlocks: field,
  claimWindowOpenOffsetBlocks: field,
  claimWindowCloseOffsetBlocks: field,
  proofWindowOpenOffsetBlocks: field,
  proofWindowCloseOffsetBlocks: field,
  supplierUnbondingPeriodSessions: field,
  applicationUnbondingPeriodSessions: field,
  gatewayUnbondingPeriodSessions: field,
  computeUnitsToTokensMultiplier: field,
  computeUnitCostGranularity: field
}

/** The switches of one node's wire; `noWireFaults` is how it starts. */
export const WireFaults = Schema.Struct({
  /** Open connections are cut, and new ones as soon as they are accepted. */
  dropConnections: Schema.Boolean,
  /** Chain id that the node claims instead of its own. */
  wrongChainId: Schema.NullOr(Schema.String),
  /** Every broadcast is refused: sdk 11. */
  outOfGas: Schema.Boolean,
  /** Every broadcast is refused: sdk 20, over JSON-RPC its error. */
  mempoolFull: Schema.Boolean,
  /** Blocks, results and states below this height are gone. Decimal text in JSON. */
  prunedBelow: Schema.BigIntFromString,
  /** Milliseconds that every answer waits. */
  slowMillis: Schema.Int,
  /** Bytes by which every answer is too long. */
  oversizedBytes: Schema.Int,
  /** Answers are bytes that mean nothing. */
  garbage: Schema.Boolean,
  /** Heights that the node adds to the one it has, wherever it tells its own. Decimal text in JSON. */
  heightLie: Schema.BigIntFromString,
  /** gRPC paths, such as `/pocket.proof.Query/AllClaims`, that the node does not know. */
  unimplemented: Schema.Array(Schema.String),
  /** Fields of the shared parameters that the node tells otherwise, at every height; the chain itself goes by its own. */
  sharedParams: Schema.Struct(SharedParamsFields),
  /** No look-ups of transactions by hash or event. */
  txIndexOff: Schema.Boolean
})
export type WireFaults = typeof WireFaults.Type

/** A wire without faults. */
export const noWireFaults: WireFaults = {
  dropConnections: false,
  wrongChainId: null,
  outOfGas: false,
  mempoolFull: false,
  prunedBelow: 0n,
  slowMillis: 0,
  oversizedBytes: 0,
  garbage: false,
  heightLie: 0n,
  unimplemented: [],
  sharedParams: {},
  txIndexOff: false
}

/** What stands for an answer while `garbage` is on. */
export const GARBAGE = Uint8Array.from([0xff, 0x00, 0xfe, 0x80, 0x0b, 0x7f, 0xc3, 0x28])

/** Waits as long as answers are slow. */
export const slowness = ({ slowMillis }: WireFaults): Effect.Effect<void> =>
  slowMillis > 0 ? Effect.sleep(slowMillis) : Effect.void

/** So many equal bytes between a head and a tail: made once, since several are under way at the same time. */
export const padding = (head: Uint8Array, filler: number, size: number, tail: Uint8Array): Uint8Array => {
  const bytes = Buffer.alloc(head.length + size + tail.length, filler)
  bytes.set(head)
  bytes.set(tail, head.length + size)
  return bytes
}
