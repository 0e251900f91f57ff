/** The `services` section: what is served, in which way, by which backends. */
import { Schema } from "effect"
import { RpcType } from "../../domain/ports/Backends.ts"
import { backend } from "./BackendConfig.ts"
import { joinPlace, key, mapOf, optional, section, type ValueOf } from "./ConfigReader.ts"
import { NonEmptyText, oneOf, wholeNumber } from "./GoScalar.ts"
import { alternatives, closest } from "./Misspelling.ts"

const transports = RpcType.literals
const isTransport = Schema.is(RpcType)

/** Transports that relays are served over. */
export const servedTransports: ReadonlySet<RpcType> = new Set(["jsonrpc", "rest", "cometbft"])

/** What operators write instead of a transport. Lower case. */
const transportHints: Readonly<Record<string, RpcType>> = {
  ws: "websocket",
  wss: "websocket",
  "web-socket": "websocket",
  web_socket: "websocket",
  websockets: "websocket",
  http: "jsonrpc",
  https: "jsonrpc",
  rpc: "jsonrpc",
  "json-rpc": "jsonrpc",
  json_rpc: "jsonrpc",
  json: "jsonrpc",
  evm: "jsonrpc",
  comet: "cometbft",
  comet_bft: "cometbft",
  "comet-bft": "cometbft",
  tendermint: "cometbft",
  restful: "rest",
  rest_api: "rest",
  "rest-api": "rest",
  api: "rest",
  grpcs: "grpc",
  "grpc-web": "grpc",
  grpc_web: "grpc",
  grpcweb: "grpc"
}

/** The transport a text means: itself, a known misspelling, or a near one. */
export const transportMeant = (text: string): RpcType | undefined => {
  if (isTransport(text)) return text
  const lower = text.toLowerCase()
  const meant = Object.hasOwn(transportHints, lower) ? transportHints[lower] : closest(text, transports)
  return meant !== undefined && isTransport(meant) ? meant : undefined
}

/** How relays are checked. */
export const validationModes = ["eager", "optimistic"] as const

const backends = mapOf((name) => backend(transportMeant(name) ?? "jsonrpc"), {
  placeholder: "<transport>",
  kind: "transports",
  atLeastOne: `needs at least one backend; write it under ${alternatives(transports)}`,
  check: (name, place, node, findings) => {
    if (isTransport(name)) {
      if (servedTransports.has(name)) return
      findings.warning(
        place,
        node,
        `has no effect here, relays over ${name} are not served; leave them to a Go relayer`
      )
      return
    }
    const meant = transportMeant(name)
    const remedy = meant === undefined ? `write ${alternatives(transports)}` : `write ${meant}`
    findings.problem(place, node, `is not a transport; ${remedy}`)
  }
})

const service = section(
  {
    validationMode: key(
      "validation_mode",
      optional({
        codec: oneOf(validationModes),
        type: "eager, optimistic",
        meaning: "Check a relay before its backend call, or beside it; left out: `default_validation_mode`."
      })
    ),
    timeoutProfile: key(
      "timeout_profile",
      optional({
        codec: NonEmptyText,
        type: "name of a timeout profile",
        meaning: "Left out: fast.",
        notice: (value, place, node, findings) => findings.refer("timeout profile", value, place, node)
      })
    ),
    poolProfile: key(
      "pool_profile",
      optional({
        codec: NonEmptyText,
        type: "name of a pool profile",
        meaning: "Left out: the values of `http_transport`.",
        notice: (value, place, node, findings) => findings.refer("pool profile", value, place, node)
      })
    ),
    maxBodySizeBytes: key(
      "max_body_size_bytes",
      optional({
        codec: wholeNumber({ least: 0, unit: "bytes" }),
        type: "bytes ≥ 1; 0 = default",
        meaning: "Largest request and response; left out: `default_max_body_size_bytes`."
      })
    ),
    defaultBackend: key(
      "default_backend",
      optional({
        codec: oneOf(transports, transportHints),
        type: transports.join(", "),
        meaning: "Transport of relays that name none; must be among `backends`. Left out: jsonrpc."
      })
    ),
    backends: key("backends", backends)
  },
  {
    ignored: {
      request_timeout_seconds: "never had an effect, timeout_profile decides",
      grace_period_extra_blocks: "never had an effect, the chain's grace period counts"
    },
    check: (value, place, node, findings) => {
      const { defaultBackend } = value
      if (defaultBackend === undefined || value.backends === undefined) return
      const written = node?.entries.get("backends")
      if (written?.kind !== "mapping" || written.entries.has(defaultBackend)) return
      findings.problem(
        joinPlace(place, "default_backend"),
        node?.entries.get("default_backend"),
        `there is no ${defaultBackend} under backends; add it, or write ${alternatives([...written.entries.keys()])}`
      )
    }
  }
)
/** Value of one entry of `services`: limits, profiles and backends of one service. */
export type ServiceConfig = ValueOf<typeof service>

/** `services`: id to settings, in the order of the file. */
export const services = mapOf(() => service, {
  placeholder: "<id>",
  kind: "service ids",
  atLeastOne: "needs at least one service; write its id and below it its backends",
  check: (name, place, node, findings) => {
    if (!/^[A-Za-z0-9_-]{1,42}$/.test(name)) {
      findings.warning(
        place,
        node,
        "no service on chain has this id (1 to 42 letters, digits, _ or -); correct it or remove it"
      )
    }
  }
})
