/**
 * Where a relay goes at its backend: path and query of the signed URL, merged into the endpoint the operator configured.
 * Scheme and host of the signed URL are the gateway's idea of the supplier and are never used.
 */
import { Result, Schema } from "effect"

/** The signed URL cannot be parsed. */
export class UnusableUrl extends Schema.TaggedError<UnusableUrl>()("UnusableUrl", { url: Schema.String }) {
  override get message(): string {
    return `the relay's URL cannot be parsed: ${this.url.slice(0, 200)}`
  }
}

/** Path and query to request, starting with `/`. `basePath` stands in for the endpoint's own path. */
export const requestTarget = (
  endpoint: URL,
  basePath: string | undefined,
  signedUrl: string
): Result.Result<string, UnusableUrl> => {
  if (signedUrl === "") return Result.succeed(withQuery(prefixOf(endpoint, basePath) || "/", endpoint.search, ""))
  const signed = URL.parse(signedUrl, "http://relay.invalid")
  // Paths of other schemes are opaque texts that HTTP may not be able to carry.
  if (signed === null || !SCHEMES.has(signed.protocol)) return Result.fail(new UnusableUrl({ url: signedUrl }))
  return Result.succeed(
    withQuery(mergePath(prefixOf(endpoint, basePath), signed.pathname), endpoint.search, signed.search)
  )
}

/** Gateways sign the supplier's first staked URL, which may be one for WebSockets. */
const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:", "ws:", "wss:"])

const prefixOf = (endpoint: URL, basePath: string | undefined): string =>
  trimSlashes(basePath === undefined || basePath === "" ? endpoint.pathname : basePath)

/** A path that already begins with the prefix is not given it twice: gateways sign the supplier's public URL. */
const mergePath = (prefix: string, path: string): string => {
  const inner = path === "/" ? "" : path
  if (prefix === "") return clean(inner === "" ? "/" : inner)
  if (inner === "") return clean(prefix)
  return clean(inner === prefix || inner.startsWith(`${prefix}/`) ? inner : `${prefix}/${inner}`)
}

/** Some nodes refuse `POST //`. Dots are resolved by the URL parser. */
const clean = (path: string): string => `/${path}`.replace(/\/{2,}/g, "/")

const trimSlashes = (path: string): string => path.replace(/\/+$/, "")

/** Both queries are kept as they are, the endpoint's first. */
const withQuery = (path: string, configured: string, signed: string): string => {
  const queries = [configured, signed].map((query) => query.replace(/^\?/, "")).filter((query) => query !== "")
  return queries.length === 0 ? path : `${path}?${queries.join("&")}`
}

/** `requestTarget` of one endpoint; gateways sign few different URLs, so the latest results are kept. */
export const makeRequestTarget = (endpoint: URL, basePath: string | undefined) => {
  const kept = new Map<string, Result.Result<string, UnusableUrl>>()
  return (signedUrl: string): Result.Result<string, UnusableUrl> => {
    const known = kept.get(signedUrl)
    if (known !== undefined) return known
    const target = requestTarget(endpoint, basePath, signedUrl)
    if (signedUrl.length <= KEPT_LENGTH) {
      if (kept.size >= KEPT_TARGETS) kept.clear()
      kept.set(signedUrl, target)
    }
    return target
  }
}

/** Targets kept for each endpoint, of URLs up to this length: about 300 KB at most. */
const KEPT_TARGETS = 256
const KEPT_LENGTH = 256
