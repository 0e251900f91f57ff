/**
 * Reads YAML text into a tree of nodes that keep their lines and, for scalars, the text as written: `0123` and `1e10`
 * in a password stay what they are, and the key that reads a scalar decides whether it is a number. Aliases and merge
 * keys (`<<`) are resolved. Faults come as one sentence with line and column that never quotes the file's content.
 */
import { Result } from "effect"
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, Scalar } from "yaml"
import type { Document, ErrorCode } from "yaml"
import { ConfigSyntaxError } from "./ConfigProblem.ts"

/** A scalar as written. */
export interface YamlScalar {
  readonly kind: "scalar"
  readonly text: string
  readonly line: number
  /** The command line flag that replaced the file's value; findings then name the flag instead of a line. */
  readonly flag?: string
}
/** A mapping in the order of the file. */
export interface YamlMapping {
  readonly kind: "mapping"
  readonly entries: ReadonlyMap<string, YamlNode>
  readonly line: number
}
/** A list. */
export interface YamlList {
  readonly kind: "list"
  readonly items: ReadonlyArray<YamlNode>
  readonly line: number
}
/** No value: `~`, `null` or nothing, outside quotes. A key with it counts as left out. */
export interface YamlNull {
  readonly kind: "null"
  readonly line: number
}
/** A value of the file with the line, from 1, it stands in. Aliases are resolved. */
export type YamlNode = YamlScalar | YamlMapping | YamlList | YamlNull

/** Content of a readable file: its top mapping and whether further documents follow (only the first one is read). */
export interface YamlSource {
  readonly root: YamlMapping
  readonly moreDocuments: boolean
}

/** Nodes after aliases are resolved; a file that unfolds to more is a mistake or an attack. */
const MAX_NODES = 50_000
/** Nesting after aliases are resolved; configurations have 6 levels. */
const MAX_DEPTH = 32

/** One sentence and the remedy for each fault the parser knows. */
const remedies: Partial<Record<ErrorCode, string>> = {
  ALIAS_PROPS: "an alias (*name) may not carry an anchor or a tag; remove it",
  BAD_ALIAS: "an alias (*name) is not well formed; quote the value if the * belongs to it",
  BAD_DIRECTIVE: "this %-directive is not well formed; remove the line",
  BAD_DQ_ESCAPE:
    'a backslash in "double quotes" starts an unknown escape; use single quotes or write the backslash twice',
  BAD_INDENT: "the indentation does not fit the lines around it; give keys of one level the same number of spaces",
  BAD_PROP_ORDER: "an anchor or tag stands at the wrong place; put it directly before its value",
  BAD_SCALAR_START: "a value may not start with this character; put the value in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "a second key starts on this line; put it on a line of its own, or quote the value if the colon belongs to it",
  BLOCK_IN_FLOW: "an indented block stands inside [ ] or { }; close the bracket first",
  DUPLICATE_KEY: "this key is written twice in the same mapping; keep one of them",
  IMPOSSIBLE: "this line cannot be read as YAML; check indentation, quotes and brackets",
  KEY_OVER_1024_CHARS: "a key is longer than 1024 characters; check for a missing quote or colon",
  MISSING_CHAR:
    "a colon, a closing quote or a closing bracket is missing here; write `key: value`, or close the quote or bracket",
  MULTILINE_IMPLICIT_KEY: "a key runs over several lines; check for a missing colon or quote",
  MULTIPLE_ANCHORS: "a value has two anchors; keep one of them",
  MULTIPLE_TAGS: "a value has two tags; remove them",
  NON_STRING_KEY: "a key is not a text; write it as plain text",
  TAB_AS_INDENT: "a tab is used for indentation; use spaces",
  TAG_RESOLVE_FAILED: "this tag cannot be resolved; remove it",
  UNEXPECTED_TOKEN: "unexpected text; check indentation, quotes and brackets of this line and the one before"
}

/** What stops the reading, where. */
interface Fault {
  readonly kind: "fault"
  /** In characters from the start of the text. */
  readonly offset: number
  readonly sentence: string
}
const faultAt = (offset: number, sentence: string): Fault => ({ kind: "fault", offset, sentence })

/**
 * Parses the first YAML document of `text`. `file` is only named in errors.
 *
 * Fails with the first fault; a file without content, or with something else than a mapping at its top, is a fault too.
 */
export const readYaml = (file: string, text: string): Result.Result<YamlSource, ConfigSyntaxError> => {
  const lines = new LineCounter()
  const fail = (offset: number, sentence: string) => {
    const at = lines.linePos(offset)
    return Result.fail(
      new ConfigSyntaxError({ file, line: Math.max(at.line, 1), column: Math.max(at.col, 1), sentence })
    )
  }
  const document = parseDocument(text.replace(/^\uFEFF/, ""), {
    schema: "failsafe",
    prettyErrors: false,
    lineCounter: lines
  })
  const moreDocuments = document.errors.some((error) => error.code === "MULTIPLE_DOCS")
  const fault = document.errors.find((error) => error.code !== "MULTIPLE_DOCS")
  if (fault !== undefined) {
    return fail(
      fault.pos[0],
      remedies[fault.code] ?? "this cannot be read as YAML; check indentation, quotes and brackets"
    )
  }
  const root = unfold(document, lines)
  if (root.kind === "fault") return fail(root.offset, root.sentence)
  if (root.kind === "null") return fail(0, "the file is empty; write the configuration keys as `key: value`")
  if (root.kind !== "mapping") {
    return fail(0, "the file is not a mapping of configuration keys; write them as `key: value`, one to a line")
  }
  return Result.succeed({ root, moreDocuments })
}

/** Nodes of the document with aliases resolved; a fault for what has no meaning in a configuration. */
const unfold = (document: Document, lines: LineCounter): YamlNode | Fault => {
  let nodes = 0
  const walk = (node: unknown, depth: number, line: number): YamlNode | Fault => {
    nodes += 1
    const offset = offsetOf(node)
    if (nodes > MAX_NODES) return faultAt(offset, "aliases unfold to a very large file; write the values out")
    if (depth > MAX_DEPTH)
      return faultAt(offset, "nested too deeply, perhaps an alias inside its own anchor; flatten it")
    const at = offset === 0 && depth > 0 ? line : Math.max(lines.linePos(offset).line, 1)
    if (isAlias(node)) {
      const target = node.resolve(document)
      return target === undefined
        ? faultAt(
            offset,
            "an alias (*name) has no anchor (&name) before it; define the anchor first, or quote the value"
          )
        : relocate(walk(target, depth + 1, at), at)
    }
    if (isScalar(node)) return scalarNode(node, at)
    if (isSeq(node)) {
      const items: Array<YamlNode> = []
      for (const item of node.items) {
        const read = walk(item, depth + 1, at)
        if (read.kind === "fault") return read
        items.push(read)
      }
      return { kind: "list", items, line: at }
    }
    if (isMap(node)) {
      const entries = new Map<string, YamlNode>()
      const merged: Array<YamlMapping> = []
      for (const pair of node.items) {
        const fault = readPair(pair, depth, at, entries, merged)
        if (fault !== undefined) return fault
      }
      for (const source of merged) {
        for (const [key, value] of source.entries) if (!entries.has(key)) entries.set(key, value)
      }
      return { kind: "mapping", entries, line: at }
    }
    return { kind: "null", line: at }
  }
  const readPair = (
    pair: Pair,
    depth: number,
    line: number,
    entries: Map<string, YamlNode>,
    merged: Array<YamlMapping>
  ): Fault | undefined => {
    const { key, value } = pair
    if (!isScalar(key)) return faultAt(offsetOf(key), "a key is not a plain text; write it as `key: value`")
    const name = textOf(key)
    const read = walk(value, depth + 1, Math.max(lines.linePos(offsetOf(key)).line, 1))
    if (read.kind === "fault") return read
    if (name === "<<" && (key.type === undefined || key.type === Scalar.PLAIN)) {
      const sources = read.kind === "null" ? [] : read.kind === "list" ? read.items : [read]
      for (const source of sources) {
        if (source.kind !== "mapping") {
          return faultAt(offsetOf(key), "a merge key (<<) needs a mapping; give it the alias of one, <<: *name")
        }
        merged.push(source)
      }
      return undefined
    }
    entries.set(name, relocate(read, Math.max(lines.linePos(offsetOf(key)).line, line)))
    return undefined
  }
  return walk(document.contents, 0, 1)
}

/** The same node with the line of the key it belongs to. */
const relocate = <A extends YamlNode | Fault>(node: A, line: number): A => ("line" in node ? { ...node, line } : node)

const scalarNode = (node: Scalar, line: number): YamlScalar | YamlNull => {
  const text = textOf(node)
  const plain = node.type === undefined || node.type === Scalar.PLAIN
  return plain && /^(?:~|null|Null|NULL|)$/.test(text) ? { kind: "null", line } : { kind: "scalar", text, line }
}

/** Under the failsafe schema every scalar value is its text. */
const textOf = (node: Scalar): string => (typeof node.value === "string" ? node.value : "")

const offsetOf = (node: unknown): number =>
  isAlias(node) || isScalar(node) || isMap(node) || isSeq(node) ? (node.range?.[0] ?? 0) : 0
