/** Timeouts and connection pools of backend calls: `http_transport`, `timeout_profiles`, `pool_profiles`. */
import { Duration, Option } from "effect"
import { key, mapOf, type Reader, section, type ValueOf } from "./ConfigReader.ts"
import { count, flag, seconds, withoutEffect } from "./KeyKinds.ts"

const NO_IDLE_BOUND = "idle connections are bounded by max_conns_per_host and idle_conn_timeout_seconds"

/** `http_transport`: what applies where no profile says otherwise. Zero means the default. */
export const httpTransport = section(
  {
    maxIdleConnections: key(
      "max_idle_conns",
      withoutEffect(count({ fallback: "500", unset: "zero" }, "Idle connections over all backends."), NO_IDLE_BOUND)
    ),
    maxIdleConnectionsPerHost: key(
      "max_idle_conns_per_host",
      withoutEffect(count({ fallback: "100", unset: "zero" }, "Idle connections to one backend."), NO_IDLE_BOUND)
    ),
    maxConnectionsPerHost: key(
      "max_conns_per_host",
      count({ fallback: "500", unset: "zero" }, "Connections to one backend.")
    ),
    idleTimeout: key(
      "idle_conn_timeout_seconds",
      seconds({ fallback: "90", unset: "zero" }, "A connection idle for longer is closed.")
    ),
    dialTimeout: key(
      "dial_timeout_seconds",
      seconds({ fallback: "5", unset: "zero" }, "Longest wait for a connection, where a profile has 0.")
    ),
    tlsHandshakeTimeout: key(
      "tls_handshake_timeout_seconds",
      seconds({ fallback: "10", unset: "zero" }, "Longest TLS handshake, where a profile has 0.")
    ),
    expectContinueTimeout: key(
      "expect_continue_timeout_seconds",
      withoutEffect(
        seconds({ fallback: "1", unset: "zero" }, "Wait for `100 Continue`."),
        "requests to backends never carry Expect"
      )
    ),
    tcpKeepAlive: key(
      "tcp_keep_alive_seconds",
      seconds({ fallback: "30", unset: "zero" }, "Idle time of a connection before its first TCP keep-alive.")
    ),
    disableCompression: key(
      "disable_compression",
      withoutEffect(
        flag(true, "Backends are asked for uncompressed answers."),
        "backends are always asked for uncompressed answers"
      )
    )
  },
  { ignored: { response_header_timeout_seconds: "never has an effect, the timeout profile decides" } }
)
/** Value of `http_transport`: what every connection to a backend keeps to. */
export type HttpTransportConfig = ValueOf<typeof httpTransport>

const timeoutProfile = section({
  request: key(
    "request_timeout_seconds",
    seconds({ fallback: "0", least: 0 }, "Whole call, streams included; 0: `default_request_timeout_seconds`.")
  ),
  responseHeader: key(
    "response_header_timeout_seconds",
    seconds({ fallback: "0", least: 0 }, "Until the first byte; 0: no limit.")
  ),
  dial: key("dial_timeout_seconds", seconds({ fallback: "0", least: 0 }, "Connecting; 0: `http_transport`.")),
  tlsHandshake: key(
    "tls_handshake_timeout_seconds",
    seconds({ fallback: "0", least: 0 }, "TLS handshake; 0: `http_transport`.")
  )
})
/** Value of one entry of `timeout_profiles`; a zero duration defers to the section it names. */
export type TimeoutProfile = ValueOf<typeof timeoutProfile>

const poolProfile = section({
  maxConnectionsPerHost: key(
    "max_conns_per_host",
    count({ fallback: "0", least: 0 }, "Connections; 0: `http_transport`.")
  ),
  maxIdleConnectionsPerHost: key(
    "max_idle_conns_per_host",
    withoutEffect(count({ fallback: "0", least: 0 }, "Idle connections; 0: `http_transport`."), NO_IDLE_BOUND)
  ),
  idleTimeout: key(
    "idle_conn_timeout_seconds",
    seconds({ fallback: "0", least: 0 }, "An idle connection is closed after this; 0: `http_transport`.")
  )
})
/** Value of one entry of `pool_profiles`; a zero defers to `http_transport`. */
export type PoolProfile = ValueOf<typeof poolProfile>

const timeouts = (request: number, responseHeader: number, dial: number, tlsHandshake: number): TimeoutProfile => ({
  request: Duration.seconds(request),
  responseHeader: Duration.seconds(responseHeader),
  dial: Duration.seconds(dial),
  tlsHandshake: Duration.seconds(tlsHandshake)
})

const pool = (maxConnectionsPerHost: number, maxIdleConnectionsPerHost: number, idle: number): PoolProfile => ({
  maxConnectionsPerHost,
  maxIdleConnectionsPerHost,
  idleTimeout: Duration.seconds(idle)
})

/** Profiles that exist without being defined. */
export const builtInTimeoutProfiles: ReadonlyMap<string, TimeoutProfile> = new Map([
  ["fast", timeouts(30, 30, 5, 10)],
  ["streaming", timeouts(600, 0, 10, 15)]
])

/** Profiles that exist without being defined. */
export const builtInPoolProfiles: ReadonlyMap<string, PoolProfile> = new Map([
  ["low", pool(10, 5, 90)],
  ["medium", pool(100, 20, 90)],
  ["high", pool(250, 50, 90)]
])

/** Adds built-in entries that the file does not define; a defined one replaces its built-in as a whole. */
const withBuiltIn = <A>(
  reader: Reader<ReadonlyMap<string, A>>,
  builtIn: ReadonlyMap<string, A>
): Reader<ReadonlyMap<string, A>> => ({
  read: (node, place, findings) =>
    Option.map(reader.read(node, place, findings), (defined) => new Map([...builtIn, ...defined])),
  rows: reader.rows
})

/** `timeout_profiles` with the built-in ones. */
export const timeoutProfiles = withBuiltIn(
  mapOf(() => timeoutProfile, { placeholder: "<name>", kind: "profile names" }),
  builtInTimeoutProfiles
)

/** `pool_profiles` with the built-in ones. */
export const poolProfiles = withBuiltIn(
  mapOf(() => poolProfile, { placeholder: "<name>", kind: "profile names" }),
  builtInPoolProfiles
)
