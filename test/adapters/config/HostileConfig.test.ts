import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { decode } from "../../../adapters/config/ConfigFile.ts"
import type { ConfigRow, Reader } from "../../../adapters/config/ConfigReader.ts"
import { minerConfig } from "../../../adapters/config/MinerConfig.ts"
import { relayerConfig } from "../../../adapters/config/RelayerConfig.ts"

const names: Readonly<Record<string, string>> = {
  "<id>": "eth",
  "<transport>": "jsonrpc",
  "<name>": "X-Name",
  "<service>": "eth"
}

/** A file that sets one key of the reference to `value`, and the place of that key in it. */
const fileWith = (row: ConfigRow, value: string): { readonly text: string; readonly place: string } => {
  const segments = row.place.split(".").map((segment) => names[segment] ?? segment)
  const text = segments.reduceRight((inner, segment) => {
    const lists = segment.match(/\[\]/g)?.length ?? 0
    return `{ ${segment.replaceAll("[]", "")}: ${"[".repeat(lists)}${inner}${"]".repeat(lists)} }`
  }, value)
  return { text, place: segments.join(".").replaceAll("[]", "[0]") }
}

const problemsAt = (reader: Reader<unknown>, text: string, place: string): number => {
  const decoded = decode<unknown>(reader, "config.yaml", text)
  return Result.isFailure(decoded) && decoded.failure._tag === "ConfigInvalid"
    ? decoded.failure.problems.filter((problem) => problem.place.startsWith(place)).length
    : 0
}

const fleet = [
  ["relayer", relayerConfig],
  ["miner", minerConfig]
] as const

for (const [process, reader] of fleet) {
  const keys = reader.rows("").filter((row) => row.status !== "ignored" && !/^simulation\.(?!enabled)/.test(row.place))

  describe(`hostile files of a ${process}`, () => {
    it("names each key that holds a mapping or a list instead of a value", () => {
      for (const row of keys) {
        for (const value of ["{ a: { b: 1 } }", "[[1]]"]) {
          const { text, place } = fileWith(row, value)
          assert.isAbove(problemsAt(reader, text, place), 0, text)
        }
      }
    })

    it("reads every key with any text and any kind of nothing without a defect", () => {
      for (const row of keys) {
        for (const value of [
          "''",
          "~",
          "",
          '"\\0"',
          "-1",
          "1e999",
          '"\\ud800"',
          "0x",
          `"${"9".repeat(5000)}"`,
          "%%",
          "'[::1'"
        ]) {
          const { text } = fileWith(row, value.startsWith("%") ? `"${value}"` : value)
          assert.isTrue(Result.isResult(decode<unknown>(reader, "config.yaml", text)), text)
        }
      }
    })

    it("keeps problems to one readable line each", () => {
      for (const row of keys) {
        const decoded = decode<unknown>(
          reader,
          "config.yaml",
          fileWith(row, `"${"x".repeat(3000)}\\n\\e[31m\\x9b"`).text
        )
        const sentences =
          Result.isFailure(decoded) && decoded.failure._tag === "ConfigInvalid" ? decoded.failure.problems : []
        for (const { sentence } of sentences) {
          assert.isBelow(sentence.length, 400, row.place)
          // eslint-disable-next-line no-control-regex
          assert.notMatch(sentence, /[\u0000-\u001f\u007f-\u009f]/, row.place)
        }
      }
    })

    it.prop("survives any text", { text: Schema.String }, ({ text }) => {
      assert.isTrue(Result.isResult(decode<unknown>(reader, "config.yaml", text)))
      assert.isTrue(
        Result.isResult(
          decode<unknown>(reader, "config.yaml", `services:\n  ${JSON.stringify(text)}:\n    backends: ${text}`)
        )
      )
    })
  })
}
