/** Processes of their own: how much garbage V8 lets pile up among old objects while a process mostly waits. */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

/** Keeps some 60 MB and makes old garbage a little at a time; tells the largest heap of the second half in MB. */
const program = (isCalmed: boolean) => `
import { Duration, Effect, Layer } from "effect"
import * as CalmHeap from "${new URL("../../../adapters/process/CalmHeap.ts", import.meta.url).href}"
const piece = () => new Array(40_000).fill(1)
const lives = Array.from({ length: 150 }, piece)
const recent = Array.from({ length: 30 })
let most = 0
const turns = async () => {
  for (let turn = 0; turn < 1_000; turn++) {
    recent[turn % recent.length] = piece()
    if (turn > 300) most = Math.max(most, process.memoryUsage().heapUsed)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return most / 2 ** 20 + (lives.length > 0 ? 0 : 1)
}
const layer = ${isCalmed ? "CalmHeap.layerWith(Duration.millis(100))" : "Layer.empty"}
console.log(await Effect.runPromise(Effect.provide(Effect.promise(turns), layer)))
`

const largestHeap = (isCalmed: boolean) =>
  Effect.promise(async () => {
    const args = ["--input-type=module", "-e", program(isCalmed)]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
    return Number(stdout)
  })

describe("CalmHeap", () => {
  it.live("keeps the heap of a process that mostly waits smaller than V8's own rule does", () =>
    Effect.gen(function* () {
      const [own, calmed] = yield* Effect.all([largestHeap(false), largestHeap(true)], { concurrency: 2 })

      assert.isBelow(calmed, 0.8 * own)
    })
  )
})
