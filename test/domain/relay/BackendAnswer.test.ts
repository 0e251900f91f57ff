import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  type BackendAnswer,
  type HeaderLine,
  httpResponseOf,
  isGzip,
  responsePayload
} from "../../../domain/relay/BackendAnswer.ts"
import * as HeaderName from "../../../domain/relay/HeaderName.ts"
import { decodeHttpResponse } from "../../../domain/relay/PoktHttp.ts"
import { fromUtf8 } from "../../../domain/wire/ByteText.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { ascii } from "../wire/WireBytes.ts"
import { headersOf, http } from "./HttpVectors.ts"

const anAnswer = (changes: Partial<BackendAnswer> = {}): BackendAnswer => ({
  status: 200,
  rawHeaders: [],
  body: ascii("body"),
  gunzipped: false,
  ...changes
})

const headersFrom = (rawHeaders: ReadonlyArray<HeaderLine>, changes: Partial<BackendAnswer> = {}) =>
  Object.fromEntries(
    httpResponseOf(anAnswer({ rawHeaders, ...changes })).headers.map(({ key, values }) => [key, values])
  )

describe("responsePayload", () => {
  const reachable = http.signed.filter(({ headers }) => headers.every(({ key }) => HeaderName.canonical(key) === key))

  for (const vector of reachable) {
    it(`makes the payload of ${vector.name} from its lines, in whatever case they come`, () => {
      const lines = headersOf(vector.headers).flatMap(({ key, values }) =>
        values.map((value): HeaderLine => [key, value])
      )
      const answer = anAnswer({ status: vector.status_code, rawHeaders: lines, body: hex(vector.body_hex) })
      assert.strictEqual(toHex(responsePayload(answer)), vector.payload_hex)
      const lower = lines.map(([name, value]): HeaderLine => [name.toLowerCase(), ` \t${value} `])
      assert.strictEqual(toHex(responsePayload({ ...answer, rawHeaders: lower })), vector.payload_hex)
    })
  }

  it("joins lines of one name in any spelling, in order, never splitting a value", () => {
    assert.deepStrictEqual(
      headersFrom([
        ["set-cookie", "a=1, b=2"],
        ["Vary", "x"],
        ["SET-COOKIE", "c=3"],
        ["Set-Cookie", ""]
      ]),
      { "Set-Cookie": ["a=1, b=2", "c=3", ""], Vary: ["x"] }
    )
  })

  it("trims spaces and tabs around values only", () => {
    assert.deepStrictEqual(
      headersFrom([
        ["A", " \t x\ty \t"],
        ["B", " \t "]
      ]),
      { A: ["x\ty"], B: [""] }
    )
  })

  it("takes UTF-8 values as they are and transcodes the rest from Latin-1", () => {
    const headers = headersFrom([
      ["A", fromUtf8("ü€")],
      ["B", "\u00fc"],
      ["C", "a\u00c3"]
    ])
    assert.deepStrictEqual(headers, { A: [fromUtf8("ü€")], B: [fromUtf8("ü")], C: [fromUtf8("aÃ")] })
  })

  it("transcodes a name that is not UTF-8", () => {
    assert.deepStrictEqual(headersFrom([["x\u00fc", "1"]]), { [fromUtf8("xü")]: ["1"] })
  })

  it("drops the content encoding of a gunzipped body and corrects its length", () => {
    const lines: ReadonlyArray<HeaderLine> = [
      ["Content-Encoding", "GZIP"],
      ["content-length", "999"],
      ["A", "b"]
    ]
    assert.deepStrictEqual(headersFrom(lines, { gunzipped: true }), { "Content-Length": ["4"], A: ["b"] })
    assert.deepStrictEqual(headersFrom(lines), { "Content-Encoding": ["GZIP"], "Content-Length": ["999"], A: ["b"] })
    assert.deepStrictEqual(headersFrom([["Content-Encoding", "gzip"]], { gunzipped: true }), {})
  })

  it("leaves out framing as Go's client does", () => {
    assert.deepStrictEqual(
      headersFrom([
        ["Transfer-Encoding", "chunked"],
        ["Content-Length", "9"],
        ["Trailer", "X"]
      ]),
      {}
    )
    assert.deepStrictEqual(headersFrom([["Content-Length", "4"]]), { "Content-Length": ["4"] })
    assert.deepStrictEqual(headersFrom([["connection", "Close"]]), {})
    assert.deepStrictEqual(headersFrom([["Connection", "x, close"]]), {})
    assert.deepStrictEqual(headersFrom([["Connection", "keep-alive"]]), { Connection: ["keep-alive"] })
  })

  it("is never empty, whatever the status and with no body", () => {
    for (const status of [200, 204, 304, 599]) {
      const payload = responsePayload(anAnswer({ status, body: new Uint8Array(0) }))
      assert.isAbove(payload.length, 0)
      assert.strictEqual(Result.getOrThrow(decodeHttpResponse(payload)).statusCode, status)
    }
  })
})

describe("isGzip", () => {
  it("reads the first content encoding, in any case", () => {
    assert.isTrue(isGzip([["content-encoding", " GZip "]]))
    assert.isFalse(
      isGzip([
        ["Content-Encoding", "br"],
        ["Content-Encoding", "gzip"]
      ])
    )
    assert.isFalse(isGzip([["Content-Encoding", "gzip, br"]]))
    assert.isFalse(isGzip([["Content-Type", "gzip"]]))
    assert.isFalse(isGzip([]))
  })
})
