/**
 * Names the field at which bytes stop being the message they should be. The decoder of queries tells only that they are
 * not; this second look, taken after it has failed, walks the bytes once beside the message's descriptor.
 */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf"
import { type Option, Result } from "effect"
import { isUtf8 } from "../wire/ByteText.ts"
import { FIXED32, FIXED64, LENGTH_DELIMITED, ProtoReader, VARINT } from "../wire/ProtoReader.ts"
import type { WireError } from "../wire/WireError.ts"

/** Messages inside of messages that are walked into; deeper ones are passed over. */
const DEEPEST = 100

/**
 * The first field of `bytes` that is not what the descriptor says; none when each is. `field` is the dotted path, with the
 * index, from 0, of an entry of a list. Every byte is met once.
 */
export const failingField = (type: DescMessage, bytes: Uint8Array): Option.Option<WireError> => {
  const reader = new ProtoReader(bytes)
  walk(reader, { type, depth: 0 })
  return Result.getFailure(reader.finish(type.typeName, undefined))
}

/** Where the walk is. */
interface Place {
  readonly type: DescMessage
  readonly depth: number
}

const walk = (reader: ProtoReader, { type, depth }: Place): void => {
  /** Entries met of each list, by field number. */
  let entries: Map<number, number> | undefined
  while (reader.next()) {
    const field = type.fields.find(({ number }) => number === reader.field)
    if (field === undefined) {
      reader.skip()
      continue
    }
    let name = field.name
    if (field.fieldKind === "list") {
      entries ??= new Map()
      const index = entries.get(field.number) ?? 0
      entries.set(field.number, index + 1)
      name = `${name}[${index}]`
    }
    walkField(reader, field, name, depth)
  }
}

const walkField = (reader: ProtoReader, field: DescField, name: string, depth: number): void => {
  if (field.fieldKind === "map" || field.message !== undefined) {
    if (!reader.expect(name, LENGTH_DELIMITED)) return
    if (depth >= DEEPEST) reader.skip()
    else if (field.fieldKind === "map") reader.message(name, walkEntry, { field, depth: depth + 1 })
    else reader.message(name, walk, { type: field.message, depth: depth + 1 })
    return
  }
  walkScalar(reader, name, field.scalar ?? ScalarType.INT32, field.fieldKind === "list")
}

/** An entry of a map: its key is field 1, its value field 2. */
const walkEntry = (
  reader: ProtoReader,
  { field, depth }: { readonly field: DescField & { readonly fieldKind: "map" }; readonly depth: number }
): void => {
  while (reader.next()) {
    if (reader.field === 1) walkScalar(reader, "key", field.mapKey, false)
    else if (reader.field !== 2) reader.skip()
    else if (field.message === undefined) walkScalar(reader, "value", field.scalar ?? ScalarType.INT32, false)
    else reader.message("value", walk, { type: field.message, depth })
  }
}

/** `mayBePacked`: numbers of a list may come together in one field. */
const walkScalar = (reader: ProtoReader, name: string, type: ScalarType, mayBePacked: boolean): void => {
  const wireType = wireTypeOf(type)
  if (mayBePacked && wireType !== LENGTH_DELIMITED && reader.wireType === LENGTH_DELIMITED) {
    reader.skip()
  } else if (type === ScalarType.STRING) {
    if (!isUtf8(reader.text(name))) reader.refuse(name, "not UTF-8")
  } else if (type === ScalarType.BYTES) reader.bytes(name)
  else if (wireType === VARINT) reader.uint64(name)
  else if (reader.expect(name, wireType)) reader.skip()
}

const wireTypeOf = (type: ScalarType): number => {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return LENGTH_DELIMITED
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32
    default:
      return VARINT
  }
}
