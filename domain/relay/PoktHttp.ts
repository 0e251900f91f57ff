/**
 * HTTP calls inside relays: `sdk.types.POKTHTTPRequest` and `POKTHTTPResponse` of shannon-sdk, and the payload that a
 * backend's answer becomes. Encoding is deterministic; decoding follows google.golang.org/protobuf, not gogoproto.
 */
import { Result, Schema } from "effect"
import { fromUtf8, isUtf8, textToBytes } from "../wire/ByteText.ts"
import { decodeMessage, LENGTH_DELIMITED, type ProtoReader } from "../wire/ProtoReader.ts"
import { encodeMessage, type ProtoWriter } from "../wire/ProtoWriter.ts"
import type { WireError } from "../wire/WireError.ts"

/** All values of one header, one for each line, in order. Byte text; UTF-8 by protobuf's rule. */
export interface HttpHeader {
  /** The map key. The copy of it inside the entry is written but never read. */
  readonly key: string
  readonly values: ReadonlyArray<string>
}

/** `sdk.types.POKTHTTPRequest`. */
export interface HttpRequestPayload {
  /** Empty means GET. */
  readonly method: string
  /** One entry for each name. */
  readonly headers: ReadonlyArray<HttpHeader>
  /** Complete URL. */
  readonly url: string
  readonly body: Uint8Array
}

/** `sdk.types.POKTHTTPResponse`. */
export interface HttpResponsePayload {
  /** HTTP status (uint32). */
  readonly statusCode: number
  /** One entry for each name. */
  readonly headers: ReadonlyArray<HttpHeader>
  readonly body: Uint8Array
}

/** A text that protobuf does not let into a message because it is not UTF-8. `field` as in `WireError`. */
export class TextNotUtf8 extends Schema.TaggedError<TextNotUtf8>()("TextNotUtf8", { field: Schema.String }) {
  override get message(): string {
    return `${this.field} is not UTF-8 and cannot be encoded`
  }
}

/** Encodes a request: entries sorted by the bytes of the key; of entries with the same key the last one is written. */
export const encodeHttpRequest = (request: HttpRequestPayload): Result.Result<Uint8Array, TextNotUtf8> => {
  const problem = isUtf8(request.method) ? (isUtf8(request.url) ? notUtf8(request.headers) : "url") : "method"
  return problem === undefined
    ? Result.succeed(encodeMessage(writeRequest, request))
    : Result.fail(new TextNotUtf8({ field: `POKTHTTPRequest.${problem}` }))
}

/** Encodes a response: entries sorted by the bytes of the key; of entries with the same key the last one is written. */
export const encodeHttpResponse = (response: HttpResponsePayload): Result.Result<Uint8Array, TextNotUtf8> => {
  const problem = notUtf8(response.headers)
  return problem === undefined
    ? Result.succeed(encodeMessage(writeHttpResponse, response))
    : Result.fail(new TextNotUtf8({ field: `POKTHTTPResponse.${problem}` }))
}

/** Decodes a request; zero bytes are an empty one. Headers come in order of first appearance, the body is a view. */
export const decodeHttpRequest = (bytes: Uint8Array): Result.Result<HttpRequestPayload, WireError> =>
  Result.map(
    decodeMessage("POKTHTTPRequest", bytes, readRequest, emptyRequest(), "google"),
    ({ method, headers, url, body }) => ({ method, headers: headerList(headers), url, body })
  )

/** Decodes a response; zero bytes are an empty one. Headers come in order of first appearance, the body is a view. */
export const decodeHttpResponse = (bytes: Uint8Array): Result.Result<HttpResponsePayload, WireError> =>
  Result.map(
    decodeMessage("POKTHTTPResponse", bytes, readResponse, emptyResponse(), "google"),
    ({ statusCode, headers, body }) => ({ statusCode, headers: headerList(headers), body })
  )

/**
 * Payload of a relayer's own failure: `statusCode`, `Content-Type: application/json` and the body `{"error": text}`.
 * `text` is human text.
 */
export const encodeHttpError = (statusCode: number, text: string): Uint8Array =>
  encodeMessage(writeHttpResponse, {
    statusCode,
    headers: [{ key: "Content-Type", values: ["application/json"] }],
    body: textToBytes(fromUtf8(JSON.stringify({ error: text })))
  })

/** Writes a response whose texts are known to be UTF-8; for `encodeMessage`. */
export const writeHttpResponse = (writer: ProtoWriter, response: HttpResponsePayload): void => {
  writer.uint(1, response.statusCode)
  writeHeaders(writer, response.headers)
  writer.bytes(3, response.body)
}

interface HeaderDraft {
  values: Array<string>
}

interface RequestDraft {
  method: string
  headers: Map<string, ReadonlyArray<string>>
  url: string
  body: Uint8Array
}

interface ResponseDraft {
  statusCode: number
  headers: Map<string, ReadonlyArray<string>>
  body: Uint8Array
}

const NO_BYTES = new Uint8Array(0)

const emptyRequest = (): RequestDraft => ({ method: "", headers: new Map(), url: "", body: NO_BYTES })

const emptyResponse = (): ResponseDraft => ({ statusCode: 0, headers: new Map(), body: NO_BYTES })

/** The entries of a map as a list, in its order. */
export const headerList = (headers: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<HttpHeader> => {
  // For each relay, twice: `Array.from` over a map takes five times as long.
  const list: Array<HttpHeader> = []
  for (const [key, values] of headers) list.push({ key, values })
  return list
}

const readRequest = (reader: ProtoReader, draft: RequestDraft): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.method = reader.text("method", draft.method)
        break
      case 2:
        readEntryInto(reader, draft.headers)
        break
      case 3:
        draft.url = reader.text("url", draft.url)
        break
      case 4:
        draft.body = reader.bytes("body_bz", draft.body)
        break
      default:
        reader.skip()
    }
  }
}

const readResponse = (reader: ProtoReader, draft: ResponseDraft): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.statusCode = reader.uint32("status_code", draft.statusCode)
        break
      case 2:
        readEntryInto(reader, draft.headers)
        break
      case 3:
        draft.body = reader.bytes("body_bz", draft.body)
        break
      default:
        reader.skip()
    }
  }
}

/** One map entry; key and value may be missing (empty), a repeated key replaces the earlier entry. */
const readEntryInto = (reader: ProtoReader, headers: Map<string, ReadonlyArray<string>>): void => {
  if (!reader.expect("header", LENGTH_DELIMITED)) return
  const entry = { key: "", header: { values: [] } }
  reader.message("header", readEntry, entry)
  headers.set(entry.key, entry.header.values)
}

const readEntry = (reader: ProtoReader, draft: { key: string; readonly header: HeaderDraft }): void => {
  while (reader.next()) {
    if (reader.field === 1) draft.key = reader.text("key", draft.key)
    else if (reader.field === 2) reader.message("value", readHeader, draft.header)
    else reader.skip()
  }
}

const readHeader = (reader: ProtoReader, draft: HeaderDraft): void => {
  while (reader.next()) {
    if (reader.field === 1) reader.text("key") // read for its UTF-8 check only
    else if (reader.field === 2 && reader.expect("values", LENGTH_DELIMITED)) draft.values.push(reader.text("values"))
    else if (reader.field !== 2) reader.skip()
  }
}

const writeRequest = (writer: ProtoWriter, request: HttpRequestPayload): void => {
  writer.text(1, request.method)
  writeHeaders(writer, request.headers)
  writer.text(3, request.url)
  writer.bytes(4, request.body)
}

const writeHeaders = (writer: ProtoWriter, headers: ReadonlyArray<HttpHeader>): void => {
  for (const header of inKeyOrder(headers)) writer.message(2, writeEntry, header)
}

/** Sorted by key; byte text compares as its bytes do. Repeated keys are reduced to the last one, as a map would. */
const inKeyOrder = (headers: ReadonlyArray<HttpHeader>): ReadonlyArray<HttpHeader> => {
  const sorted = headers.toSorted(byKey)
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i - 1]?.key === sorted[i]?.key) return sorted.filter(({ key }, index) => sorted[index + 1]?.key !== key)
  }
  return sorted
}

const byKey = (left: HttpHeader, right: HttpHeader): number =>
  left.key < right.key ? -1 : left.key > right.key ? 1 : 0

const writeEntry = (writer: ProtoWriter, header: HttpHeader): void => {
  writer.presentText(1, header.key)
  writer.message(2, writeHeader, header)
}

const writeHeader = (writer: ProtoWriter, header: HttpHeader): void => {
  writer.text(1, header.key)
  for (const value of header.values) writer.presentText(2, value)
}

const notUtf8 = (headers: ReadonlyArray<HttpHeader>): string | undefined => {
  for (const header of headers) {
    if (!isUtf8(header.key)) return "header.key"
    for (const value of header.values) if (!isUtf8(value)) return "header.value.values"
  }
  return undefined
}
