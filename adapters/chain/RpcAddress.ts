/** Where a node's RPC is, taken apart so that what may be secret stays in the parts that are never shown. */
import { Redacted } from "effect"

/** Parts of an RPC URL. Only `name` may be logged: path, query and headers can carry tokens. */
export interface RpcAddress {
  /** Host and port, for logs, errors and metrics. */
  readonly name: string
  readonly origin: string
  /** Path and query for calls. */
  readonly path: string
  /** WebSocket URL of subscriptions, without user information. */
  readonly webSocketUrl: Redacted.Redacted
  /** `authorization` when the URL has user information. */
  readonly headers: Readonly<Record<string, string>>
}

/** Takes an absolute http(s) URL apart; slashes at the end of its path are dropped. */
export const rpcAddress = (url: Redacted.Redacted): RpcAddress => {
  const { protocol, hostname, port, host, pathname, search, username, password } = new URL(Redacted.value(url))
  const isSecure = protocol === "https:"
  const base = pathname.replace(/\/+$/, "")
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return {
    name: `${hostname}:${port === "" ? (isSecure ? "443" : "80") : port}`,
    origin: `${protocol}//${host}`,
    path: `${base}/${search}`,
    webSocketUrl: Redacted.make(`${isSecure ? "wss" : "ws"}://${host}${base}/websocket${search}`),
    headers:
      username === "" && password === ""
        ? {}
        : { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` }
  }
}
