/**
 * Gob bytes of a compact closest proof, the `proof` field of MsgSubmitProof. Encodes exactly as a fresh Go process does;
 * decodes what any Go sender may write, within own limits, from bytes it does not trust.
 * Source: smt v0.14.1 `proofs.go` Marshal, Unmarshal; Go `encoding/gob`.
 */
import { concatBytes, hexToBytes } from "@noble/hashes/utils.js"
import { Result } from "effect"
import type { CompactMerkleProof, CompactProof } from "./CompactProof.ts"
import { GobError, GobReader } from "./GobReader.ts"
import { GOB_BYTES, GOB_INT, type GobLimits, GobTypes } from "./GobType.ts"

/**
 * Bounds of `decode`: 16 MiB, 32 types of 64 fields, nesting 16, 65 536 list entries. A proof has at most 256 side
 * nodes and three types of at most six fields, and is little longer than its relay.
 */
export const defaultLimits: GobLimits = {
  maxBytes: 16 * 1024 * 1024,
  maxTypes: 32,
  maxFields: 64,
  maxNesting: 16,
  maxEntries: 65_536
}

/** Three descriptors, types 64, 65 and 66 as a Go process numbers them that marshals nothing else before. */
const DESCRIPTORS = hexToBytes(
  [
    // Message of 135 bytes, type 64: struct SparseCompactMerkleClosestProof.
    "ff877f03 01011f537061727365436f6d706163744d65726b6c65436c6f7365737450726f6f66 01ff8000 0106",
    "0104 50617468 010a00", // Path: bytes
    "010b 466c697070656442697473 01ff8200", // FlippedBits: 65
    "0105 4465707468 010a00", // Depth: bytes
    "010b 436c6f7365737450617468 010a00", // ClosestPath: bytes
    "0110 436c6f7365737456616c756548617368 010a00", // ClosestValueHash: bytes
    "010c 436c6f7365737450726f6f66 01ff8400", // ClosestProof: 66
    "0000",
    // Message of 23 bytes, type 65: [][]uint8.
    "17ff8102 0101095b5d5b5d75696e7438 01ff8200 010a 0000",
    // Message of 124 bytes, type 66: struct SparseCompactMerkleProof.
    "7cff8303 010118537061727365436f6d706163744d65726b6c6550726f6f66 01ff8400 0105",
    "0109 536964654e6f646573 01ff8200", // SideNodes: 65
    "0115 4e6f6e4d656d626572736869704c65616644617461 010a00", // NonMembershipLeafData: bytes
    "0107 4269744d61736b 010a00", // BitMask: bytes
    "010c 4e756d536964654e6f646573 010400", // NumSideNodes: int
    "010b 5369626c696e6744617461 010a00", // SiblingData: bytes
    "0000"
  ]
    .join("")
    .replaceAll(" ", "")
)

/** Id 64 as a signed integer. */
const VALUE_ID = Uint8Array.of(0xff, 0x80)

/** The gob bytes of a proof: 286 constant bytes and one value message. */
export const encode = (proof: CompactProof): Uint8Array => {
  const inner = proof.closestProof
  const body = concatBytes(
    VALUE_ID,
    ...structValue([
      bytesValue(proof.path),
      listValue(proof.flippedBits),
      bytesValue(proof.depth),
      bytesValue(proof.closestPath),
      bytesValue(proof.closestValueHash),
      inner === undefined
        ? []
        : structValue([
            listValue(inner.sideNodes),
            bytesValue(inner.nonMembershipLeafData),
            bytesValue(inner.bitMask),
            inner.numSideNodes === 0 ? [] : [uint(zigzag(inner.numSideNodes))],
            bytesValue(inner.siblingData)
          ])
    ])
  )
  return concatBytes(DESCRIPTORS, uint(BigInt(body.length)), body)
}

/**
 * The proof in gob bytes. Fields are matched by name, whatever type ids and field order the sender uses; unknown fields
 * are passed over. What follows the value is ignored. Absent fields are empty.
 */
export const decode = (bytes: Uint8Array, limits: GobLimits = defaultLimits): Result.Result<CompactProof, GobError> => {
  if (bytes.length > limits.maxBytes) {
    return Result.fail(new GobError({ offset: 0, reason: `input of ${bytes.length} bytes is too long` }))
  }
  return decodeFrom(new GobReader(bytes), limits)
}

/** `decode` from a reader, which counts the work and the memory. The input's length is not limited here. */
export const decodeFrom = (reader: GobReader, limits: GobLimits): Result.Result<CompactProof, GobError> => {
  try {
    return Result.succeed(readProof(reader, limits))
  } catch (error) {
    // Anything else is a defect of this module.
    if (error instanceof GobError) return Result.fail(error)
    throw error
  }
}

/** Pieces of a value; no pieces mean that the field is left out. */
type Pieces = ReadonlyArray<Uint8Array>

const structValue = (fields: ReadonlyArray<Pieces>): Pieces => {
  const pieces: Array<Uint8Array> = []
  let last = -1
  for (const [index, value] of fields.entries()) {
    if (value.length === 0) continue
    pieces.push(Uint8Array.of(index - last), ...value)
    last = index
  }
  pieces.push(Uint8Array.of(0))
  return pieces
}

const bytesValue = (bytes: Uint8Array): Pieces => (bytes.length === 0 ? [] : [uint(BigInt(bytes.length)), bytes])

const listValue = (list: ReadonlyArray<Uint8Array>): Pieces =>
  list.length === 0 ? [] : [uint(BigInt(list.length)), ...list.flatMap((entry) => [uint(BigInt(entry.length)), entry])]

const zigzag = (value: number): bigint => (value >= 0 ? BigInt(value) * 2n : -BigInt(value) * 2n - 1n)

const uint = (value: bigint): Uint8Array => {
  if (value <= 0x7fn) return Uint8Array.of(Number(value))
  const bytes: Array<number> = []
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 255n))
  return Uint8Array.of(256 - bytes.length, ...bytes)
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Reads the value of one field into the struct it closes over. */
type FieldReader = () => void

const readProof = (reader: GobReader, limits: GobLimits): CompactProof => {
  const types = new GobTypes(reader, limits)
  let id: number
  for (;;) {
    reader.enterMessage()
    // Go keeps type ids in 32 bits and cuts what is longer.
    id = Number(BigInt.asIntN(32, reader.int()))
    if (id >= 0) break
    types.define(-id)
  }
  const empty = new Uint8Array(0)
  const inner: Writable<CompactMerkleProof> = {
    sideNodes: [],
    nonMembershipLeafData: empty,
    bitMask: empty,
    numSideNodes: 0,
    siblingData: empty
  }
  const proof: Writable<CompactProof> = {
    path: empty,
    flippedBits: [],
    depth: empty,
    closestPath: empty,
    closestValueHash: empty,
    closestProof: undefined
  }
  const bytes = (store: (value: Uint8Array) => void) => (fieldId: number) => {
    if (fieldId !== GOB_BYTES) reader.fail("field is not bytes")
    return () => store(reader.bytes())
  }
  const list = (store: (value: ReadonlyArray<Uint8Array>) => void) => (fieldId: number) => {
    const type = types.get(fieldId)
    if (type?.kind !== "slice" || type.element !== GOB_BYTES) reader.fail("field is not a list of bytes")
    return () => store(readList(reader, types))
  }
  const int = (store: (value: number) => void) => (fieldId: number) => {
    if (fieldId !== GOB_INT) reader.fail("field is not an integer")
    return () => store(Number(reader.int()))
  }
  const innerFields = new Map<string, (fieldId: number) => FieldReader>([
    ["SideNodes", list((value) => (inner.sideNodes = value))],
    ["NonMembershipLeafData", bytes((value) => (inner.nonMembershipLeafData = value))],
    ["BitMask", bytes((value) => (inner.bitMask = value))],
    ["NumSideNodes", int((value) => (inner.numSideNodes = value))],
    ["SiblingData", bytes((value) => (inner.siblingData = value))]
  ])
  const closestProof = (fieldId: number): FieldReader => {
    const readers = matchFields(reader, types, fieldId, innerFields).readers
    return () => {
      proof.closestProof = inner
      readStruct(reader, readers)
    }
  }
  const matched = matchFields(
    reader,
    types,
    id,
    new Map([
      ["Path", bytes((value) => (proof.path = value))],
      ["FlippedBits", list((value) => (proof.flippedBits = value))],
      ["Depth", bytes((value) => (proof.depth = value))],
      ["ClosestPath", bytes((value) => (proof.closestPath = value))],
      ["ClosestValueHash", bytes((value) => (proof.closestValueHash = value))],
      ["ClosestProof", closestProof]
    ])
  )
  if (matched.known === 0) reader.fail("no field of a proof")
  readStruct(reader, matched.readers)
  return proof
}

/** A reader for each field of the sender's struct, in its order. Every field is checked, sent or not. */
const matchFields = (
  reader: GobReader,
  types: GobTypes,
  id: number,
  known: ReadonlyMap<string, (fieldId: number) => FieldReader>
): { readonly readers: ReadonlyArray<FieldReader>; readonly known: number } => {
  const type = types.get(id)
  if (type?.kind !== "struct") return reader.fail("value is not a struct")
  let matches = 0
  const readers = type.fields.map((field) => {
    if (field.name === "") reader.fail("field without name")
    const match = known.get(field.name)
    if (match === undefined) {
      types.checkDefined(field.id)
      return () => types.skip(field.id)
    }
    matches++
    return match(field.id)
  })
  return { readers, known: matches }
}

const readStruct = (reader: GobReader, readers: ReadonlyArray<FieldReader>): void => {
  for (const index of reader.fields(readers.length)) readers[index]?.()
}

const readList = (reader: GobReader, types: GobTypes): ReadonlyArray<Uint8Array> => {
  const count = reader.length()
  types.countEntries(count)
  const list: Array<Uint8Array> = []
  for (let i = 0; i < count; i++) list.push(reader.bytes())
  return list
}
