/** Headers of a backend request: the signed ones, a few of the outer request, the operator's, and who is served. */
import { Redacted } from "effect"
import type { BackendRequest } from "../../domain/ports/Backends.ts"

/** Connection-level headers (RFC 9110 §7.6.1) and those that the client computes. */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "host",
  "content-length",
  "expect"
])

/** Outer headers that only fill what the signed request leaves open: the outer content type describes the protobuf. */
const FILLED: ReadonlySet<string> = new Set(["content-type", "accept", "user-agent"])

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Field values: visible characters, blanks and obs-text (RFC 9110 §5.5). */
// oxlint-disable-next-line no-control-regex -- the tab is a legal character of a field value
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** What the operator adds to every request of a backend. */
export interface ConfiguredHeaders {
  readonly headers: Readonly<Record<string, string>>
  readonly authorization: Redacted.Redacted | undefined
}

/** Name and value, alternating, as undici takes them. Header lines that HTTP/1.1 cannot carry are left out. */
export const requestHeaders = (request: BackendRequest, configured: ConfiguredHeaders): Array<string> => {
  const lines = new Map<string, ReadonlyArray<string>>()
  const set = (name: string, values: ReadonlyArray<string>) => {
    const key = name.toLowerCase()
    if (!NOT_FORWARDED.has(key) && TOKEN.test(key))
      lines.set(
        key,
        values.filter((value) => VALUE.test(value))
      )
  }
  for (const { key, values } of request.payload.headers) set(key, values)
  for (const [name, value] of Object.entries(request.outerHeaders)) {
    if (name.startsWith("pocket-") || (FILLED.has(name) && !lines.has(name))) {
      // The outer body is protobuf whatever its content type says.
      if (name !== "content-type" || !value.includes("protobuf")) set(name, [value])
    }
  }
  for (const [name, value] of Object.entries(configured.headers)) set(name, [value])
  if (configured.authorization !== undefined) set("authorization", [Redacted.value(configured.authorization)])
  set("accept-encoding", ["identity"])
  set("pocket-supplier", [request.supplier])
  set("pocket-service", [request.service])
  if (request.application !== "") set("pocket-application", [request.application])
  const flat: Array<string> = []
  for (const [name, values] of lines) for (const value of values) flat.push(name, value)
  return flat
}
