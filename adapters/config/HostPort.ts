/** Addresses `host:port` as Go reads them: to listen on (`:9092` is every interface) and to connect to. */
import { Result, Schema } from "effect"
import { quoteFound, textCodec, type TextCodec } from "./TextCodec.ts"

/** Where to listen. */
export const ListenAddress = Schema.Struct({
  /** IP address or name of an interface, without brackets; undefined: every interface. */
  host: Schema.UndefinedOr(Schema.String),
  /** 1–65535; 0 lets the system choose. */
  port: Schema.Int
})
export type ListenAddress = typeof ListenAddress.Type

/** Where to connect to. */
export const HostPort = Schema.Struct({
  /** Name or IP address without brackets, never empty. */
  host: Schema.String,
  /** 1–65535. */
  port: Schema.Int
})
export type HostPort = typeof HostPort.Type

/** `0.0.0.0:8080`, `:9092`, `[::1]:8080`. */
export const ListenAddressText: TextCodec<ListenAddress> = textCodec(
  ListenAddress,
  (text) => {
    const parts = splitHostPort(text)
    return parts === undefined || parts.port === undefined || (parts.host === "" && !text.startsWith(":"))
      ? Result.fail(`expected an address host:port, found ${quoteFound(text)}; write for example 0.0.0.0:8080`)
      : Result.succeed({ host: parts.host === "" ? undefined : parts.host, port: parts.port })
  },
  (address) => writeHostPort(address.host ?? "", address.port)
)

/** Parses `host:port`; without a port `fallbackPort` is taken. Undefined when the text is no address. */
export const parseHostPort = (text: string, fallbackPort: number): HostPort | undefined => {
  const parts = splitHostPort(text)
  if (parts === undefined || parts.host === "" || parts.port === 0) return undefined
  return { host: parts.host, port: parts.port ?? fallbackPort }
}

/** `host:port`, with brackets around an IPv6 address. */
export const writeHostPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

const splitHostPort = (text: string): { readonly host: string; readonly port: number | undefined } | undefined => {
  const found = /^(?:\[([0-9A-Fa-f:.%\w]*)\]|([^\s:[\]/@?#]*))(?::(\d{1,5}))?$/.exec(text)
  if (found === null) return undefined
  const port = found[3] === undefined ? undefined : Number(found[3])
  return port !== undefined && port > 65_535 ? undefined : { host: found[1] ?? found[2] ?? "", port }
}
