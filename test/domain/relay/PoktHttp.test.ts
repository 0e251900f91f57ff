import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import * as SupplierSignature from "../../../domain/keys/SupplierSignature.ts"
import * as HeaderName from "../../../domain/relay/HeaderName.ts"
import {
  decodeHttpRequest,
  decodeHttpResponse,
  encodeHttpError,
  encodeHttpRequest,
  encodeHttpResponse,
  type HttpHeader,
  type HttpResponsePayload
} from "../../../domain/relay/PoktHttp.ts"
import {
  buildResponse,
  encodeRelayResponse,
  responseSignableHash,
  withSignature
} from "../../../domain/relay/RelayResponse.ts"
import { bytesToText, fromUtf8 } from "../../../domain/wire/ByteText.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { ascii, bytesField, join, tag, textField, varint, varintField } from "../wire/WireBytes.ts"
import { headersOf, http } from "./HttpVectors.ts"
import { headerOf } from "./RelayVectors.ts"

const sorted = (headers: ReadonlyArray<HttpHeader>): ReadonlyArray<HttpHeader> =>
  headers.toSorted((left, right) => (left.key < right.key ? -1 : 1))

const aResponse = (changes: Partial<HttpResponsePayload> = {}): HttpResponsePayload => ({
  statusCode: 200,
  headers: [],
  body: new Uint8Array(0),
  ...changes
})

const encoded = (response: HttpResponsePayload): string => toHex(Result.getOrThrow(encodeHttpResponse(response)))

/** One entry of the header map. */
const entry = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => bytesField(2, join(...parts))

const headersIn = (...entries: ReadonlyArray<Uint8Array>): ReadonlyArray<HttpHeader> =>
  Result.getOrThrow(decodeHttpResponse(join(...entries))).headers

describe("POKTHTTPRequest", () => {
  for (const vector of http.requests) {
    it(`encodes and decodes as Go does: ${vector.name}`, () => {
      const request = {
        method: vector.method ?? "",
        url: fromUtf8(vector.url ?? ""),
        headers: headersOf(vector.headers),
        body: hex(vector.body_hex)
      }
      assert.strictEqual(toHex(Result.getOrThrow(encodeHttpRequest(request))), vector.bytes_hex)
      const decoded = Result.getOrThrow(decodeHttpRequest(hex(vector.bytes_hex)))
      assert.deepStrictEqual(decoded, { ...request, headers: sorted(request.headers) })
    })
  }

  it("decodes zero bytes as an empty request", () => {
    const empty = { method: "", headers: [], url: "", body: new Uint8Array(0) }
    assert.deepStrictEqual(Result.getOrThrow(decodeHttpRequest(new Uint8Array(0))), empty)
    assert.strictEqual(toHex(Result.getOrThrow(encodeHttpRequest(empty))), "")
  })

  it("refuses to encode text that is not UTF-8 and names it", () => {
    const request = { method: "GET", headers: [], url: "", body: new Uint8Array(0) }
    const problem = (changes: Partial<Parameters<typeof encodeHttpRequest>[0]>) => {
      const result = encodeHttpRequest({ ...request, ...changes })
      return Result.isSuccess(result) ? "ok" : result.failure.field
    }
    assert.strictEqual(problem({}), "ok")
    assert.strictEqual(problem({ method: "\u00ff" }), "POKTHTTPRequest.method")
    assert.strictEqual(problem({ url: "\u00ff" }), "POKTHTTPRequest.url")
    assert.strictEqual(problem({ headers: [{ key: "\u00ff", values: [] }] }), "POKTHTTPRequest.header.key")
    assert.strictEqual(
      problem({ headers: [{ key: "a", values: ["b", "\u00ff"] }] }),
      "POKTHTTPRequest.header.value.values"
    )
  })
})

describe("POKTHTTPResponse", () => {
  for (const vector of http.responses) {
    it(`encodes and decodes as Go does: ${vector.name}`, () => {
      const response = {
        statusCode: vector.status_code ?? 0,
        headers: headersOf(vector.headers),
        body: hex(vector.body_hex)
      }
      assert.strictEqual(encoded(response), vector.bytes_hex)
      const decoded = Result.getOrThrow(decodeHttpResponse(hex(vector.bytes_hex)))
      assert.deepStrictEqual(decoded, { ...response, headers: sorted(response.headers) })
    })
  }

  for (const vector of http.signed) {
    it(`wraps and signs as Go does: ${vector.name}`, () => {
      // Go reads the values through the canonical name, so a map key that is not canonical keeps none.
      const headers = headersOf(vector.headers).map(({ key, values }) => ({
        key,
        values: HeaderName.canonical(key) === key ? values : []
      }))
      const payload = Result.getOrThrow(
        encodeHttpResponse({ statusCode: vector.status_code, headers, body: hex(vector.body_hex) })
      )
      assert.strictEqual(toHex(payload), vector.payload_hex)
      const unsigned = Result.getOrThrow(buildResponse({ sessionHeader: headerOf(vector.session_header), payload }))
      const signature = SupplierSignature.sign(hex(vector.supplier_private_key_hex), responseSignableHash(unsigned))
      assert.strictEqual(toHex(encodeRelayResponse(withSignature(unsigned, signature))), vector.response_hex)
    })
  }

  it("sorts entries by bytes, not by UTF-16 units, and does not depend on their order", () => {
    const keys = ["b", "a", "\uffee", "😀", "aa", ""].map(fromUtf8)
    const headers = keys.map((key) => ({ key, values: ["v"] }))
    const bytes = encoded(aResponse({ headers }))
    assert.strictEqual(encoded(aResponse({ headers: headers.toReversed() })), bytes)
    assert.deepStrictEqual(
      Result.getOrThrow(decodeHttpResponse(hex(bytes))).headers.map(({ key }) => key),
      ["", "a", "aa", "b", "\uffee", "😀"].map(fromUtf8)
    )
  })

  it("writes an empty key and an empty header explicitly, and empty values", () => {
    assert.strictEqual(encoded(aResponse({ statusCode: 0, headers: [{ key: "", values: [] }] })), "12040a001200")
    assert.strictEqual(encoded(aResponse({ statusCode: 0, headers: [{ key: "", values: [""] }] })), "12060a0012021200")
  })

  it("writes the last of two headers with the same key", () => {
    const twice = [
      { key: "A", values: ["1"] },
      { key: "A", values: ["2"] }
    ]
    assert.strictEqual(encoded(aResponse({ headers: twice })), encoded(aResponse({ headers: twice.slice(1) })))
  })

  it("takes entries without key or value as empty, and lets a repeated key replace", () => {
    assert.deepStrictEqual(headersIn(entry()), [{ key: "", values: [] }])
    assert.deepStrictEqual(headersIn(entry(textField(1, "A"))), [{ key: "A", values: [] }])
    assert.deepStrictEqual(headersIn(entry(bytesField(2, textField(2, "v")))), [{ key: "", values: ["v"] }])
    const first = entry(textField(1, "A"), bytesField(2, textField(2, "1")))
    assert.deepStrictEqual(headersIn(first, entry(textField(1, "A"), bytesField(2, textField(2, "2")))), [
      { key: "A", values: ["2"] }
    ])
    assert.deepStrictEqual(headersIn(first, entry(textField(1, "A"))), [{ key: "A", values: [] }])
  })

  it("merges a value that comes twice in one entry and takes the last key", () => {
    const parts = [
      textField(1, "A"),
      bytesField(2, textField(2, "1")),
      textField(1, "B"),
      bytesField(2, textField(2, "2"))
    ]
    assert.deepStrictEqual(headersIn(entry(...parts)), [{ key: "B", values: ["1", "2"] }])
  })

  it("uses the map key, not the key inside the header", () => {
    assert.deepStrictEqual(headersIn(entry(textField(1, "A"), bytesField(2, textField(1, "other")))), [
      { key: "A", values: [] }
    ])
  })

  it("skips known fields with a wrong wire type at every level", () => {
    assert.deepStrictEqual(headersIn(varintField(2, 1)), [])
    assert.deepStrictEqual(
      headersIn(entry(varintField(1, 1), textField(1, "A"), varintField(2, 3), bytesField(2, varintField(2, 4)))),
      [{ key: "A", values: [] }]
    )
    const response = Result.getOrThrow(
      decodeHttpResponse(join(varintField(1, 404), textField(1, "x"), bytesField(3, ascii("b")), varintField(3, 1)))
    )
    assert.deepStrictEqual(response, { statusCode: 404, headers: [], body: ascii("b") })
  })

  it("keeps 32 bits of the status", () => {
    const bytes = join(tag(1, 0), varint((5n << 32n) + 418n))
    assert.strictEqual(Result.getOrThrow(decodeHttpResponse(bytes)).statusCode, 418)
  })

  it("refuses keys and values that are not UTF-8 and names them", () => {
    const problem = (bytes: Uint8Array) => {
      const result = decodeHttpResponse(bytes)
      return Result.isSuccess(result) ? "ok" : `${result.failure.field}: ${result.failure.reason}`
    }
    const bad = Uint8Array.of(0xff)
    assert.strictEqual(problem(entry(bytesField(1, bad))), "header.key: not UTF-8")
    assert.strictEqual(problem(entry(bytesField(2, bytesField(1, bad)))), "header.value.key: not UTF-8")
    assert.strictEqual(problem(entry(bytesField(2, bytesField(2, bad)))), "header.value.values: not UTF-8")
    assert.strictEqual(problem(bytesField(3, bad)), "ok")
    assert.strictEqual(problem(entry(bytesField(3, bad))), "ok")
    const result = encodeHttpResponse(aResponse({ headers: [{ key: "A", values: ["\u00ff"] }] }))
    assert.isTrue(Result.isFailure(result))
  })

  it("carries a failure of the relayer as JSON", () => {
    const payload = Result.getOrThrow(decodeHttpResponse(encodeHttpError(503, 'no "backend" é')))
    assert.strictEqual(payload.statusCode, 503)
    assert.deepStrictEqual(payload.headers, [{ key: "Content-Type", values: ["application/json"] }])
    assert.strictEqual(bytesToText(payload.body), fromUtf8('{"error":"no \\"backend\\" é"}'))
  })

  const Text = Schema.String
  const Headers = Schema.Array(Schema.Struct({ key: Text, values: Schema.Array(Text) }))
  it.effect.prop(
    "survives the round trip, its encoding independent of the order of headers",
    { status: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff })), headers: Headers },
    ({ status, headers }) =>
      Effect.sync(() => {
        const unique = Array.from(new Map(headersOf(headers).map((header) => [header.key, header])).values())
        const response = { statusCode: status, headers: unique, body: ascii("body") }
        const bytes = Result.getOrThrow(encodeHttpResponse(response))
        const decoded = Result.getOrThrow(decodeHttpResponse(bytes))
        assert.deepStrictEqual(decoded, { ...response, headers: sorted(unique) })
        assert.strictEqual(encoded({ ...response, headers: unique.toReversed() }), toHex(bytes))
      })
  )
})
