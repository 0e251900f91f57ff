import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { requestTarget } from "../../../adapters/http/BackendUrl.ts"

const target = (endpoint: string, basePath: string | undefined, signed: string) =>
  Result.match(requestTarget(new URL(endpoint), basePath, signed), {
    onSuccess: (path) => path,
    onFailure: () => "unusable"
  })

const table: ReadonlyArray<readonly [endpoint: string, basePath: string | undefined, signed: string, path: string]> = [
  ["http://node", undefined, "http://supplier.example/", "/"],
  ["http://node/", undefined, "", "/"],
  ["http://node/v1", undefined, "", "/v1"],
  ["http://node/v1/", undefined, "http://supplier.example/", "/v1"],
  ["http://node/v1", undefined, "http://supplier.example/status", "/v1/status"],
  ["http://node/v1", undefined, "http://supplier.example/v1", "/v1"],
  ["http://node/v1", undefined, "http://supplier.example/v1/status", "/v1/status"],
  ["http://node/v1", undefined, "http://supplier.example/v12", "/v1/v12"],
  ["http://node/v1", "/base", "http://supplier.example/status", "/base/status"],
  ["http://node/v1", "/base/", "http://supplier.example/", "/base"],
  ["http://node/v1", "", "http://supplier.example/status", "/v1/status"],
  ["http://node", undefined, "http://supplier.example//", "/"],
  ["http://node", undefined, "http://supplier.example//a///b", "/a/b"],
  ["http://node/v1", undefined, "http://supplier.example/a/../../b", "/v1/b"],
  ["http://node/v1", undefined, "http://supplier.example/v1/../admin", "/v1/admin"],
  ["http://node/v1", undefined, "http://supplier.example/v1/%2e%2e/admin", "/v1/admin"],
  ["http://node", undefined, "ws://other:9999/stream", "/stream"],
  ["http://node", undefined, "wss://other/stream?a=1", "/stream?a=1"],
  ["http://node", undefined, "/only/path?x=1", "/only/path?x=1"],
  ["http://node", undefined, "only/path", "/only/path"],
  ["http://node", undefined, "//evil.example/path", "/path"],
  ["http://node?key=1", undefined, "http://supplier.example/a?b=2&b=3", "/a?key=1&b=2&b=3"],
  ["http://node?key=1", undefined, "", "/?key=1"],
  ["http://node", undefined, "http://supplier.example/a?", "/a"],
  ["http://node", undefined, "http://supplier.example/a b?c d", "/a%20b?c%20d"],
  ["http://node", undefined, "http://supplier.example/a#fragment", "/a"],
  ["http://node", undefined, "http://user:password@supplier.example/a", "/a"],
  ["http://node", undefined, "http://[", "unusable"],
  ["http://node", undefined, "data:text/plain,a b", "unusable"],
  ["http://node", undefined, "javascript:alert(1)", "unusable"],
  ["http://node", undefined, "file:///etc/passwd", "unusable"]
]

describe("where a relay goes at its backend", () => {
  for (const [endpoint, basePath, signed, path] of table) {
    it(`${endpoint}${basePath === undefined ? "" : ` under "${basePath}"`} and "${signed}" make ${path}`, () => {
      assert.strictEqual(target(endpoint, basePath, signed), path)
    })
  }

  /** Texts of path characters, a few thousand of them, the same ones each time. */
  const paths = Array.from({ length: 3_000 }, (_, seed) => {
    let state = seed * 2_654_435_761
    const parts = ["/", "a", "b", ".", "..", "%2e", "//", "v1", "?", "q=1", "&", ";", "é", " "]
    return Array.from({ length: 1 + (seed % 9) }, () => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
      return parts[state % parts.length] ?? ""
    }).join("")
  })

  it("always begins with one slash, keeps below the prefix and holds no character that HTTP refuses", () => {
    for (const path of paths) {
      const made = target("http://node/v1", undefined, `http://supplier.example/${path}`)
      const [before = ""] = made.split("?")
      assert.match(made, /^[\x21-\x7e]+$/)
      assert.isTrue(before === "/v1" || before.startsWith("/v1/"), made)
      assert.notMatch(before, /\/\/|\/\.\.?(\/|$)/)
    }
  })

  it("never adds a prefix twice", () => {
    for (const path of paths) {
      const once = target("http://node/v1", undefined, `http://supplier.example/${path}`)
      assert.strictEqual(target("http://node/v1", undefined, `http://supplier.example${once}`), once)
    }
  })
})
