/** Shapes of the vector file about HTTP payloads. */
import type { HttpHeader } from "../../../domain/relay/PoktHttp.ts"
import { fromUtf8 } from "../../../domain/wire/ByteText.ts"
import { loadVectors } from "../../vectors/load.ts"
import type { HeaderVector } from "./RelayVectors.ts"

interface HeaderValues {
  readonly key: string
  readonly values: ReadonlyArray<string>
}

export interface HttpCases {
  readonly canonical_header_names: ReadonlyArray<{ readonly in: string; readonly out: string }>
  readonly requests: ReadonlyArray<{
    readonly name: string
    /** Absent: empty. */
    readonly method?: string
    /** Absent: empty. */
    readonly url?: string
    readonly headers: ReadonlyArray<HeaderValues>
    readonly body_hex: string
    readonly bytes_hex: string
  }>
  readonly responses: ReadonlyArray<{
    readonly name: string
    /** Absent: 0. */
    readonly status_code?: number
    readonly headers: ReadonlyArray<HeaderValues>
    readonly body_hex: string
    readonly bytes_hex: string
  }>
  readonly signed: ReadonlyArray<{
    readonly name: string
    readonly status_code: number
    readonly headers: ReadonlyArray<HeaderValues>
    readonly body_hex: string
    readonly session_header: HeaderVector
    readonly supplier_private_key_hex: string
    readonly payload_hex: string
    readonly response_hex: string
  }>
}

export const http = loadVectors<HttpCases>("http")

/** Headers of a vector as byte text. */
export const headersOf = (headers: ReadonlyArray<HeaderValues>): ReadonlyArray<HttpHeader> =>
  headers.map(({ key, values }) => ({ key: fromUtf8(key), values: values.map(fromUtf8) }))
