import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import {
  type Refusal,
  refusalError,
  refusals,
  refusalText,
  type RefusalCause
} from "../../../domain/relay/RelayRefusal.ts"

const rows = Object.entries<Refusal>(refusals) as ReadonlyArray<[RefusalCause, Refusal]> // keys of a literal table

/** Words for which gateways punish a supplier wherever they appear in an answer. */
const costly = [
  "service endpoint not handled by relayer proxy",
  "not configured",
  "connection refused",
  "unexpected eof",
  "no such host",
  "tls",
  "http ",
  "proto: illegal wiretype",
  "bad gateway",
  "service unavailable"
]

describe("the refusal table", () => {
  it("is the one that operators read", () => {
    const documented = readFileSync(new URL("../../../docs/refusals.md", import.meta.url), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) =>
        line
          .split("|")
          .slice(1, 6)
          .map((cell) => cell.trim())
          .join(" | ")
      )
    assert.deepStrictEqual(
      documented,
      rows.map(([cause, { status, text, code, plainOnly }]) =>
        [
          `\`${cause}\``,
          status,
          text,
          plainOnly === true ? "–" : (code ?? `relaymill ${status}`),
          plainOnly === true ? "plain" : "signed"
        ].join(" | ")
      )
    )
  })

  for (const [cause, row] of rows) {
    it(`${cause} avoids the words that cost reputation`, () => {
      for (const word of costly) assert.notInclude(row.text.toLowerCase(), word)
    })
  }

  it("puts the limit into texts about size", () => {
    assert.strictEqual(refusalText("service_body_too_large", 1_024), "request body is larger than 1024 bytes")
    assert.strictEqual(refusalText("backend_answer_too_large", 7), "backend answer is larger than 7 bytes")
  })

  it("gives network codes in the network's codespace and others in its own", () => {
    assert.deepInclude(refusalError("over_limit", undefined), { codespace: "relayer_proxy", code: 7 })
    assert.deepInclude(refusalError("seen_before", undefined), { codespace: "relaymill", code: 409 })
  })
})
