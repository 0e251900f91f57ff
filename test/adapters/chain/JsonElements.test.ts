/** Elements of chosen arrays, whatever the pieces in which the text comes. */
import { assert, describe, it } from "@effect/vitest"
import { JsonElements, JsonTooLarge } from "../../../adapters/chain/JsonElements.ts"

const EVENTS = "result.txs_results[].events[]"
const END = "result.finalize_block_events[]"

/** Elements as path and value, the text cut every `size` bytes. */
const elementsOf = (text: string, size: number, paths: ReadonlyArray<string> = [EVENTS, END], most = 1_000) => {
  const reader = new JsonElements(paths, most)
  const bytes = new TextEncoder().encode(text)
  const found: Array<readonly [string, unknown]> = []
  for (let at = 0; at < bytes.length; at += size) {
    for (const { path, bytes: element } of reader.write(bytes.subarray(at, at + size))) {
      found.push([path, JSON.parse(new TextDecoder().decode(element))])
    }
  }
  return { found, ended: reader.ended }
}

const answer = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  result: {
    height: "7",
    txs_results: [
      { code: 0, data: null, log: 'a "quoted" \\ text with ] and }', events: [{ type: "é", attributes: [] }] },
      { code: 5, events: null, decoy: { events: [{ no: 1 }] } },
      { events: [{ type: "b", attributes: [{ key: "result.txs_results[].events[]", value: '{"events":[1]}' }] }] }
    ],
    events: [{ no: 2 }],
    finalize_block_events: [{ type: "c" }, { type: "d" }],
    app_hash: ""
  }
})

describe("elements of a JSON text", () => {
  it("come in order, wherever the text is cut", () => {
    const expected: ReadonlyArray<readonly [string, unknown]> = [
      [EVENTS, { type: "é", attributes: [] }],
      [EVENTS, { type: "b", attributes: [{ key: "result.txs_results[].events[]", value: '{"events":[1]}' }] }],
      [END, { type: "c" }],
      [END, { type: "d" }]
    ]
    for (const size of [1, 2, 3, 7, 64, 100_000]) {
      assert.deepStrictEqual(elementsOf(answer, size), { found: [...expected], ended: true }, `pieces of ${size}`)
    }
  })

  it("may be whole elements of an outer array, with white space between", () => {
    const spaced = JSON.stringify(JSON.parse(answer), null, 2)
    const { found } = elementsOf(spaced, 5, ["result.txs_results[]"])
    assert.strictEqual(found.length, 3)
    assert.deepInclude(found[1]?.[1] as object, { code: 5 })
  })

  it("may be short strings", () => {
    const reader = new JsonElements(["result.height"], 100)
    const found = reader.write(new TextEncoder().encode(answer))
    assert.deepStrictEqual(
      found.map(({ bytes }) => new TextDecoder().decode(bytes)),
      ["7"]
    )
  })

  it("are refused above their size, and so is a text that nests without end", () => {
    assert.throws(() => elementsOf(answer, 10, [EVENTS], 20), JsonTooLarge)
    assert.throws(() => elementsOf("[".repeat(1_000), 10), JsonTooLarge)
  })

  it("are not complete when the text is cut off", () => {
    assert.strictEqual(elementsOf(answer.slice(0, -5), 11).ended, false)
    assert.strictEqual(elementsOf("no json at all", 3).ended, false)
  })
})
