import { assert, describe, it } from "@effect/vitest"
import { Duration, Redacted } from "effect"
import { relayerConfig } from "../../../adapters/config/RelayerConfig.ts"
import { settle } from "../../../adapters/config/ServiceSettings.ts"
import { accepted, aRelayer, aService, fixture, problems, relayerHead, warnings } from "./reading.ts"

const only = (text: string, expected: RegExp) => {
  const found = problems(relayerConfig, text)
  assert.strictEqual(found.length, 1, found.join("\n"))
  assert.match(found[0] ?? "", expected)
}

describe("RelayerConfig", () => {
  it("reads a file with every key", () => {
    const { config, warnings } = accepted(relayerConfig, fixture("relayer.yaml"))
    assert.deepStrictEqual(
      warnings.map((warning) => warning.place),
      [
        "redis.min_idle_conns",
        "redis.conn_max_idle_time_seconds",
        "probe",
        "services.eth.backends.websocket",
        "services.poktroll.backends.grpc",
        "http_transport.max_idle_conns",
        "http_transport.max_idle_conns_per_host",
        "http_transport.expect_continue_timeout_seconds",
        "logging.enable_caller"
      ]
    )
    assert.deepStrictEqual(config.listen, { host: "0.0.0.0", port: 8080 })
    assert.deepStrictEqual(config.healthCheck, { enabled: true, address: { host: undefined, port: 8081 } })
    assert.isTrue(config.redis.address._tag === "Standalone" && config.redis.address.tls)
    assert.strictEqual(config.redis.namespace.streams, "r")
    assert.strictEqual(Redacted.value(config.pocketNode.rpcUrl), "http://node.internal:26657/")
    assert.deepStrictEqual(config.pocketNode.grpc, { host: "node.internal", port: 9090 })
    assert.deepStrictEqual(
      config.pocketNode.moreNodes.map(({ grpc, rpcUrl }) => [Redacted.value(rpcUrl), grpc]),
      [["https://rpc.second.example/", { host: "grpc.second.example", port: 443 }]]
    )
    assert.strictEqual(config.keys.keyring.backend, undefined)
    assert.deepStrictEqual(config.keys.keyring.keyNames, ["north", "south"])
    assert.strictEqual(config.relayMeter.failBehavior, "closed")
    assert.strictEqual(Duration.toMinutes(config.relayMeter.cacheTtl), 90)
    assert.deepStrictEqual([...config.timeoutProfiles.keys()], ["fast", "streaming", "patient"])
    assert.deepStrictEqual([...config.services.keys()], ["eth", "poktroll"])
    assert.deepStrictEqual(config.spool, { directory: "/var/lib/relaymill/spool", maxBytes: 268_435_456, fsync: false })
    assert.strictEqual(config.streamHighWater, 500_000)
  })

  it("keeps the texts of secrets as written", () => {
    const { config } = accepted(relayerConfig, fixture("relayer.yaml"))
    const pool = config.services.get("eth")?.backends.get("jsonrpc")
    const secret = (value: Redacted.Redacted | undefined) => (value === undefined ? undefined : Redacted.value(value))
    assert.strictEqual(secret(pool?.authentication.password), "1e10")
    assert.strictEqual(secret(pool?.headers.get("X-Api-Key")), "0042")
    assert.deepStrictEqual(
      pool?.endpoints.map(({ name, url }) => [name, Redacted.value(url)]),
      [
        ["node-a.internal:8545", "https://node-a.internal:8545/v3/0123456789abcdef"],
        ["spare", "http://node-b.internal:8545"]
      ]
    )
  })

  it("fills in the defaults of the Go fleet", () => {
    const { config, warnings } = accepted(relayerConfig, fixture("relayer-small.yaml"))
    assert.deepStrictEqual(warnings, [])
    assert.deepStrictEqual(config.metrics, { enabled: true, address: { host: "0.0.0.0", port: 9090 } })
    assert.strictEqual(config.redis.poolSize, 50)
    assert.strictEqual(config.redis.namespace.base, "ha")
    assert.strictEqual(config.defaultValidationMode, "optimistic")
    assert.strictEqual(config.defaultMaxBodySizeBytes, 10_485_760)
    assert.strictEqual(config.relayMeter.failBehavior, "open")
    assert.strictEqual(Duration.toHours(config.relayMeter.cacheTtl), 2)
    assert.strictEqual(config.logging.async, false)
    assert.strictEqual(config.simulation.enabled, false)
    assert.deepStrictEqual(config.spool, { directory: undefined, maxBytes: 1_073_741_824, fsync: true })
    assert.strictEqual(config.streamHighWater, 1_000_000)
    const pool = config.services.get("eth")?.backends.get("jsonrpc")
    assert.strictEqual(pool?.maxRetries, 1)
    assert.strictEqual(Duration.toSeconds(pool?.recovery ?? 0), 30)
    assert.strictEqual(pool?.loadBalancing, undefined)
    assert.strictEqual(pool?.healthCheck.enabled, false)
  })

  it("settles a service from its profiles, the transport and the defaults", () => {
    const { config } = accepted(relayerConfig, fixture("relayer.yaml"))
    const eth = settle(config, config.services.get("eth")!)
    assert.strictEqual(eth.validationMode, "eager")
    assert.strictEqual(eth.maxBodySizeBytes, 20_000_000)
    assert.deepStrictEqual(
      [eth.timeouts.request, eth.timeouts.responseHeader, eth.timeouts.dial, eth.timeouts.tlsHandshake].map(
        Duration.toSeconds
      ),
      [120, 0, 4, 12]
    )
    assert.deepStrictEqual(
      { ...eth.pool, idleTimeout: Duration.toSeconds(eth.pool.idleTimeout) },
      {
        maxConnectionsPerHost: 500,
        idleTimeout: 60
      }
    )
    const other = settle(config, config.services.get("poktroll")!)
    assert.strictEqual(other.validationMode, "optimistic")
    assert.strictEqual(other.defaultBackend, "jsonrpc")
    assert.strictEqual(other.maxBodySizeBytes, 10_485_760)
    assert.strictEqual(Duration.toSeconds(other.timeouts.request), 30)
    assert.strictEqual(other.pool.maxConnectionsPerHost, 300)
  })

  it("tells every problem at once, in the order of the file", () => {
    const text = `redis: { url: "postgres://h", pool_size: many }
pocket_node:
  query_node_rpc_url: ftp://h
services:
  eth:
    validation_mode: lazy
    timeout_profile: fsat
    pool_profile: huge
    backends:
      ws: { url: "ws://h" }
      rest: { url: "http://h", urls: ["http://h"], max_retries: 4 }
metrics: { addr: nowhere }
relay_meter: { fail_behavior: close, cache_ttl: 7200 }
keys: { keys_file: k }
`
    assert.deepStrictEqual(
      problems(relayerConfig, text).map((problem) => problem.slice(0, problem.indexOf(":"))),
      [
        "line 1, redis.url",
        "line 1, redis.pool_size",
        "line 3, pocket_node.query_node_rpc_url",
        "line 6, services.eth.validation_mode",
        "line 7, services.eth.timeout_profile",
        "line 8, services.eth.pool_profile",
        "line 10, services.eth.backends.ws",
        "line 11, services.eth.backends.rest.max_retries",
        "line 11, services.eth.backends.rest",
        "line 12, metrics.addr",
        "line 13, relay_meter.fail_behavior",
        "line 13, relay_meter.cache_ttl"
      ]
    )
  })

  it("needs the node, a service and a backend", () => {
    only(
      "services: { a: { backends: { grpc: { url: h } } } }\npocket_node: { query_node_grpc_url: h }\nkeys: { keys_file: k }",
      /^line 2, pocket_node\.query_node_rpc_url: is required; write for example http:\/\/localhost:26657$/
    )
    only(`${relayerHead}services: {}\n`, /^line 3, services: needs at least one service; /)
    only(relayerHead, /^services: needs at least one service; /)
    only(
      aService("validation_mode: eager"),
      /^line 4, services\.eth\.backends: needs at least one backend; write it under jsonrpc, rest,/
    )
    only(
      aService("backends: { rest: {} }"),
      /^line 5, services\.eth\.backends\.rest: has no backend; write url, or urls for several$/
    )
    only(aService("backends: { rest: { urls: [] } }"), /\.urls: is an empty list; write at least one URL$/)
    only(
      aService("backends: { rest: http://h }"),
      /expected a mapping of keys, found a single value; write the URL below it as url: …$/
    )
  })

  it("says which transport a misspelling means", () => {
    const meant: Readonly<Record<string, string>> = {
      ws: "websocket",
      wss: "websocket",
      WebSocket: "websocket",
      http: "jsonrpc",
      https: "jsonrpc",
      "json-rpc": "jsonrpc",
      json_rpc: "jsonrpc",
      JSONRPC: "jsonrpc",
      comet: "cometbft",
      tendermint: "cometbft",
      comet_bft: "cometbft",
      restful: "rest",
      grpcs: "grpc",
      "grpc-web": "grpc"
    }
    for (const [written, transport] of Object.entries(meant)) {
      const url = transport === "websocket" ? "ws://h" : "http://h"
      only(
        aService(`backends: { ${written}: { url: "${url}" } }`),
        new RegExp(`is not a transport; write ${transport}$`)
      )
    }
    only(
      aService('backends: { graphql: { url: "http://h" } }'),
      /is not a transport; write jsonrpc, rest, websocket, grpc or cometbft$/
    )
  })

  it("takes only the schemes that a transport has", () => {
    const good: ReadonlyArray<readonly [string, string, string]> = [
      ["jsonrpc", "https://h/path?x=1", "https://h/path?x=1"],
      ["jsonrpc", "h:8545", "http://h:8545"],
      ["websocket", "wss://h/ws", "wss://h/ws"],
      ["grpc", "h:9090", "http://h:9090"],
      ["grpc", "grpc://h:9090", "http://h:9090"],
      ["grpc", "grpcs://h", "https://h"],
      ["cometbft", "http://[::1]:26657", "http://[::1]:26657"]
    ]
    for (const [transport, written, url] of good) {
      const { config } = accepted(relayerConfig, aService(`backends: { ${transport}: { url: "${written}" } }`))
      const [endpoint] = config.services.get("eth")?.backends.get(transport)?.endpoints ?? []
      assert.strictEqual(endpoint === undefined ? "" : Redacted.value(endpoint.url), url)
    }
    const bad: ReadonlyArray<readonly [string, string, RegExp]> = [
      ["websocket", "http://h", /expected a ws or wss URL; write for example ws:/],
      ["websocket", "h:8546", /expected a ws or wss URL/],
      ["jsonrpc", "ws://h", /expected an http or https URL; write/],
      ["rest", "ftp://h", /expected an http or https URL/],
      ["jsonrpc", "http://", /expected an http or https URL/],
      ["jsonrpc", "http://a b", /expected an http or https URL/],
      ["grpc", "unix:///s", /expected host:port, or an http/]
    ]
    for (const [transport, written, expected] of bad)
      only(aService(`backends: { ${transport}: { url: "${written}" } }`), expected)
  })

  it("refuses a backend listed twice, by address or by name", () => {
    const urls = (list: string) => aService(`backends: { rest: { urls: [${list}] } }`)
    only(urls('"http://h/a", "http://h/a/"'), /the backend "h:80" is listed twice; remove one$/)
    only(urls('"http://h", "http://h:80"'), /listed twice/)
    only(
      urls('{name: x, url: "http://a"}, {name: x, url: "http://b"}'),
      /two backends are named "x"; give each its own name$/
    )
    accepted(
      relayerConfig,
      urls('"http://h/a", "http://h/b/", {name: x, url: "http://h/c"}').replace("http://h/b/", "http://g/b/")
    )
    only(urls('"http://h/a", ""'), /urls\[1\]: is required; write a URL, or remove the item$/)
  })

  it("checks rules between the keys of a service", () => {
    const backends = 'backends: { rest: { url: "http://h" } }'
    only(
      aService(`default_backend: websocket\n${backends}`),
      /default_backend: there is no websocket under backends; add it, or write rest$/
    )
    only(aService(`default_backend: http\n${backends}`), /found "http"; write jsonrpc$/)
    only(
      aService(`timeout_profile: streamign\n${backends}`),
      /there is no timeout profile "streamign"; write streaming, or define it under timeout_profiles$/
    )
    only(aService(`pool_profile: x\n${backends}`), /write one of low, medium, high, or define it under pool_profiles$/)
    accepted(
      relayerConfig,
      `${aService(`timeout_profile: mine\n${backends}`)}timeout_profiles: { mine: { request_timeout_seconds: 5 } }\n`
    )
  })

  it("needs path and interval of an enabled health check", () => {
    const check = (keys: string, pool = "") =>
      aService(`backends: { rest: { url: "http://h"${pool}, health_check: { enabled: true${keys} } } }`)
    assert.strictEqual(problems(relayerConfig, check("")).length, 2)
    only(check(", endpoint: /h"), /interval_seconds: is required when the check is enabled; write for example 10$/)
    only(check(", interval_seconds: 5"), /endpoint: is required when the check is enabled/)
    accepted(relayerConfig, check(", interval_seconds: 5", ", base_path: /v1"))
    only(
      check(", interval_seconds: 5, endpoint: /h, expected_status: [20]"),
      /expected_status\[0\]: expected a whole number from 100 to 599/
    )
  })

  it("refuses two servers on one port", () => {
    only(
      aRelayer("metrics: { addr: 127.0.0.1:8080 }"),
      /^line 4, metrics\.addr: is the port of listen_addr too; give each its own port$/
    )
    only(aRelayer("health_check: { addr: :9090 }"), /health_check\.addr: is the port of metrics\.addr too/)
    accepted(relayerConfig, aRelayer("listen_addr: 127.0.0.1:9090\nmetrics: { addr: 127.0.0.2:9090 }"))
    accepted(relayerConfig, aRelayer("metrics: { enabled: false, addr: 0.0.0.0:8080 }"))
  })

  it("bounds numbers, addresses and durations", () => {
    const bad: ReadonlyArray<readonly [string, RegExp]> = [
      ["listen_addr: 8080", /expected an address host:port, found "8080"; write for example/],
      ["listen_addr: ''", /expected an address host:port/],
      ["listen_addr: h:70000", /expected an address host:port/],
      [
        "redis: { pool_size: -1 }",
        /redis\.pool_size: expected a whole number from 1 to 100000, found "-1"; leave the key out for the default, 50$/
      ],
      ["redis: { pool_timeout_seconds: 1.5 }", /expected a whole number of seconds/],
      ["redis: [a]", /redis: expected a mapping of keys, found a list/],
      ["redis: { url: [a] }", /redis\.url: expected a single value, found a list/],
      ["redis: { namespace: { base_prefix: 'a b' } }", /expected a key prefix without spaces/],
      ["default_max_body_size_bytes: 10MB", /expected a whole number of bytes of at least 1, found "10MB"/],
      ["relay_meter: { cache_ttl: 2 hours }", /expected a duration, found "2 hours"; write numbers with the units/],
      ["relay_meter: { fail_behavior: Closed }", /found "Closed"; write closed$/],
      ["logging: { format: jsn }", /found "jsn"; write json$/],
      ["timeout_profiles: [fast]", /expected a mapping from profile names to its settings, found a list$/],
      ["timeout_profiles: { a: { dial_timeout_seconds: -1 } }", /timeout_profiles\.a\.dial_timeout_seconds: expected/],
      ["cache_warmup: { known_applications: pokt1a }", /expected a list of application addresses, found a single value/]
    ]
    for (const [keys, expected] of bad) only(aRelayer(keys), expected)
  })

  it("takes zero for the default where Go does", () => {
    const { config } = accepted(
      relayerConfig,
      aRelayer(
        "redis: { pool_size: 0, conn_max_idle_time_seconds: 0, namespace: { base_prefix: '' } }\nhttp_transport: { max_conns_per_host: 0 }\nrelay_meter: { cache_ttl: 0s }"
      )
    )
    assert.strictEqual(config.redis.poolSize, 50)
    assert.strictEqual(config.redis.namespace.base, "ha")
    assert.strictEqual(config.httpTransport.maxConnectionsPerHost, 500)
    assert.strictEqual(Duration.toHours(config.relayMeter.cacheTtl), 2)
  })

  it("warns once for each key that has no effect, and starts", () => {
    const text = aRelayer(
      "rate_limit: 5\nvalidation_mode: eager\ngrace_period_extra_blocks: 2\ntransaction: { gas_limit: 1 }\nhttp_transport: { response_header_timeout_seconds: 5 }\nlogging: { output: stdout, level: trace }\nredis: { consumer_name: a, pool_sise: 3 }"
    )
    assert.deepStrictEqual(warnings(relayerConfig, text), [
      "line 4, rate_limit: unknown key, ignored; remove it, or check its spelling and its indentation",
      "line 5, validation_mode: never had an effect at this place, default_validation_mode decides; remove it",
      "line 6, grace_period_extra_blocks: never had an effect, the chain's grace period counts; remove it",
      "line 7, transaction: a key of the miner, without effect on a relayer; remove it",
      "line 8, http_transport.response_header_timeout_seconds: never has an effect, the timeout profile decides; remove it",
      "line 9, logging.output: logs always go to stderr, also in the Go fleet; remove it",
      'line 9, logging.level: level "trace" is read as info; write debug, info, warn or error',
      "line 10, redis.consumer_name: the miner's key, without effect on a relayer; remove it",
      "line 10, redis.pool_sise: unknown key, ignored; if pool_size is meant, write that"
    ])
  })

  it("warns of meters that miners never clean up, half of a login, missing keys and impossible service ids", () => {
    assert.match(
      warnings(relayerConfig, aRelayer("redis: { namespace: { base_prefix: x } }"))[0] ?? "",
      /meters are kept under ha:meter while miners clean up x:meter/
    )
    assert.match(
      warnings(
        relayerConfig,
        aService('backends: { rest: { url: "http://h", authentication: { username: u } } }')
      )[0] ?? "",
      /HTTP Basic needs both and password is missing/
    )
    assert.match(
      warnings(relayerConfig, aRelayer().replace("keys_file", "keys_fil"))[1] ?? "",
      /no supplier keys are named, every relay is refused/
    )
    assert.match(
      warnings(relayerConfig, aRelayer().replace("eth", '"a b"'))[0] ?? "",
      /^line 3, services\."a b": no service on chain has this id/
    )
  })

  it("refuses what Go can do and this cannot", () => {
    only(
      aRelayer(
        "simulation: { enabled: true, identities: [{ key_id: a, app_pubkey_hex: 0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798, gateway_pubkeys_hex: [02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5] }] }"
      ),
      /^line 4, simulation\.enabled: simulated relays are not built in here; set it to false$/
    )
    only(
      aRelayer().replace("keys_file: k.yaml", "keyring: { backend: os }"),
      /^line \d+, keys\.keyring\.backend: the os keyring cannot be opened from here; copy the keys/
    )
    assert.deepStrictEqual(
      problems(relayerConfig, aRelayer().replace("keys_file: k.yaml", "keyring: { backend: test }")),
      []
    )
  })

  it("judges the identities of an enabled simulation, and only warns where it is off", () => {
    const identities = `identities:
    - { key_id: a, app_pubkey_hex: 021066f293709356a33e9c13017867586baf52513e845bc4335233a15ed1e00baf, gateway_pubkeys_hex: [05] }
    - { app_pubkey_hex: xyz, not_after: tomorrow, max_rps: 0 }`
    const text = (enabled: boolean) => aRelayer(`simulation:\n  enabled: ${enabled}\n  ${identities}\n`)
    const found = problems(relayerConfig, text(true)).filter((problem) => !problem.includes("simulation.enabled"))
    assert.deepStrictEqual(
      found.map((problem) => problem.replace(/^line \d+, simulation\.identities/, "").split(/[;:]/)[0]),
      [
        "[0].app_pubkey_hex",
        "[0].gateway_pubkeys_hex[0]",
        "[1].key_id",
        "[1].app_pubkey_hex",
        "[1].max_rps",
        "[1].not_after",
        "[1].gateway_pubkeys_hex"
      ]
    )
    assert.strictEqual(
      warnings(relayerConfig, text(false)).filter((warning) =>
        warning.endsWith("(without effect while simulation is off)")
      ).length,
      7
    )
    only(aRelayer("simulation: { enabled: perhaps }"), /simulation\.enabled: expected true or false, found "perhaps"/)
  })

  it("needs identities with different names when simulation is on", () => {
    const one =
      "{ key_id: a, app_pubkey_hex: 0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798, gateway_pubkeys_hex: [02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5] }"
    const found = (keys: string) => problems(relayerConfig, aRelayer(`simulation: { ${keys} }`)).join("\n")
    assert.match(found(`enabled: true, identities: [${one}, ${one}]`), /two identities have the key_id "a"; rename one/)
    assert.match(
      found("enabled: true"),
      /simulation\.identities: needs at least one identity when simulation is enabled/
    )
  })
})
