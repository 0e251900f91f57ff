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

/**
 * Name and value, alternating, as undici takes them; names in lower case. Header lines that HTTP/1.1 cannot carry are left
 * out, and those that the request's `Connection` names. Nothing of the outer request wins over what is signed.
 */
export const requestHeaders = (request: BackendRequest, configured: ConfiguredHeaders): Array<string> => {
  const lines = new Map<string, ReadonlyArray<string>>()
  /** `name` in lower case. */
  const set = (name: string, values: ReadonlyArray<string>) => {
    if (NOT_FORWARDED.has(name) || !TOKEN.test(name)) return
    lines.set(name, values.every(isValue) ? values : values.filter(isValue))
  }
  const dropped: Array<string> = []
  for (const { key, values } of request.payload.headers) {
    const name = key.toLowerCase()
    if (name !== "connection") set(name, values)
    // One by one: a caller may name more than a call takes arguments.
    else for (const token of tokensOf(values)) dropped.push(token)
  }
  for (const name of dropped) lines.delete(name)
  for (const name of FILLED) {
    const value = request.outerHeaders[name]
    // The outer body is protobuf whatever its content type says.
    if (value === undefined || lines.has(name) || (name === "content-type" && value.includes("protobuf"))) continue
    set(name, [value])
  }
  for (const name in configured.headers) set(name.toLowerCase(), [configured.headers[name] ?? ""])
  if (configured.authorization !== undefined) set("authorization", [Redacted.value(configured.authorization)])
  lines.set("accept-encoding", IDENTITY)
  lines.set("pocket-supplier", [request.supplier])
  lines.set("pocket-service", [request.service])
  if (request.application !== "") lines.set("pocket-application", [request.application])
  const flat: Array<string> = []
  for (const [name, values] of lines) for (const value of values) flat.push(name, value)
  return flat
}

const IDENTITY = ["identity"]

const isValue = (value: string): boolean => VALUE.test(value)

const tokensOf = (values: ReadonlyArray<string>): ReadonlyArray<string> =>
  values.flatMap((value) => value.split(",").map((token) => token.trim().toLowerCase()))
