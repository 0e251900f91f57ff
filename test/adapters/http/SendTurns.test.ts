import { assert, describe, it } from "@effect/vitest"
import { makeSendTurns } from "../../../adapters/http/SendTurns.ts"

describe("turns of sending", () => {
  it("send after the turn at hand and before the next, in order", async () => {
    const sends = makeSendTurns()
    const events: Array<string> = []
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        setImmediate(() => {
          events.push("next turn")
          resolve()
        })
        sends(() => {
          events.push("first")
          sends(() => events.push("third"))
        })
        sends(() => events.push("second"))
        events.push("end of the turn")
      })
    })
    assert.deepStrictEqual(events, ["end of the turn", "first", "second", "third", "next turn"])
  })
})
