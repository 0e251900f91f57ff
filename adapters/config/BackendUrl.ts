/**
 * URLs of backends. Which schemes are possible depends on the transport; `host:port` without a scheme is plain HTTP.
 * Paths and user info often hold provider keys, so a URL is `Redacted` and a failure never quotes it.
 */
import { Redacted, Result, Schema } from "effect"
import type { RpcType } from "../../domain/ports/Backends.ts"
import { writeHostPort } from "./HostPort.ts"
import { textCodec, type TextCodec } from "./TextCodec.ts"

/** One backend node. */
export const BackendEndpoint = Schema.Struct({
  /** For logs and metrics: the operator's name, else `host:port`. Never holds path or user info. */
  name: Schema.String,
  /** Absolute URL: `http(s)` for jsonrpc, rest, cometbft and grpc (`http` is h2c there), `ws(s)` for websocket. */
  url: Schema.Redacted(Schema.String)
})
export type BackendEndpoint = typeof BackendEndpoint.Type

/** Schemes by transport; the value is the scheme the decoded URL has. */
const schemes: Readonly<Record<RpcType, Readonly<Record<string, string>>>> = {
  jsonrpc: { http: "http", https: "https" },
  rest: { http: "http", https: "https" },
  cometbft: { http: "http", https: "https" },
  websocket: { ws: "ws", wss: "wss" },
  grpc: { http: "http", https: "https", grpc: "http", grpcs: "https" }
}

const expected: Readonly<Record<RpcType, string>> = {
  jsonrpc: "expected an http or https URL; write for example http://localhost:8545",
  rest: "expected an http or https URL; write for example http://localhost:8080",
  cometbft: "expected an http or https URL; write for example http://localhost:26657",
  websocket: "expected a ws or wss URL; write for example ws://localhost:8546",
  grpc: "expected host:port, or an http, https, grpc or grpcs URL; write for example localhost:9090"
}

/** A backend's URL for one transport. */
export const backendUrl = (transport: RpcType): TextCodec<Redacted.Redacted> =>
  textCodec(
    Schema.Redacted(Schema.String),
    (text) => {
      const found = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text)
      const bare = transport === "websocket" ? undefined : "http"
      const scheme = found === null ? bare : schemes[transport][found[1]?.toLowerCase() ?? ""]
      const href = scheme === undefined ? "" : `${scheme}://${found?.[2] ?? text}`
      const url = /\s/.test(href) || !URL.canParse(href) ? undefined : new URL(href)
      return url === undefined || url.hostname === ""
        ? Result.fail(expected[transport])
        : Result.succeed(Redacted.make(href, { label: "backend URL" }))
    },
    Redacted.value
  )

/** `host:port` of a backend's URL, with the scheme's port if it has none. */
export const endpointName = (url: Redacted.Redacted): string => {
  const { hostname, port, protocol } = new URL(Redacted.value(url))
  const plain = protocol === "http:" || protocol === "ws:"
  return writeHostPort(hostname.replaceAll(/[[\]]/g, ""), port === "" ? (plain ? 80 : 443) : Number(port))
}

/** What makes two endpoints of a pool the same: host, port and path without its last slash. */
export const endpointIdentity = (url: Redacted.Redacted): string =>
  `${endpointName(url)}${new URL(Redacted.value(url)).pathname.replace(/\/+$/, "")}`
