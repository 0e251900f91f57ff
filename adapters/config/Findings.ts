/** Collects what is found while one file is read: problems, warnings, and names that must be defined elsewhere in it. */
import type { ConfigFinding } from "./ConfigProblem.ts"
import { closest } from "./Misspelling.ts"
import { quoteFound } from "./TextCodec.ts"
import type { YamlMapping, YamlNode } from "./YamlSource.ts"

/** Grows while one file is read and is not shared between files. */
export class Findings {
  readonly problems: Array<ConfigFinding> = []
  readonly warnings: Array<ConfigFinding> = []
  readonly references: Array<{
    readonly kind: string
    readonly name: string
    readonly place: string
    readonly node: YamlNode
  }> = []

  /** Sections being read, the innermost last: a key that is missing is found at the line of its section. */
  readonly #sections: Array<YamlMapping | undefined> = []

  /** Runs `read` with `section` as the innermost one. */
  within<A>(section: YamlMapping | undefined, read: () => A): A {
    this.#sections.push(section)
    const result = read()
    this.#sections.pop()
    return result
  }
  problem(place: string, node: YamlNode | undefined, sentence: string): void {
    this.problems.push(finding(place, node ?? this.#section(), sentence))
  }
  warning(place: string, node: YamlNode | undefined, sentence: string): void {
    this.warnings.push(finding(place, node ?? this.#section(), sentence))
  }
  /** Notes that `name` must be defined elsewhere in the file as a `kind`; see `resolve`. */
  refer(kind: string, name: string, place: string, node: YamlNode): void {
    this.references.push({ kind, name, place, node })
  }
  /** Turns references of a kind to names that are not in `defined` into problems. */
  resolve(kind: string, defined: ReadonlyArray<string>, whereDefined: string): void {
    for (const reference of this.references) {
      if (reference.kind !== kind || defined.includes(reference.name)) continue
      const near = closest(reference.name, defined)
      const meant = near === undefined ? `one of ${defined.join(", ")}` : near
      this.problem(
        reference.place,
        reference.node,
        `there is no ${kind} ${quoteFound(reference.name)}; write ${meant}, or define it under ${whereDefined}`
      )
    }
  }

  /** The innermost section if the file has it; the file as a whole has no line. */
  #section(): YamlMapping | undefined {
    return this.#sections.length < 2 ? undefined : this.#sections.at(-1)
  }
}

const finding = (place: string, node: YamlNode | undefined, sentence: string): ConfigFinding => {
  if (node === undefined) return { place, sentence }
  if (node.kind === "scalar" && node.flag !== undefined) return { place: node.flag, sentence }
  return node.line === 0 ? { place, sentence } : { place, line: node.line, sentence }
}
