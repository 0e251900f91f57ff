/** Tables of the documentation that have to agree with the product: dependencies and metrics. */
import { assert, describe, it } from "@effect/vitest"
import { metricsOf, unreadableMetricsOf } from "./structure/Metrics.ts"
import { readProjectFile, sourceFiles } from "./structure/Sources.ts"

/** Cells of a Markdown page's table rows whose first cell is code, the backquotes taken off. */
const rowsOf = (page: string): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from(page.matchAll(/^\| `([^`]+)` *\|(.*)\|$/gm), ([, name = "", rest = ""]) => [
    name,
    ...rest.split("|").map((cell) => cell.trim())
  ])

const namesOf = (page: string): ReadonlyArray<string> => rowsOf(page).map(([name = ""]) => name)

describe("docs/dependencies.md", () => {
  const page = readProjectFile("docs/dependencies.md")
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(readProjectFile("package.json")) as Record<
    "dependencies" | "devDependencies" | "optionalDependencies",
    Readonly<Record<string, string>>
  >
  const installed = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })

  it("has one line for each dependency and none for others", () => {
    assert.deepStrictEqual(namesOf(page).toSorted(byText), installed.toSorted(byText))
  })

  it("gives a reason for each", () => {
    for (const [name, ...cells] of rowsOf(page)) assert.isAbove(cells.at(-1)?.length ?? 0, 20, name)
  })

  it("pins exact versions", () => {
    const loose = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+$/.test(version)
    )
    assert.deepStrictEqual(loose, [])
  })
})

describe("docs/metrics.md", () => {
  const page = readProjectFile("docs/metrics.md")
  const sources = sourceFiles("domain", "adapters", "layers", "src")
  const uses = sources.flatMap(metricsOf)

  it("has one row for each metric that is constructed, and none for others", () => {
    const names = [...new Set(uses.map(({ name }) => name))]
    assert.deepStrictEqual(namesOf(page).toSorted(byText), names.toSorted(byText))
  })

  it("says type, labels and meaning of each", () => {
    for (const [name, type = "", labels = "", meaning = ""] of rowsOf(page)) {
      assert.include(["counter", "gauge", "histogram"], type, name)
      assert.match(labels, /^(?:—|`\w+`(?:, `\w+`)*)$/, name)
      assert.isAbove(meaning.length, 8, name)
    }
  })

  it("agrees with the names: counters end in _total, others do not", () => {
    const odd = rowsOf(page).filter(([name = "", type]) => name.endsWith("_total") !== (type === "counter"))
    assert.deepStrictEqual(odd, [])
  })

  it("can be compared: every metric's name is a literal, or a prefix and a literal", () => {
    assert.deepStrictEqual(sources.flatMap(unreadableMetricsOf), [])
  })
})

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
