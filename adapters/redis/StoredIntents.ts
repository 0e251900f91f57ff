/** Transactions that are about to be broadcast, as `M:intent:<session end>` keeps them: one JSON for each hash. */
import { Duration, Schema } from "effect"
import type { TxIntent } from "../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../domain/protocol/Identifiers.ts"

const IntentJson = Schema.fromJsonString(
  Schema.toCodecJson(
    Schema.Struct({
      txHash: Schema.String,
      kind: Schema.Literals(["claim", "proof"]),
      sessions: Schema.Array(Schema.Struct({ session: SessionId, root: Schema.Uint8ArrayFromHex })),
      sessionEnd: Schema.BigIntFromString,
      windowCloses: Schema.BigIntFromString,
      timeoutUnixNano: Schema.BigIntFromString,
      txBytes: Schema.Uint8ArrayFromBase64
    })
  )
)

const encode = Schema.encodeSync(IntentJson)

/** Decodes an intent; fields of later versions are passed over. */
export const intentFrom = Schema.decodeUnknownResult(IntentJson)

/** JSON of an intent. */
export const intentText = (intent: TxIntent): string => encode(intent)

/** How many times slower than configured blocks may be before an intent could expire within its window. */
const SLOWEST_BLOCKS = 8n

/**
 * Life of an intent: until an hour after its window has closed, even if blocks are eight times slower than `blockTime`.
 * Its end is no event: an intent whose fate is known is dropped long before.
 */
export const intentLife = (intent: TxIntent, blockTime: Duration.Duration): Duration.Duration => {
  const blocks = intent.windowCloses > intent.sessionEnd ? intent.windowCloses - intent.sessionEnd : 1n
  return Duration.sum(Duration.times(blockTime, Number(blocks * SLOWEST_BLOCKS)), Duration.hours(1))
}
