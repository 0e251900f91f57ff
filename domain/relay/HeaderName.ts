/** Canonical HTTP header names: how Go's HTTP client names the headers that end up in relay payloads. */

/**
 * The canonical form: the first letter and each letter right after `-` in upper case, the rest in lower case.
 * A name with any character outside RFC 9110 `token` is returned unchanged. `name` is byte text.
 * Source: Go `net/textproto`, `CanonicalMIMEHeaderKey`.
 */
export const canonical = (name: string): string => {
  const known = COMMON.get(name)
  if (known !== undefined) return known
  return TOKEN.test(name) ? name.toLowerCase().replace(WORD_START, (letter) => letter.toUpperCase()) : name
}

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]*$/
const WORD_START = /(?<=^|-)[a-z]/g

/** Names that nearly every answer carries, in the spellings of HTTP/1 and HTTP/2 servers: spares two regular expressions. */
const COMMON: ReadonlyMap<string, string> = new Map(
  [
    "Accept-Ranges",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Age",
    "Alt-Svc",
    "Cache-Control",
    "Cf-Cache-Status",
    "Cf-Ray",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Date",
    "Etag",
    "Keep-Alive",
    "Last-Modified",
    "Server",
    "Set-Cookie",
    "Strict-Transport-Security",
    "Vary",
    "Via",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-Request-Id"
  ].flatMap((name) => [
    [name, name],
    [name.toLowerCase(), name]
  ])
)
