/** Whether blocks come in their time: windows are counted in blocks, time-outs in seconds, and both are planned together. */
import { Duration, Effect, Metric, Option, Stream } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { type Block, Blocks } from "../ports/Blocks.ts"
import type { BlockHealthSettings } from "./MonitorSettings.ts"
import { type Notices, whileNoticing } from "./Notices.ts"

const slowBlocks = Metric.counter("ha_miner_fullnode_slow_blocks_total", {
  description: "Blocks that came later than expected",
  incremental: true
})
const slowInARow = Metric.gauge("ha_miner_fullnode_slow_blocks_consecutive", {
  description: "Slow blocks since the last one in time"
})

/** Slow blocks in a row after which it is said, once. */
const SAID_AFTER = 3
const NAME = "block health monitor"

/** Slow blocks in a row after `next` came after `previous`: all between count as the mean of their time. */
export const slowAfter = (
  inARow: number,
  previous: Pick<Block, "height" | "timeUnixNano">,
  next: Pick<Block, "height" | "timeUnixNano">,
  limit: Duration.Duration
): number => {
  const blocks = next.height - previous.height
  if (blocks <= 0n) return inARow
  return next.timeUnixNano - previous.timeUnixNano > nanosOf(limit) * blocks ? inARow + Number(blocks) : 0
}

/** Watches every block that is seen. Ends with its fiber only. */
export const watchBlockHealth = Effect.fnUntraced(function* (
  { slowAfter: limit }: BlockHealthSettings,
  notices: Notices
) {
  const blocks = yield* Blocks
  let previous: Option.Option<Block> = Option.none()
  let inARow = 0
  const watch = Effect.fnUntraced(function* (block: Block) {
    const before = previous
    previous = Option.some(block)
    if (Option.isNone(before)) return
    const was = inARow
    inARow = slowAfter(was, before.value, block, limit)
    yield* Metric.update(slowInARow, inARow)
    if (inARow > was) yield* Metric.update(slowBlocks, inARow - was)
    if (inARow >= SAID_AFTER && was < SAID_AFTER) {
      const sentence = `blocks come slowly, ${inARow} in a row took more than ${Duration.toSeconds(limit)} s`
      yield* Effect.logWarning(sentence).pipe(Effect.annotateLogs({ height: block.height }))
      yield* notices.set(NAME, [`${sentence}: check the node, and block_time_seconds`])
    } else if (inARow === 0 && was >= SAID_AFTER) {
      yield* Effect.logInfo("blocks come in time again").pipe(Effect.annotateLogs({ height: block.height }))
      yield* notices.set(NAME, [])
    }
  })
  yield* Stream.runForEach(blocks.changes, watch).pipe(
    whileNoticing(notices, NAME),
    Effect.annotateLogs({ monitor: NAME })
  )
})
