/** Every file says what it is for, and everything it exports says what its type cannot: both are looked for in the source. */
import { assert, describe, it } from "@effect/vitest"
import { readProjectFile, sourceFiles } from "./structure/Sources.ts"

/** A schema's type stands below the schema, under the same name, and shares its comment. */
const TYPE_OF_SCHEMA = /^export type (\w+) = typeof \1\.Type$/
const RE_EXPORT = /^export (?:type )?[{*]/
const MODULE_COMMENT = /^(?:#!.*\n)?\/\*\*/
/** A method or value of a port: a member of the shape that `Context.Service` is given. */
const PORT_MEMBER = /^ {4}readonly \w+:/

/** Places without the comment they need, as `path:line`. */
const undocumented = (path: string, text: string): ReadonlyArray<string> => {
  const lines = text.split("\n")
  const isPort = path.startsWith("domain/ports/")
  const bare = lines.flatMap((line, index) => {
    const isExport = /^export\b/.test(line) && !RE_EXPORT.test(line) && !TYPE_OF_SCHEMA.test(line)
    const needsComment = isExport || (isPort && PORT_MEMBER.test(line))
    return needsComment && lines[index - 1]?.trimEnd().endsWith("*/") !== true ? [`${path}:${index + 1}`] : []
  })
  return MODULE_COMMENT.test(text) ? bare : [`${path}:1`, ...bare]
}

describe("Docstrings", () => {
  const sources = sourceFiles("domain", "adapters", "layers", "src")

  it("stand above every module, every export and every member of a port", () => {
    assert.isAbove(sources.length, 200)
    assert.deepStrictEqual(
      sources.flatMap(({ path }) => undocumented(path, readProjectFile(path))),
      []
    )
  })

  it("are missed where there are none", () => {
    const bare = ["import a from 'a'", "export const a = 1", "", "/** B. */", "export const b = 1", "export class C {}"]
    assert.deepStrictEqual(undocumented("domain/x/X.ts", bare.join("\n")), [
      "domain/x/X.ts:1",
      "domain/x/X.ts:2",
      "domain/x/X.ts:6"
    ])
    const port = ["/** X. */", "/** Y. */", "export class Y extends Z<", "    /** A. */", "    readonly a: 1"]
    assert.deepStrictEqual(undocumented("domain/ports/Y.ts", [...port, "    readonly b: 2"].join("\n")), [
      "domain/ports/Y.ts:6"
    ])
  })

  it("are not asked of re-exports and of a schema's type", () => {
    const lines = ["/** X. */", 'export { a } from "./A.ts"', "/** S. */", "export const S = {}"]
    assert.deepStrictEqual(undocumented("domain/x/X.ts", [...lines, "export type S = typeof S.Type"].join("\n")), [])
  })
})
