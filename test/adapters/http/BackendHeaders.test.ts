import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { type ConfiguredHeaders, requestHeaders } from "../../../adapters/http/BackendHeaders.ts"
import type { HttpHeader } from "../../../domain/relay/PoktHttp.ts"
import { fromUtf8 } from "../../../domain/wire/ByteText.ts"

const none: ConfiguredHeaders = { headers: {}, authorization: undefined }

/** Lines as `name: value`, without the four that every request gets. */
const made = (
  inner: ReadonlyArray<HttpHeader>,
  outerHeaders: Readonly<Record<string, string>> = {},
  configured = none
): ReadonlyArray<string> => {
  const flat = requestHeaders(
    {
      service: "svc" as never, // a brand over any text
      rpcType: "jsonrpc",
      payload: { method: "POST", url: "", headers: inner, body: new Uint8Array() },
      outerHeaders,
      supplier: "pokt1supplier",
      application: "pokt1application"
    },
    configured
  )
  const lines: Array<string> = []
  for (let i = 0; i < flat.length; i += 2) lines.push(`${flat[i]}: ${flat[i + 1]}`)
  return lines
}

const always = [
  "accept-encoding: identity",
  "pocket-supplier: pokt1supplier",
  "pocket-service: svc",
  "pocket-application: pokt1application"
]

describe("headers of a backend request", () => {
  it("say who is served and ask for an unencoded answer", () => {
    assert.deepStrictEqual(made([]), always)
  })

  it("leave out what Connection names, however much that is", () => {
    const named = Array.from({ length: 300_000 }, (_, i) => `x-${i}`).join(",")
    const inner = [
      { key: "Connection", values: [named] },
      { key: "X-299999", values: ["a"] },
      { key: "X-Kept", values: ["b"] }
    ]
    assert.deepStrictEqual(made(inner), ["x-kept: b", ...always])
  })

  it("keep every value of a signed header in order", () => {
    assert.deepStrictEqual(made([{ key: "X-Many", values: ["a", "b, c", ""] }]), [
      "x-many: a",
      "x-many: b, c",
      "x-many: ",
      ...always
    ])
  })

  it("take from the outer request what the signed one leaves open, never its protobuf content type", () => {
    const outer = { "content-type": "application/json", accept: "*/*", "user-agent": "gateway", cookie: "x" }
    assert.deepStrictEqual(made([], outer), [
      "content-type: application/json",
      "accept: */*",
      "user-agent: gateway",
      ...always
    ])
    assert.deepStrictEqual(made([{ key: "Content-Type", values: ["text/plain"] }], outer).slice(0, 1), [
      "content-type: text/plain"
    ])
    assert.deepStrictEqual(made([], { "content-type": "application/x-protobuf" }), always)
  })

  it("let nobody but the operator and this relayer say who is served or with which credentials", () => {
    const inner = [
      { key: "Authorization", values: ["signed"] },
      { key: "Pocket-Supplier", values: ["pokt1other"] },
      { key: "accept-ENCODING", values: ["gzip"] }
    ]
    const lines = made(
      inner,
      { "pocket-service": "other", "pocket-anything": "x" },
      { headers: { "X-Key": "1" }, authorization: Redacted.make("Bearer token") }
    )
    assert.sameMembers([...lines], ["authorization: Bearer token", "x-key: 1", ...always])
  })

  it("leave out what belongs to a connection, and what its `Connection` names", () => {
    const inner = [
      "Connection",
      "Keep-Alive",
      "Proxy-Connection",
      "Proxy-Authorization",
      "TE",
      "Trailer",
      "Transfer-Encoding",
      "Upgrade",
      "Host",
      "Content-Length",
      "Expect"
    ].map((key) => ({ key, values: ["x-private, close"] }))
    assert.deepStrictEqual(made([{ key: "X-Private", values: ["1"] }, ...inner]), always)
  })

  it("leave out names and values that HTTP cannot carry", () => {
    assert.deepStrictEqual(
      made([
        { key: "bad name", values: ["1"] },
        { key: "", values: ["1"] },
        { key: "x-a", values: ["ok", "line\r\nbreak: 1", "nul\u0000"] },
        { key: "x-b", values: [fromUtf8("ü")] }
      ]),
      ["x-a: ok", `x-b: ${fromUtf8("ü")}`, ...always]
    )
  })
})
