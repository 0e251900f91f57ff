/**
 * The fleet's word that a block was committed, as the Go miner's leader writes it on the channel `events:blocks`. Only a
 * hint: whoever hears it looks at the chain at once, and believes what the chain shows.
 */
import { Context, Effect, Option, Result, Schema, Stream } from "effect"
import { Broadcast } from "../ports/Broadcast.ts"
import type { Block, Blocks } from "../ports/Blocks.ts"
import { formatBlockTime, parseBlockTime } from "./BlockTime.ts"

/** Channel below the fleet's base prefix. */
export const BLOCK_CHANNEL = "events:blocks"

/** Longest announcement that is read, in characters; a real one has about 130. */
const MAX_LENGTH = 1_024

/** A message on the channel that is no announcement. */
export class InvalidAnnouncement extends Schema.TaggedError<InvalidAnnouncement>()("InvalidAnnouncement", {
  reason: Schema.String
}) {
  override get message(): string {
    return `announcement of a block: ${this.reason}`
  }
}

const Announcement = Schema.fromJsonString(
  Schema.Struct({
    height: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
    hash: Schema.Uint8ArrayFromBase64,
    timestamp: Schema.String
  })
)
const decodeText = Schema.decodeUnknownResult(Announcement)
const encodeHash = Schema.encodeSync(Schema.Uint8ArrayFromBase64)

/** JSON `{"height":7,"hash":"<base64>","timestamp":"<RFC 3339>"}`, in the order in which Go writes the fields. */
export const encodeAnnouncement = ({ height, hash, timeUnixNano }: Block): string =>
  `{"height":${height},"hash":"${encodeHash(hash)}","timestamp":"${formatBlockTime(timeUnixNano)}"}`

/** Reads an announcement; unknown fields are ignored. */
export const decodeAnnouncement = (payload: string): Result.Result<Block, InvalidAnnouncement> => {
  const invalid = (reason: string) => Result.fail(new InvalidAnnouncement({ reason }))
  if (payload.length > MAX_LENGTH) return invalid(`${payload.length} characters are too many`)
  const decoded = decodeText(payload)
  if (Result.isFailure(decoded)) return invalid(decoded.failure.message)
  const { height, hash, timestamp } = decoded.success
  const time = parseBlockTime(timestamp)
  if (hash.length !== 32) return invalid(`hash has ${hash.length} bytes instead of 32`)
  if (Option.isNone(time)) return invalid("timestamp is no RFC 3339 time")
  return Result.succeed({ height: BigInt(height), hash, timeUnixNano: time.value })
}

/** Tells the fleet of every block seen here. Losing one costs others the wait for their own node. Never ends. */
export const announceBlocks = (blocks: Blocks["Service"]): Effect.Effect<void, never, Broadcast> =>
  Effect.flatMap(Broadcast, (broadcast) =>
    Stream.runForEach(blocks.changes, (block) =>
      // The next block is announced as well, and every replica follows a node of its own.
      Effect.ignore(broadcast.publish(BLOCK_CHANNEL, encodeAnnouncement(block)))
    )
  )

/** Hands announced blocks to `hint`, which looks at the chain. Malformed messages are somebody else's. Never ends. */
export const followAnnouncements = (
  hint: (block: Block) => Effect.Effect<void>
): Effect.Effect<void, never, Broadcast> =>
  Effect.flatMap(Broadcast, (broadcast) =>
    Stream.runForEach(broadcast.subscribe(BLOCK_CHANNEL), (payload) =>
      Result.match(decodeAnnouncement(payload), { onFailure: () => Effect.void, onSuccess: hint })
    )
  )

/** What an announced block makes the chain's client do; nothing where the chain is in this process. */
export const BlockHint = Context.Reference<(block: Block) => Effect.Effect<void>>("relaymill/domain/chain/BlockHint", {
  defaultValue: () => () => Effect.void
})
