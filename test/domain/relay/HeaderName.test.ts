import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as HeaderName from "../../../domain/relay/HeaderName.ts"
import { fromUtf8 } from "../../../domain/wire/ByteText.ts"
import { http } from "./HttpVectors.ts"

describe("HeaderName.canonical", () => {
  for (const vector of http.canonical_header_names) {
    it(`names ${JSON.stringify(vector.in)} as Go does`, () => {
      assert.strictEqual(HeaderName.canonical(fromUtf8(vector.in)), fromUtf8(vector.out))
    })
  }

  it("leaves names with any character outside a token unchanged", () => {
    for (const name of ["a:b", "a\tb", "a\u007f", "x-\u00e9", "a\n", "a,b", "(a)"]) {
      assert.strictEqual(HeaderName.canonical(name), name)
    }
  })

  it.effect.prop("is idempotent and ignores the case of ASCII tokens", { name: Schema.String }, ({ name }) =>
    Effect.sync(() => {
      const canonical = HeaderName.canonical(fromUtf8(name))
      assert.strictEqual(HeaderName.canonical(canonical), canonical)
      const token = name.replace(/[^A-Za-z0-9_-]/g, "")
      assert.strictEqual(HeaderName.canonical(token.toUpperCase()), HeaderName.canonical(token.toLowerCase()))
    })
  )
})
