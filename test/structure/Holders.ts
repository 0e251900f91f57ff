/**
 * Finds what holds things for longer than a call: queues, hubs, caches, pools, fiber collections, and maps, sets and
 * arrays that are state. Works on text that the formatter has laid out, so indentation tells what encloses what.
 */
import type { SourceFile } from "./Sources.ts"
import { lineAt } from "./Sources.ts"

/** One construct that may grow. */
export interface Holder {
  readonly path: string
  readonly line: number
  /** Name it is bound to, or the constructor where it has none. */
  readonly name: string
}

/** Constructors of Effect that keep entries, whatever they are bound to. */
const KEEPERS =
  /\b(?:(?:Queue|PubSub)\.(?:unbounded|bounded|sliding|dropping|make)|(?:Cache|ScopedCache|RequestResolver)\.(?:make|makeWith|withCache)|(?:Pool|RcMap|LayerMap|FiberMap|FiberSet|KeyedPool)\.(?:make|makeWithTTL)|(?:TxQueue|TxHashMap|MutableHashMap|MutableHashSet|MutableList)\.(?:make|empty|unbounded|bounded)|Stream\.(?:buffer|broadcast|share|toQueue|toPubSub))\b/g

/** An empty collection: `new Map()` with or without types, or `[]` of a declared field. */
const EMPTY = /new (?:(?:Weak)?(?:Map|Set)|Roster)(?:<.*>)?\(\)/

const FIELD = new RegExp(
  String.raw`^ +(?=private |readonly |static |#|\w+: )(?:private |readonly |static )*(#?\w+)(?:: [^=\n]+)? = (?:${EMPTY.source}|\[\])$`,
  "gm"
)
const VARIABLE = new RegExp(
  String.raw`^( *)(?:export )?(?:const|let) (\w+)(?:: [^=\n]+)? = (?:${EMPTY.source}|\[\])$`,
  "gm"
)
const PROPERTY = new RegExp(String.raw`\b(\w+): ${EMPTY.source}`, "g")

/** Every holder of a file, by line. Variables that only one call uses are left out. */
export const holdersOf = ({ path, code }: SourceFile): ReadonlyArray<Holder> => {
  const at = (index: number, name: string): Holder => ({ path, line: lineAt(code, index), name })
  return [
    ...matches(code, KEEPERS).map((match) => at(match.index, boundName(code, match.index) ?? match[0])),
    ...matches(code, FIELD).map((match) => at(match.index, match[1] ?? "")),
    ...matches(code, VARIABLE)
      .filter((match) => !/const \w+: Readonly/.test(match[0]))
      .filter((match) => outlivesCall(code, match.index, match[1] ?? "", match[2] ?? ""))
      .map((match) => at(match.index, match[2] ?? "")),
    ...matches(code, PROPERTY).map((match) => at(match.index, match[1] ?? ""))
  ].sort((a, b) => a.line - b.line)
}

const matches = (code: string, pattern: RegExp): ReadonlyArray<RegExpExecArray> => Array.from(code.matchAll(pattern))

/** `name` of `const name = yield* Queue.bounded(…)`, also where the constructor stands on a line below. */
const boundName = (code: string, index: number): string | undefined => {
  const before = code.slice(0, index).split("\n").slice(-4).join("\n")
  return (
    /(?:const|let) (\w+)[^;]*$/.exec(before.slice(before.lastIndexOf("const ")))?.[1] ??
    /(\w+):[^:\n]*$/.exec(before)?.[1]
  )
}

/** Callbacks that run within the call they are passed to. */
const IMMEDIATE =
  /\.(?:map|filter|forEach|some|every|reduce|flatMap|sort|find|findIndex|findLast|toSorted|from)\($|(?:Array\.from)\([^=]*$/

/**
 * Is the variable of this name, declared at `index` with this indentation, used by a function that is made in its scope?
 * A module's own variable always is.
 */
const outlivesCall = (code: string, index: number, indent: string, name: string): boolean => {
  if (indent === "") return true
  const lines = code.slice(index).split("\n").slice(1)
  const end = lines.findIndex((line) => line.trim() !== "" && depthOf(line) < indent.length)
  const scope = lines.slice(0, end === -1 ? undefined : end)
  const use = new RegExp(String.raw`(?<![\w.#])${name}\b`)
  return scope.some((line, row) => use.test(line) && isInFunction(scope, row, line.search(use), indent.length))
}

/** Does a function that starts in this scope enclose the place? */
const isInFunction = (scope: ReadonlyArray<string>, row: number, column: number, depth: number): boolean => {
  if (startsFunction((scope[row] ?? "").slice(0, column))) return true
  let inner = depthOf(scope[row] ?? "")
  for (let above = row - 1; above >= 0 && inner > depth; above--) {
    const line = scope[above] ?? ""
    if (line.trim() === "" || depthOf(line) >= inner) continue
    inner = depthOf(line)
    if (startsFunction(line)) return true
  }
  return false
}

const startsFunction = (text: string): boolean => {
  const arrow = /(?:^|[\s(,])(?:async )?(?:\([^()]*(?:\([^()]*\)[^()]*)*\)(?:: [^=]+)?|\w+) =>/.exec(text)
  if (/\bfunction\b/.test(text)) return true
  return arrow !== null && !IMMEDIATE.test(text.slice(0, arrow.index + (/^[\s(,]/.test(arrow[0]) ? 1 : 0)))
}

const depthOf = (line: string): number => line.length - line.trimStart().length
