/** A message with a field of every kind, to try the reader with. */
import { assert } from "@effect/vitest"
import { Result } from "effect"
import {
  decodeMessage,
  LENGTH_DELIMITED,
  type ProtoReader,
  type WireDialect
} from "../../../domain/wire/ProtoReader.ts"

interface Part {
  name: string
  size: bigint
}

/** A message with a field of every kind. */
export interface Sample {
  text: string
  bytes: Uint8Array
  unsigned: bigint
  signed: bigint
  code: number
  enumeration: number
  flag: boolean
  ratio: number
  part: Part | undefined
  tags: Array<string>
}

const readPart = (reader: ProtoReader, draft: Part): void => {
  while (reader.next()) {
    if (reader.field === 1) draft.name = reader.text("name", draft.name)
    else if (reader.field === 2) draft.size = reader.uint64("size", draft.size)
    else reader.skip()
  }
}

const readSample = (reader: ProtoReader, draft: Sample): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.text = reader.text("text", draft.text)
        break
      case 2:
        draft.bytes = reader.bytes("bytes", draft.bytes)
        break
      case 3:
        draft.unsigned = reader.uint64("unsigned", draft.unsigned)
        break
      case 4:
        draft.signed = reader.int64("signed", draft.signed)
        break
      case 5:
        draft.code = reader.uint32("code", draft.code)
        break
      case 6:
        draft.enumeration = reader.int32("enumeration", draft.enumeration)
        break
      case 7:
        draft.flag = reader.bool("flag", draft.flag)
        break
      case 8:
        draft.ratio = reader.double("ratio", draft.ratio)
        break
      case 9:
        if (!reader.expect("part", LENGTH_DELIMITED)) break
        draft.part ??= { name: "", size: 0n }
        reader.message("part", readPart, draft.part)
        break
      case 10:
        draft.tags.push(reader.text("tags"))
        break
      default:
        reader.skip()
    }
  }
}

/** A sample with nothing read. */
export const empty = (): Sample => ({
  text: "",
  bytes: new Uint8Array(0),
  unsigned: 0n,
  signed: 0n,
  code: 0,
  enumeration: 0,
  flag: false,
  ratio: 0,
  part: undefined,
  tags: []
})

/** Decodes a sample. */
export const decode = (bytes: Uint8Array, dialect: WireDialect = "gogo") =>
  decodeMessage("Sample", bytes, readSample, empty(), dialect)

/** The decoded sample; fails the test if it is refused. */
export const accepted = (bytes: Uint8Array, dialect: WireDialect = "gogo"): Sample =>
  Result.getOrThrow(decode(bytes, dialect))

/** Field and reason of a refusal, as one text. */
export const refusal = (bytes: Uint8Array, dialect: WireDialect = "gogo"): string => {
  const result = decode(bytes, dialect)
  if (Result.isSuccess(result)) return "accepted"
  const { subject, field, reason, message, offset } = result.failure
  const place = field === "" ? subject : `${subject}.${field}`
  assert.strictEqual(message, `${place} cannot be decoded: ${reason} at byte ${offset}`)
  return `${field}: ${reason}`
}
