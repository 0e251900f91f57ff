/**
 * How a simulated chain in a process of its own is spoken to: one POST for each call, values of the ports whole in v8's
 * encoding, errors as JSON by their tags. Both ends are of one checkout, so nothing else has to read it.
 */
import { deserialize, serialize } from "node:v8"
import { Option, Schema } from "effect"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { ServiceNotFound, SessionNotFound } from "../../domain/ports/ChainQuery.ts"
import { TxRefused } from "../../domain/ports/ChainTx.ts"

/** One call of a port's member; `Control` moves the chain itself. */
export interface WireCall {
  readonly port: "Blocks" | "ChainQuery" | "ChainTx" | "Control"
  readonly member: string
  readonly args: ReadonlyArray<unknown>
}

/** What came of it: a value, or the JSON of a `WireError`. */
export type WireReply = { readonly value: unknown } | { readonly error: string }

/** Every error of the chain's ports. */
export const WireError = Schema.fromJsonString(
  Schema.toCodecJson(Schema.Union([ChainUnavailable, SessionNotFound, ServiceNotFound, TxRefused]))
)
export type WireError = typeof WireError.Type

/** Bytes of a call or a reply. */
export const encodeWire = (value: unknown): Uint8Array => serialize(packed(value))

/** The value whose bytes `encodeWire` made; the caller knows its type, since both ends are of one checkout. */
export const decodeWire = (bytes: Uint8Array): unknown => unpacked(deserialize(bytes))

/** An `Option`, which v8's encoding would make a plain object of. */
const OPTION = "~option"

const packed = (value: unknown): unknown => {
  if (Option.isOption(value)) {
    return { [OPTION]: Option.match(value, { onNone: () => [], onSome: (inner) => [packed(inner)] }) }
  }
  return inside(value, packed)
}

const unpacked = (value: unknown): unknown => {
  if (isRecord(value) && Array.isArray(value[OPTION])) {
    return value[OPTION].length === 0 ? Option.none() : Option.some(unpacked(value[OPTION][0]))
  }
  return inside(value, unpacked)
}

/** The same value with `change` applied to what it contains. */
const inside = (value: unknown, change: (inner: unknown) => unknown): unknown => {
  if (Array.isArray(value)) return value.map(change)
  if (value instanceof Map) return new Map(Array.from(value, ([key, inner]) => [key, change(inner)]))
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner)])) : value
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !ArrayBuffer.isView(value) &&
  !(value instanceof Map) &&
  !(value instanceof Set)
