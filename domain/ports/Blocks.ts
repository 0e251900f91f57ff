/** Committed blocks of the chain, newest first seen: the only source of height and block time. */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"

/** One committed block. */
export interface Block {
  /** Height of the block, ≥ 1. */
  readonly height: bigint
  /** CometBFT `BlockID.Hash` of this very block: 32 raw bytes. Seeds session ids, proof requirement and proof path. */
  readonly hash: Uint8Array
  /** Header time in nanoseconds since the Unix epoch. Anchors transaction time-outs; not the wall clock. */
  readonly timeUnixNano: bigint
}

/** The chain cannot be read now: "cannot decide", never "absent". Worth a retry. */
export class ChainUnavailable extends Schema.TaggedError<ChainUnavailable>()("ChainUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const why = this.cause instanceof Error ? `: ${this.cause.message}` : ""
    return `the chain did not answer ${this.operation}${why}`
  }
}

/**
 * Laws: `latest` never goes back; `changes` starts with the newest known block and is strictly increasing in height,
 * but may skip heights when blocks come faster than they are taken (level-triggered readers only).
 */
export class Blocks extends Context.Service<
  Blocks,
  {
    /** Newest committed block seen by this process. Fails only until the first block was seen. Cheap: no round trip. */
    readonly latest: Effect.Effect<Block, ChainUnavailable>
    /** The same without an effect, for what is done for each relay; none until the first block was seen. */
    readonly peek: () => Block | undefined
    /** The block at `height`; none when it is not committed yet or pruned. */
    readonly at: (height: bigint) => Effect.Effect<Option.Option<Block>, ChainUnavailable>
    /** Newest block, then each newer one. Reconnects by itself; ends only with its scope. */
    readonly changes: Stream.Stream<Block>
  }
>()("relaymill/domain/ports/Blocks") {}
