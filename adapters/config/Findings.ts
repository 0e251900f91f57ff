/** Collects what is found while one file is read: problems, warnings, and names that must be defined elsewhere in it. */
import type { ConfigFinding } from "./ConfigProblem.ts"
import { closest } from "./Misspelling.ts"
import type { YamlNode } from "./YamlSource.ts"

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

  problem(place: string, node: YamlNode | undefined, sentence: string): void {
    this.problems.push(finding(place, node, sentence))
  }
  warning(place: string, node: YamlNode | undefined, sentence: string): void {
    this.warnings.push(finding(place, node, sentence))
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
        `there is no ${kind} ${JSON.stringify(reference.name)}; write ${meant}, or define it under ${whereDefined}`
      )
    }
  }
}

const finding = (place: string, node: YamlNode | undefined, sentence: string): ConfigFinding => {
  if (node === undefined) return { place, sentence }
  if (node.kind === "scalar" && node.flag !== undefined) return { place: node.flag, sentence }
  return { place, line: node.line, sentence }
}
