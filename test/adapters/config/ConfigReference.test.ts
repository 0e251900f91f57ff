import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { referenceRows } from "../../../adapters/config/ConfigReference.ts"
import type { Reader } from "../../../adapters/config/ConfigReader.ts"
import { minerConfig, relayersKeys } from "../../../adapters/config/MinerConfig.ts"
import { minersKeys, relayerConfig } from "../../../adapters/config/RelayerConfig.ts"
import { readYaml, type YamlNode } from "../../../adapters/config/YamlSource.ts"
import { fixture } from "./reading.ts"

const document = readFileSync(new URL("../../../docs/config.md", import.meta.url), "utf8")

/** Rows of the table of a process, without the padding that the formatter puts between cells. */
const documented = (process: string): ReadonlyArray<string> => {
  const start = `<!-- ${process} keys -->`
  const from = document.indexOf(start)
  assert.isAtLeast(from, 0, start)
  return document
    .slice(from, document.indexOf("<!-- end -->", from))
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .join(" | ")
        .trim()
    )
}

const topKeys = (reader: Reader<unknown>) => new Set(reader.rows("").map((row) => row.place.split(/[.[]/)[0] ?? ""))

/** Places of a file's scalars, with the operator's own names replaced as in the reference. */
const placesOf = (node: YamlNode, place = ""): ReadonlyArray<string> => {
  const named: ReadonlyArray<readonly [RegExp, string]> = [
    [/^services$/, "<id>"],
    [/\.backends$/, "<transport>"],
    [/\.headers$/, "<name>"],
    [/^(?:timeout|pool)_profiles$/, "<name>"],
    [/^service_factors$/, "<service>"]
  ]
  if (node.kind === "list") return [`${place}[]`, ...node.items.flatMap((item) => placesOf(item, `${place}[]`))]
  if (node.kind !== "mapping") return [place]
  return [...node.entries].flatMap(([name, value]) => {
    const segment = named.find(([pattern]) => pattern.test(place))?.[1] ?? name
    return placesOf(value, place === "" ? segment : `${place}.${segment}`)
  })
}

for (const [process, reader] of [
  ["relayer", relayerConfig],
  ["miner", minerConfig]
] as const) {
  describe(`reference of the ${process}'s keys`, () => {
    it("documents every key of the code and no other", () => {
      assert.deepStrictEqual(documented(process), referenceRows(reader))
    })

    it("names each key once", () => {
      const places = reader.rows("").map((row) => row.place)
      assert.strictEqual(new Set(places).size, places.length)
    })

    it("has an example of every key that is used", () => {
      const source = Result.getOrThrow(readYaml(process, fixture(`${process}.yaml`)))
      const written = new Set(placesOf(source.root))
      const missing = reader.rows("").filter((row) => row.status !== "ignored" && !written.has(row.place))
      assert.deepStrictEqual(
        missing.map((row) => row.place),
        []
      )
    })
  })
}

describe("keys of the other process", () => {
  it("are those that only the other one reads", () => {
    const relayer = topKeys(relayerConfig)
    const miner = topKeys(minerConfig)
    assert.deepStrictEqual([...minersKeys].toSorted(), [...miner].filter((name) => !relayer.has(name)).toSorted())
    assert.deepStrictEqual([...relayersKeys].toSorted(), [...relayer].filter((name) => !miner.has(name)).toSorted())
  })
})
