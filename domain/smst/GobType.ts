/**
 * Type descriptors of a gob stream: what a sender says about its types, and how to pass over values of unknown fields.
 * Source: Go `encoding/gob/type.go` (wireType), `decode.go` (decIgnoreOpFor).
 */
import type { GobReader } from "./GobReader.ts"

/** Ids of built-in types. */
export const GOB_BOOL = 1
/** Signed integer. */
export const GOB_INT = 2
/** Double, its bytes reversed as an unsigned integer. 3 is the unsigned integer. */
export const GOB_FLOAT = 4
/** Length and bytes. */
export const GOB_BYTES = 5
/** Length and bytes of a text. */
export const GOB_STRING = 6
/** Two doubles. */
export const GOB_COMPLEX = 7
/** A value with the name of its type; refused here. */
export const GOB_INTERFACE = 8
/** First id of a type that is described in the stream. */
export const GOB_FIRST_USER_ID = 64

/** A described type; `external` is one with its own encoding, `none` a descriptor that says nothing. */
export type GobType =
  | { readonly kind: "array"; readonly element: number; readonly length: bigint }
  | { readonly kind: "slice"; readonly element: number }
  | { readonly kind: "struct"; readonly fields: ReadonlyArray<GobField> }
  | { readonly kind: "map"; readonly key: number; readonly element: number }
  | { readonly kind: "external" }
  | { readonly kind: "none" }

/** Field of a described struct. `name` has one character for each byte. */
export interface GobField {
  readonly name: string
  readonly id: number
}

/** Bounds of a decoding, against input made to cost time or memory. */
export interface GobLimits {
  /** Bytes of the whole input. */
  readonly maxBytes: number
  /** Described types. */
  readonly maxTypes: number
  /** Fields of one described struct. */
  readonly maxFields: number
  /** Structs, slices and maps inside one another in a value that is passed over. */
  readonly maxNesting: number
  /** Entries of all lists, known and passed over. */
  readonly maxEntries: number
}

/** Reads one descriptor, the body of a message with a negative id. */
export const readDescriptor = (reader: GobReader, limits: GobLimits): GobType => {
  const seen: { [Kind in GobType["kind"]]?: GobType } = {}
  for (const kind of reader.fields(7)) {
    switch (kind) {
      case 0:
        seen.array = readArray(reader)
        break
      case 1:
        seen.slice = readSlice(reader)
        break
      case 2:
        seen.struct = { kind: "struct", fields: readStructFields(reader, limits) }
        break
      case 3:
        seen.map = readMap(reader)
        break
      default:
        for (const _ of reader.fields(1)) readCommon(reader)
        seen.external = { kind: "external" }
    }
  }
  // A type with its own encoding matches no field whatever else its descriptor says; the order of the rest is Go's.
  return seen.external ?? seen.array ?? seen.map ?? seen.slice ?? seen.struct ?? { kind: "none" }
}

const readArray = (reader: GobReader): GobType => {
  let element = 0
  let length = 0n
  for (const field of reader.fields(3)) {
    if (field === 0) readCommon(reader)
    else if (field === 1) element = reader.int32()
    else length = reader.int()
  }
  return { kind: "array", element, length }
}

const readSlice = (reader: GobReader): GobType => {
  let element = 0
  for (const field of reader.fields(2)) {
    if (field === 0) readCommon(reader)
    else element = reader.int32()
  }
  return { kind: "slice", element }
}

const readMap = (reader: GobReader): GobType => {
  let key = 0
  let element = 0
  for (const field of reader.fields(3)) {
    if (field === 0) readCommon(reader)
    else if (field === 1) key = reader.int32()
    else element = reader.int32()
  }
  return { kind: "map", key, element }
}

const readStructFields = (reader: GobReader, limits: GobLimits): ReadonlyArray<GobField> => {
  let fields: Array<GobField> = []
  for (const field of reader.fields(2)) {
    if (field === 0) {
      readCommon(reader)
      continue
    }
    const count = reader.length()
    if (count > limits.maxFields) reader.fail("too many fields")
    fields = []
    for (let i = 0; i < count; i++) fields.push(readCommon(reader))
  }
  return fields
}

/** Name and id: the common part of a descriptor, and a field of a struct. */
const readCommon = (reader: GobReader): GobField => {
  let name = ""
  let id = 0
  for (const field of reader.fields(2)) {
    if (field === 0) name = reader.text()
    else id = reader.int32()
  }
  return { name, id }
}

/** Types of one stream, the check of their references, and the passing over of values. */
export class GobTypes {
  readonly #reader: GobReader
  readonly #limits: GobLimits
  readonly #types = new Map<number, GobType>()
  /** Types whose references are known to be defined. */
  readonly #checked = new Set<number>()
  #entries = 0

  constructor(reader: GobReader, limits: GobLimits) {
    this.#reader = reader
    this.#limits = limits
  }

  /** A described type. */
  get(id: number): GobType | undefined {
    return this.#types.get(id)
  }

  /** Reads the descriptor of `id`, which must be new and fill its message. */
  define(id: number): void {
    const reader = this.#reader
    if (id < GOB_FIRST_USER_ID || this.#types.has(id)) reader.fail("type id is taken")
    if (this.#types.size >= this.#limits.maxTypes) reader.fail("too many types")
    this.#types.set(id, readDescriptor(reader, this.#limits))
    if (reader.left > 0) reader.fail("descriptor does not fill its message")
  }

  /** Counts the entries of a list that is read, so that all lists together stay bounded. */
  countEntries(count: number): void {
    this.#entries += count
    if (this.#entries > this.#limits.maxEntries) this.#reader.fail("too many list entries")
  }

  /** Fails unless every type that this one refers to is defined. Looks at each type once. */
  checkDefined(id: number): void {
    if ((id >= GOB_BOOL && id <= GOB_INTERFACE) || this.#checked.has(id)) return
    this.#checked.add(id)
    const type = this.#types.get(id)
    switch (type?.kind) {
      case "array":
      case "slice":
        return this.checkDefined(type.element)
      case "map":
        this.checkDefined(type.key)
        return this.checkDefined(type.element)
      case "struct":
        for (const field of type.fields) this.checkDefined(field.id)
        return
      case "external":
        return
      default:
        return this.#reader.fail(`undefined type ${id}`)
    }
  }

  /** Passes over one value of the type. */
  skip(id: number, nesting = 0): void {
    const reader = this.#reader
    if (nesting > this.#limits.maxNesting) reader.fail("nested too deeply")
    if (id >= GOB_BOOL && id <= GOB_FLOAT) {
      reader.uint()
      return
    }
    if (id === GOB_BYTES || id === GOB_STRING) return reader.skipBytes()
    if (id === GOB_COMPLEX) {
      reader.uint()
      reader.uint()
      return
    }
    if (id === GOB_INTERFACE) return reader.fail("interface value")
    const type = this.#types.get(id)
    switch (type?.kind) {
      case "array":
      case "slice": {
        const count = reader.length()
        if (type.kind === "array" && BigInt(count) !== type.length) reader.fail("array of another length")
        this.#skipEntries(count, nesting, type.element)
        return
      }
      case "map":
        this.#skipEntries(reader.length(), nesting, type.key, type.element)
        return
      case "struct":
        for (const index of reader.fields(type.fields.length)) {
          const field = type.fields[index]
          if (field !== undefined) this.skip(field.id, nesting + 1)
        }
        return
      case "external":
        return reader.skipBytes()
      default:
        return reader.fail(`undefined type ${id}`)
    }
  }

  #skipEntries(count: number, nesting: number, ...ids: ReadonlyArray<number>): void {
    this.countEntries(count)
    for (let i = 0; i < count; i++) {
      if (this.#reader.left === 0) this.#reader.fail("list exceeds the input")
      for (const id of ids) this.skip(id, nesting + 1)
    }
  }
}
