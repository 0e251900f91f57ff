/**
 * What a backend's HTTP answer becomes as relay payload: header names canonical, one value for each received line,
 * framing headers left out as Go's HTTP client leaves them out. Reading and gunzipping the body is the caller's.
 */
import { fromUtf8, isUtf8 } from "../wire/ByteText.ts"
import { encodeMessage } from "../wire/ProtoWriter.ts"
import * as HeaderName from "./HeaderName.ts"
import { headerList, type HttpResponsePayload, writeHttpResponse } from "./PoktHttp.ts"

/** One received header line: name and value as Latin-1 text, which is byte text. */
export type HeaderLine = readonly [name: string, value: string]

/** A backend's answer, body read to its end and within the limit. */
export interface BackendAnswer {
  /** HTTP status, never 0: the payload is therefore never empty. */
  readonly status: number
  /** Lines as received, in order, not joined. Trailers are left out, except of gRPC backends: they follow the headers. */
  readonly rawHeaders: ReadonlyArray<HeaderLine>
  readonly body: Uint8Array
  /** The body was gzip (`isGzip`) and `body` is the successfully decompressed one. */
  readonly gunzipped: boolean
}

/** Whether the first `Content-Encoding` line says `gzip`, in any case: the caller then tries to gunzip the body. */
export const isGzip = (rawHeaders: ReadonlyArray<HeaderLine>): boolean => {
  const line = rawHeaders.find(([name]) => HeaderName.canonical(name) === "Content-Encoding")
  return line !== undefined && trimBlanks(line[1]).toLowerCase() === "gzip"
}

/** Encoded POKTHTTPResponse of an answer, ready to be signed as the payload of a relay response. */
export const responsePayload = (answer: BackendAnswer): Uint8Array =>
  encodeMessage(writeHttpResponse, httpResponseOf(answer))

/**
 * The POKTHTTPResponse of an answer. Values that are not UTF-8 are taken as Latin-1 and transcoded (Go fails the relay).
 * A gunzipped body loses `Content-Encoding`, and its `Content-Length`, if there was one, is corrected.
 */
export const httpResponseOf = (answer: BackendAnswer): HttpResponsePayload => {
  const headers = new Map<string, Array<string>>()
  for (const [rawName, rawValue] of answer.rawHeaders) {
    const name = utf8OrLatin1(HeaderName.canonical(rawName))
    const value = utf8OrLatin1(trimBlanks(rawValue))
    const values = headers.get(name)
    if (values === undefined) headers.set(name, [value])
    else values.push(value)
  }
  dropFraming(headers)
  if (answer.gunzipped) {
    headers.delete("Content-Encoding")
    if (headers.has("Content-Length")) headers.set("Content-Length", [answer.body.length.toString()])
  }
  return {
    statusCode: answer.status,
    headers: headerList(headers),
    body: answer.body
  }
}

/** Source: Go `net/http/transfer.go`, `readTransfer`, `fixTrailer`, `shouldClose`. */
const dropFraming = (headers: Map<string, Array<string>>): void => {
  if (headers.delete("Transfer-Encoding")) headers.delete("Content-Length")
  headers.delete("Trailer")
  const connection = headers.get("Connection")
  const closes = connection?.some((value) =>
    value.split(",").some((token) => trimBlanks(token).toLowerCase() === "close")
  )
  if (closes === true) headers.delete("Connection")
}

const utf8OrLatin1 = (text: string): string => (isUtf8(text) ? text : fromUtf8(text))

/** Without spaces and tabs at both ends: what HTTP calls optional white space. */
const trimBlanks = (text: string): string => {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return start === 0 && end === text.length ? text : text.slice(start, end)
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09
