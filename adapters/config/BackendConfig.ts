/** One pool of backends: `services.<id>.backends.<transport>`, with its authentication and active health check. */
import { Duration, Option } from "effect"
import type { RpcType } from "../../domain/ports/Backends.ts"
import { type BackendEndpoint, backendUrl, endpointIdentity, endpointName } from "./BackendUrl.ts"
import {
  joinPlace,
  key,
  kindOf,
  listOf,
  mapOf,
  optional,
  type Reader,
  required,
  section,
  type ValueOf
} from "./ConfigReader.ts"
import type { Findings } from "./Findings.ts"
import { NonEmptyText, oneOf, wholeNumber } from "./GoScalar.ts"
import { count, flag, seconds, word } from "./KeyKinds.ts"
import { quoteFound, SecretText } from "./TextCodec.ts"
import type { YamlMapping, YamlNode } from "./YamlSource.ts"

const secret = (meaning: string) => optional({ codec: SecretText, type: "text", meaning: `${meaning} Secret.` })

const authentication = section(
  {
    username: key("username", optional({ codec: NonEmptyText, type: "text", meaning: "HTTP Basic, with `password`." })),
    password: key("password", secret("HTTP Basic.")),
    bearerToken: key("bearer_token", secret("`Authorization: Bearer …`; counts if there is no user and password.")),
    plainToken: key("plain_token", secret("The whole `Authorization` value; counts if there is nothing else."))
  },
  {
    check: (value, place, node, findings) => {
      if ((value.username === undefined) === (value.password === undefined)) return
      const missing = value.username === undefined ? "username" : "password"
      findings.warning(place, node, `HTTP Basic needs both and ${missing} is missing; add it or remove the other one`)
    }
  }
)

/** Header names to values. Values often are API keys, so they are secrets. */
const headers = (meaning: string) =>
  mapOf(
    () =>
      required("write the header's value, or remove it", {
        codec: SecretText,
        type: "text",
        meaning: `${meaning} Secret.`
      }),
    {
      placeholder: "<name>",
      kind: "header names",
      check: (name, place, node, findings) => {
        if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) {
          findings.problem(place, node, "is not a possible header name; use letters, digits and -")
        }
      }
    }
  )

const healthCheck = section({
  enabled: key("enabled", flag(false, "Probe each backend of the pool; one that is not well gets no relays.")),
  endpoint: key(
    "endpoint",
    optional({
      codec: NonEmptyText,
      type: "path",
      meaning: "Path that is asked; required if enabled without `base_path`."
    })
  ),
  interval: key(
    "interval_seconds",
    seconds({ fallback: "0", least: 0 }, "Time between probes; at least 1 if enabled.")
  ),
  timeout: key("timeout_seconds", seconds({ fallback: "5", unset: "zero" }, "Longest wait for one probe.")),
  unhealthyThreshold: key(
    "unhealthy_threshold",
    optional({
      codec: wholeNumber({ least: 0 }),
      type: "whole number ≥ 1; 0 = default",
      meaning: "Failures in a row that take a backend out: of probes (default 3), and of traffic (default 5)."
    })
  ),
  healthyThreshold: key(
    "healthy_threshold",
    count({ fallback: "2", unset: "zero" }, "Successes in a row that bring it back.")
  ),
  method: key(
    "method",
    word(["GET", "POST", "HEAD", "PUT", "OPTIONS"], "GET", "HTTP method.", { get: "GET", post: "POST", head: "HEAD" })
  ),
  requestBody: key("request_body", optional({ codec: NonEmptyText, type: "text", meaning: "Body that is sent." })),
  contentType: key(
    "content_type",
    optional({ codec: NonEmptyText, type: "text", meaning: "Left out: JSON if the body starts with `{` or `[`." })
  ),
  expectedBody: key(
    "expected_body",
    optional({ codec: NonEmptyText, type: "text", meaning: "Text the answer must contain." })
  ),
  expectedStatus: key(
    "expected_status",
    listOf(
      required("write a status, or remove the item", {
        codec: wholeNumber({ least: 100, most: 599 }),
        type: "list of 100–599",
        meaning: "Statuses that are healthy; left out: 200–299."
      }),
      "HTTP statuses"
    )
  ),
  headers: key("headers", headers("Header of probes, over those of the pool."))
})
/** Value of `health_check`: how a backend is probed. */
export type HealthCheckConfig = ValueOf<typeof healthCheck>

/** An item of `urls`: a URL, or a mapping with a name. */
const endpointItem = (transport: RpcType): Reader<BackendEndpoint> => {
  const plain = required("write a URL, or remove the item", {
    codec: backendUrl(transport),
    type: "list of URL or of `{name, url}`",
    meaning: "Backends of a pool. Secret."
  })
  const named = section({
    name: key("name", optional({ codec: NonEmptyText, type: "text", meaning: "Name in logs and metrics." })),
    url: key("url", plain)
  })
  return {
    read: (node, place, findings) =>
      node?.kind === "mapping"
        ? Option.map(named.read(node, place, findings), ({ name, url }) => ({ name: name ?? endpointName(url), url }))
        : Option.map(plain.read(node, place, findings), (url) => ({ name: endpointName(url), url })),
    rows: (place) => [
      ...plain.rows(place),
      ...named
        .rows(place)
        .map((row) =>
          row.place.endsWith(".url") ? { ...row, type: "URL", meaning: "URL of a named backend. Secret." } : row
        )
    ]
  }
}

/** Notes endpoints that appear twice in a pool, by address or by name. */
const noteDuplicates = (
  endpoints: ReadonlyArray<BackendEndpoint>,
  place: string,
  node: YamlNode | undefined,
  findings: Findings
) => {
  const addresses = new Set<string>()
  const names = new Set<string>()
  for (const { name, url } of endpoints) {
    const identity = endpointIdentity(url)
    if (addresses.has(identity))
      findings.problem(place, node, `the backend ${quoteFound(name)} is listed twice; remove one`)
    else if (names.has(name))
      findings.problem(place, node, `two backends are named ${quoteFound(name)}; give each its own name`)
    addresses.add(identity)
    names.add(name)
  }
}

const keysOf = (transport: RpcType) =>
  section(
    {
      url: key(
        "url",
        optional({
          codec: backendUrl(transport),
          type: "URL; for grpc also `host:port`",
          meaning: "The one backend. Secret."
        })
      ),
      urls: key("urls", listOf(endpointItem(transport), "backend URLs")),
      basePath: key(
        "base_path",
        optional({
          codec: NonEmptyText,
          type: "path",
          meaning: "Put before each request's path, instead of the URL's own path."
        })
      ),
      loadBalancing: key(
        "load_balancing",
        optional({
          codec: oneOf(["round_robin", "first_healthy"], { roundrobin: "round_robin", failover: "first_healthy" }),
          type: "round_robin, first_healthy",
          meaning: "Left out: round_robin with two or more backends, else first_healthy."
        })
      ),
      headers: key("headers", headers("Header added to traffic and probes, over the request's own.")),
      authentication: key("authentication", authentication),
      maxRetries: key(
        "max_retries",
        count({ fallback: "1", least: 0, most: 3 }, "Further tries on another healthy backend.")
      ),
      recovery: key(
        "recovery_timeout_seconds",
        seconds({ fallback: "30", least: 0 }, "A backend that was taken out is tried again after this; 0 = off.")
      ),
      healthCheck: key("health_check", healthCheck)
    },
    {
      check: (value, place, node, findings) => {
        noteUrls(node, place, findings)
        noteDuplicates(value.urls ?? [], joinPlace(place, "urls"), node?.entries.get("urls"), findings)
        const check = value.healthCheck
        if (check?.enabled !== true) return
        const at = joinPlace(place, "health_check")
        const checkNode = node?.entries.get("health_check")
        if (check.endpoint === undefined && value.basePath === undefined) {
          findings.problem(
            joinPlace(at, "endpoint"),
            checkNode,
            "is required when the check is enabled; write the path to ask, such as /health"
          )
        }
        if (Duration.isZero(check.interval)) {
          findings.problem(
            joinPlace(at, "interval_seconds"),
            checkNode,
            "is required when the check is enabled; write for example 10"
          )
        }
      }
    }
  )

/** `url` and `urls` exclude each other and one is needed. Judged by the file, so that a wrong URL is reported once. */
const noteUrls = (node: YamlMapping | undefined, place: string, findings: Findings) => {
  const has = (name: string) => {
    const value = node?.entries.get(name)
    return value !== undefined && value.kind !== "null" && !(value.kind === "scalar" && value.text === "")
  }
  if (has("url") && has("urls")) findings.problem(place, node, "has url and urls; keep one of them")
  else if (!has("url") && !has("urls")) findings.problem(place, node, "has no backend; write url, or urls for several")
  else if (has("urls") && isEmptyList(node?.entries.get("urls"))) {
    findings.problem(joinPlace(place, "urls"), node, "is an empty list; write at least one URL")
  }
}

const isEmptyList = (node: YamlNode | undefined) => node?.kind === "list" && node.items.length === 0

/** One pool as it is used. */
export interface BackendConfig extends Omit<ValueOf<ReturnType<typeof keysOf>>, "url" | "urls"> {
  readonly transport: RpcType
  /** In the order of the file, at least one. */
  readonly endpoints: ReadonlyArray<BackendEndpoint>
}

/** Reads the pool of one transport. */
export const backend = (transport: RpcType): Reader<BackendConfig> => {
  const reader = keysOf(transport)
  return {
    read: (node, place, findings) => {
      if (node?.kind === "scalar") {
        findings.problem(
          place,
          node,
          `expected a mapping of keys, found ${kindOf(node)}; write the URL below it as url: …`
        )
        return Option.none()
      }
      return Option.map(reader.read(node, place, findings), ({ url, urls, ...rest }) => ({
        ...rest,
        transport,
        endpoints: url === undefined ? urls : [{ name: endpointName(url), url }]
      }))
    },
    rows: reader.rows
  }
}
