/**
 * Readers turn nodes of a file into typed values and note every finding on the way instead of stopping at the first:
 * a key that is wrong counts as its default for the rest of the reading. The same tables of keys give the unknown-key
 * warnings and the operators' reference (`rows`). Values of single keys are Effect schemas from text (`TextCodec`).
 */
import { Option, Result, Schema, SchemaIssue } from "effect"
import type { Findings } from "./Findings.ts"
import { closest } from "./Misspelling.ts"
import { quoteFound, type TextCodec } from "./TextCodec.ts"
import type { YamlMapping, YamlNode } from "./YamlSource.ts"

/** One line of the operators' reference. */
export interface ConfigRow {
  /** `services.<id>.backends.<transport>.url`; lists end in `[]`. */
  readonly place: string
  /** What may be written. Markdown. */
  readonly type: string
  /** As written in a file; `required` or empty. */
  readonly fallback: string
  readonly meaning: string
  /**
   * `ignored`: accepted with one warning. `warned`: the same unless left at its default. `refused`: stops the start
   * unless left at its default.
   */
  readonly status: "used" | "ignored" | "warned" | "refused"
  /** Where the value is in the decoded section, names joined by dots; items and entries add none. Empty: itself. */
  readonly property: string
}

/**
 * Reads the node at a place (undefined: key left out). None means that a problem was noted and no default can stand in.
 */
export interface Reader<A> {
  readonly read: (node: YamlNode | undefined, place: string, findings: Findings) => Option.Option<A>
  readonly rows: (place: string) => ReadonlyArray<ConfigRow>
}

/** The value a reader reads. */
export type ValueOf<R> = R extends Reader<infer A> ? A : never

/** What a single key is, for people and for its reader. */
export interface KeySpec<A> {
  readonly codec: TextCodec<A>
  /** What may be written, for the reference: `whole number ≥ 0`. */
  readonly type: string
  readonly meaning: string
  /** Texts that mean "left out", such as `0` where zero has no meaning of its own. */
  readonly unset?: (text: string) => boolean
  /** A value that Go accepts and this program cannot serve: the start is refused. */
  readonly notBuilt?: { readonly when: (value: A) => boolean; readonly sentence: string }
  /** Called with each value that was read from the file. */
  readonly notice?: (value: A, place: string, node: YamlNode, findings: Findings) => void
}

/** A key whose default, as text in the file, stands in when it is left out or (with a problem) wrong. */
export const withDefault = <A>(fallback: string, spec: KeySpec<A>): Reader<A> => {
  const standIn = decodeText(spec.codec, fallback)
  return {
    read: (node, place, findings) => {
      const unset = node?.kind === "scalar" && spec.unset?.(node.text) === true
      if (node === undefined || node.kind === "null" || unset) return Result.getSuccess(standIn)
      return Option.orElse(readScalar(spec, node, place, findings, fallback), () => Result.getSuccess(standIn))
    },
    rows: (place) => [row(place, spec, fallback)]
  }
}

/** A key that may be left out; an empty text counts as left out. */
export const optional = <A>(spec: KeySpec<A>): Reader<A | undefined> => ({
  read: (node, place, findings) =>
    isAbsent(node) || (node.kind === "scalar" && spec.unset?.(node.text) === true)
      ? Option.some(undefined)
      : Option.orElse(readScalar(spec, node, place, findings), () => Option.some(undefined)),
  rows: (place) => [row(place, spec, "")]
})

/** A key that must be there. `remedy` says what to write. */
export const required = <A>(remedy: string, spec: KeySpec<A>): Reader<A> => ({
  read: (node, place, findings) => {
    if (!isAbsent(node)) return readScalar(spec, node, place, findings)
    findings.problem(place, node, `is required; ${remedy}`)
    return Option.none()
  },
  rows: (place) => [row(place, spec, "required")]
})

/** A list; items that are wrong are left out of the value (and noted). */
export const listOf = <A>(item: Reader<A>, itemKind: string): Reader<ReadonlyArray<A>> => ({
  read: (node, place, findings) => {
    if (node === undefined || node.kind === "null") return Option.some([])
    if (node.kind !== "list") {
      findings.problem(
        place,
        node,
        `expected a list of ${itemKind}, found ${kindOf(node)}; write each on a line starting with "- "`
      )
      return Option.some([])
    }
    return Option.some(
      node.items.flatMap((entry, index) => Option.toArray(item.read(entry, `${place}[${index}]`, findings)))
    )
  },
  rows: (place) => asEntries(item.rows(`${place}[]`), `${place}[]`)
})

/**
 * A mapping with names chosen by the operator, in the order of the file; entries that are wrong are left out (and
 * noted).
 */
export const mapOf = <A>(
  entryOf: (name: string) => Reader<A>,
  names: {
    /** Placeholder in the reference: `<id>`. */
    readonly placeholder: string
    readonly kind: string
    /** Notes what is wrong with a name; the entry is read in any case. */
    readonly check?: (name: string, place: string, node: YamlNode, findings: Findings) => void
    /** Sentence for a mapping that is missing or empty, if that is a problem. */
    readonly atLeastOne?: string
  }
): Reader<ReadonlyMap<string, A>> => ({
  read: (node, place, findings) => {
    const values = new Map<string, A>()
    if (node !== undefined && node.kind !== "null" && node.kind !== "mapping") {
      findings.problem(place, node, `expected a mapping from ${names.kind} to its settings, found ${kindOf(node)}`)
      return Option.some(values)
    }
    const entries = node?.kind === "mapping" ? node.entries : new Map<string, YamlNode>()
    if (entries.size === 0 && names.atLeastOne !== undefined) findings.problem(place, node, names.atLeastOne)
    for (const [name, value] of entries) {
      const at = joinPlace(place, name)
      names.check?.(name, at, value, findings)
      const read = entryOf(name).read(value, at, findings)
      if (Option.isSome(read)) values.set(name, read.value)
    }
    return Option.some(values)
  },
  rows: (place) => {
    const entry = joinPlace(place, names.placeholder)
    return asEntries(entryOf(names.placeholder).rows(entry), entry)
  }
})

/** A key of a section: its name in the file and its reader. */
export interface Field<A> {
  readonly name: string
  readonly reader: Reader<A>
}
/** A field from its name in the file and its reader. */
export const key = <A>(name: string, reader: Reader<A>): Field<A> => ({ name, reader })

type Fields = Readonly<Record<string, Field<unknown>>>
/** The value of a section: each field's value under its name in the code. */
export type SectionOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer A> ? A : never }

/** What belongs to a section beside its fields. */
export interface SectionRules<A> {
  /** Keys that are accepted without effect: name to the sentence of the warning. */
  readonly ignored?: Readonly<Record<string, string>>
  /** Rules over several keys. Runs on whatever could be read. */
  readonly check?: (value: Partial<A>, place: string, node: YamlMapping | undefined, findings: Findings) => void
  /** Sentence for a key that is not known here but elsewhere, or undefined. */
  readonly foreign?: (name: string) => string | undefined
}

/** A mapping with known keys. Left out altogether it is the section with every key left out. */
export const section = <F extends Fields>(fields: F, rules: SectionRules<SectionOf<F>> = {}): Reader<SectionOf<F>> => {
  const names = Object.values(fields).map((field) => field.name)
  const ignored = rules.ignored ?? {}
  return {
    read: (node, place, findings) => {
      if (node !== undefined && node.kind !== "null" && node.kind !== "mapping") {
        findings.problem(
          place,
          node,
          `expected a mapping of keys, found ${kindOf(node)}; write its keys indented below it`
        )
        return Option.none()
      }
      const mapping = node?.kind === "mapping" ? node : undefined
      for (const [name, value] of mapping?.entries ?? []) {
        if (names.includes(name)) continue
        const at = joinPlace(place, name)
        const known = Object.hasOwn(ignored, name) ? ignored[name] : rules.foreign?.(name)
        if (known !== undefined) findings.warning(at, value, `${known}; remove it`)
        else findings.warning(at, value, unknownKey(name, names))
      }
      return findings.within(mapping, () => {
        const values: Record<string, unknown> = {}
        let complete = true
        for (const [property, field] of Object.entries(fields)) {
          const read = field.reader.read(mapping?.entries.get(field.name), joinPlace(place, field.name), findings)
          if (Option.isSome(read)) values[property] = read.value
          else complete = false
        }
        // Each property holds what the reader of the same property returned, so the record has the section's type.
        const value = values as SectionOf<F>
        rules.check?.(value, place, mapping, findings)
        return complete ? Option.some(value) : Option.none()
      })
    },
    rows: (place) => [
      ...Object.entries(fields).flatMap(([property, field]) =>
        field.reader
          .rows(joinPlace(place, field.name))
          .map((each) => ({ ...each, property: each.property === "" ? property : `${property}.${each.property}` }))
      ),
      ...Object.entries(ignored).map(([name, sentence]) => ({
        place: joinPlace(place, name),
        type: "any",
        fallback: "",
        meaning: sentence,
        status: "ignored" as const,
        property: ""
      }))
    ]
  }
}

/** `redis.pool_size`; a name with other characters than an identifier's is quoted. */
export const joinPlace = (place: string, name: string): string => {
  const segment = /^[\w<>-]{1,60}$/.test(name) ? name : quoteFound(name, 60)
  return place === "" ? segment : `${place}.${segment}`
}

/** Whether a key is left out: not there, null or an empty text. */
export const isAbsent = (node: YamlNode | undefined): node is undefined | Extract<YamlNode, { kind: "null" }> =>
  node === undefined || node.kind === "null" || (node.kind === "scalar" && node.text === "")

/** `a list`, for sentences. */
export const kindOf = (node: YamlNode): string =>
  node.kind === "list"
    ? "a list"
    : node.kind === "mapping"
      ? "a mapping"
      : node.kind === "null"
        ? "nothing"
        : "a single value"

/** `unset` for numbers where zero means the default. */
export const zero = (text: string): boolean => text === "0"

/** `unset` for numbers where anything below one means the default. */
export const belowOne = (text: string): boolean => text === "0" || /^-\d+$/.test(text)

/** Decodes the text of one scalar; a failure is the codec's sentence. */
export const decodeText = <A>(codec: TextCodec<A>, text: string): Result.Result<A, string> =>
  Result.mapError(Schema.decodeResult(codec)(text), (error) => sentenceOf(error.issue))

const issues = SchemaIssue.makeFormatterStandardSchemaV1()
const sentenceOf = (issue: SchemaIssue.Issue): string =>
  issues(issue)
    .issues.map((each) => each.message)
    .join("; ")

const readScalar = <A>(
  spec: KeySpec<A>,
  node: YamlNode,
  place: string,
  findings: Findings,
  fallback?: string
): Option.Option<A> => {
  if (node.kind !== "scalar") {
    findings.problem(
      place,
      node,
      `expected a single value, found ${kindOf(node)}; write it on the same line as its key`
    )
    return Option.none()
  }
  const decoded = decodeText(spec.codec, node.text)
  if (Result.isFailure(decoded)) {
    const remedy =
      fallback === undefined || decoded.failure.includes(";") ? "" : `; leave the key out for the default, ${fallback}`
    findings.problem(place, node, `${decoded.failure}${remedy}`)
    return Option.none()
  }
  const value = decoded.success
  if (spec.notBuilt?.when(value) === true) findings.problem(place, node, spec.notBuilt.sentence)
  spec.notice?.(value, place, node, findings)
  return Option.some(value)
}

const unknownKey = (name: string, names: ReadonlyArray<string>): string => {
  const near = closest(name, names)
  return near === undefined
    ? "unknown key, ignored; remove it, or check its spelling and its indentation"
    : `unknown key, ignored; if ${near} is meant, write that`
}

const row = <A>(place: string, spec: KeySpec<A>, fallback: string): ConfigRow => ({
  place,
  type: spec.type,
  fallback,
  meaning: spec.meaning,
  status: spec.notBuilt === undefined ? "used" : "refused",
  property: ""
})

/** An item of a list or an entry of a mapping is not required: nobody has to write one. */
const asEntries = (rows: ReadonlyArray<ConfigRow>, entry: string): ReadonlyArray<ConfigRow> =>
  rows.map((each) => (each.place === entry ? { ...each, fallback: "" } : each))
