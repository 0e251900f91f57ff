/** The port that gateways call, over raw sockets where a client library would tidy up what is tested. */
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Metric, type Scope } from "effect"
import { RelayServer } from "../../../adapters/http/RelayServer.ts"
import { acceptsGzip } from "../../../adapters/http/RelayReply.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { drain, unfinished } from "../../../domain/lifecycle/Drain.ts"
import { ServeRelay } from "../../../domain/relay/ServeRelay.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import { rawConnection } from "../../support/HttpPeers.ts"
import * as Served from "../../support/ServedWorld.ts"
import * as World from "../../support/ServingWorld.ts"

const { httpRequest } = Served

/** Runs `body` against a relayer of its own. */
const served = <A, E>(
  options: Omit<Parameters<typeof Served.layer>[0] & object, "script">,
  body: (
    script: World.Script,
    port: number
  ) => Effect.Effect<A, E, Layer.Success<ReturnType<typeof Served.layer>> | Scope.Scope>
) => {
  const script = new World.Script()
  return Effect.flatMap(Served.port, (port) => body(script, port)).pipe(
    Effect.provide(Served.layer({ ...options, script })),
    Effect.scoped
  )
}

/** One request on a connection of its own. */
const exchange = (port: number, ...bytes: ReadonlyArray<string | Uint8Array>) =>
  Effect.flatMap(rawConnection(port), (connection) =>
    Effect.promise(() => {
      connection.send(...bytes)
      return connection.read()
    })
  ).pipe(Effect.scoped)

/** An application whose stake pays for all that a test sends. */
const richGenesis = {
  applications: [
    {
      publicKey: World.application.publicKey,
      serviceIds: [World.SERVICE],
      gateways: [World.gateway.address],
      stake: World.stakeFor(100_000)
    }
  ]
}

describe("a relay over HTTP", () => {
  for (const method of ["POST", "GET", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    it.live(`is served for ${method} with a body`, () =>
      served({}, (_, port) =>
        Effect.gen(function* () {
          const body = World.requestBytes(yield* World.currentSession, "1")
          const answer = yield* exchange(port, httpRequest(body, { method }))
          assert.strictEqual(World.readSigned(answer).status, 200)
          assert.strictEqual(answer.headers["content-type"], "application/x-protobuf")
        })
      )
    )
  }

  for (const [what, options] of [
    ["at any path", { path: "/v1/any//path?with=query" }],
    ["at a path of probes", { path: "/health" }],
    ["without a content type", {}],
    ["with the content type of JSON", { headers: { "Content-Type": "application/json" } }],
    ["with a broken content type", { headers: { "Content-Type": ";;;=" } }],
    ["that accepts anything", { headers: { Accept: "text/html, */*;q=0.1" } }],
    ["in chunks", { chunked: true }],
    [
      "by a client of Go",
      { headers: { "User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip", "Rpc-Type": "3" } }
    ]
  ] as const) {
    it.live(`is served ${what}`, () =>
      served({}, (_, port) =>
        Effect.gen(function* () {
          const body = World.requestBytes(yield* World.currentSession, "1")
          assert.strictEqual(World.readSigned(yield* exchange(port, httpRequest(body, options))).status, 200)
        })
      )
    )
  }

  it.live("is served when its body comes slowly, byte by byte", () =>
    served({}, (_, port) =>
      Effect.gen(function* () {
        const bytes = httpRequest(World.requestBytes(yield* World.currentSession, "1"))
        const connection = yield* rawConnection(port)
        for (let i = 0; i < bytes.length; i += 7) {
          connection.send(bytes.subarray(i, i + 7))
          yield* Effect.sleep(1)
        }
        assert.strictEqual(World.readSigned(yield* Effect.promise(() => connection.read())).status, 200)
      })
    )
  )

  it.live("is served a thousand times on one connection", () =>
    served({ genesis: richGenesis }, (_, port) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const connection = yield* rawConnection(port)
        for (let i = 0; i < 1_000; i++) {
          connection.send(httpRequest(World.requestBytes(header, String(i))))
          const answer = yield* Effect.promise(() => connection.read())
          assert.strictEqual(answer.status, 200)
          assert.notStrictEqual(answer.headers["connection"], "close")
        }
        assert.strictEqual(yield* World.logged, 1_000)
      })
    )
  )

  it.live("is served on 500 connections at once", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        script.answer = () => Effect.as(Effect.sleep(20), World.anAnswer())
        const header = yield* World.currentSession
        const pool = yield* Served.clientPool(port, 500)
        const statuses = yield* Effect.forEach(
          Array.from({ length: 500 }, (_, i) => World.requestBytes(header, String(i))),
          (body) =>
            Effect.promise(async () => {
              const answer = await pool.request({ path: "/", method: "POST", body })
              return World.readSigned({ status: answer.statusCode, body: await answer.body.bytes() }).status
            }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(new Set(statuses), new Set([200]))
        assert.strictEqual(yield* World.logged, 500)
        assert.strictEqual(yield* World.charged(header), 500n * World.RELAY_COST)
      })
    )
  )

  it.live("is answered in the order of its pipeline", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        let call = 0
        script.answer = () => {
          const number = call++
          return Effect.as(Effect.sleep(10 - number), World.anAnswer({ body: textToBytes(String(number)) }))
        }
        const header = yield* World.currentSession
        const connection = yield* rawConnection(port)
        connection.send(
          Buffer.concat(Array.from({ length: 10 }, (_, i) => httpRequest(World.requestBytes(header, String(i)))))
        )
        for (let i = 0; i < 10; i++) {
          const answer = yield* Effect.promise(() => connection.read())
          assert.strictEqual(World.readSigned(answer).text, String(i))
        }
      })
    )
  )

  it.live("with Expect: 100-continue is told to go on, and at once if it is too large", () =>
    served({}, (_, port) =>
      Effect.gen(function* () {
        const body = World.requestBytes(yield* World.currentSession, "1")
        const head = httpRequest(body, { headers: { Expect: "100-continue" } }).subarray(0, -body.length)
        const connection = yield* rawConnection(port)
        connection.send(head)
        assert.strictEqual((yield* Effect.promise(() => connection.read())).status, 100)
        connection.send(body)
        assert.strictEqual(World.readSigned(yield* Effect.promise(() => connection.read())).status, 200)
        const large = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n"
        assert.strictEqual((yield* exchange(port, large)).status, 413)
      })
    )
  )

  it.live("passes outer headers on only where the signed request leaves them open", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        let outer: unknown
        script.answer = (request) => {
          outer = request.outerHeaders
          return Effect.succeed(World.anAnswer())
        }
        const body = World.requestBytes(yield* World.currentSession, "1")
        const headers = {
          "User-Agent": "gateway",
          Accept: "*/*",
          "Pocket-Supplier": "x",
          Cookie: "a=1",
          Authorization: "x"
        }
        yield* exchange(port, httpRequest(body, { headers }))
        assert.deepStrictEqual(outer, { accept: "*/*", "user-agent": "gateway" })
      })
    )
  )

  it.live("of the size of the limit is read, of one byte more refused, whichever way it is sent", () =>
    served({}, (_, port) =>
      Effect.gen(function* () {
        const [exactly, more] = [new Uint8Array(100_000), new Uint8Array(100_001)]
        for (const chunked of [false, true]) {
          const read = yield* exchange(port, httpRequest(exactly, { chunked }))
          assert.deepStrictEqual([read.status, read.body.toString()], [400, `{"error":"body must be a RelayRequest"}`])
          const connection = yield* rawConnection(port)
          connection.send(httpRequest(more, { chunked }))
          const refused = yield* Effect.promise(() => connection.read())
          assert.deepStrictEqual(
            [refused.status, refused.body.toString()],
            [413, `{"error":"request body is larger than 100000 bytes"}`]
          )
          // The connection is still good for the next relay.
          connection.send(httpRequest(World.requestBytes(yield* World.currentSession, String(chunked))))
          assert.strictEqual((yield* Effect.promise(() => connection.read())).status, 200)
        }
      })
    )
  )

  it.live("of many megabytes is served, and so is an answer of one", () =>
    served({ server: { maxBodyBytes: 10_485_760 } }, (script, port) =>
      Effect.gen(function* () {
        script.answer = ({ payload }) => Effect.succeed(World.anAnswer({ body: payload.body.subarray(0, 1_000_000) }))
        const body = new Uint8Array(10_000_000).fill(7)
        const request = World.requestBytes(yield* World.currentSession, "1", { call: { body } })
        const answer = World.readSigned(yield* exchange(port, httpRequest(request)))
        assert.deepStrictEqual([answer.status, answer.body.length, answer.body[999_999]], [200, 1_000_000, 7])
      })
    )
  )

  it.live("is refused while other bodies fill the memory for them", () =>
    served({ server: { maxBufferedBytes: 60_000 } }, (script, port) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const slow = yield* rawConnection(port)
        slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n", new Uint8Array(49_000))
        yield* Effect.sleep(30)
        const refused = yield* exchange(port, httpRequest(new Uint8Array(20_000)))
        assert.deepStrictEqual([refused.status, refused.body.toString()], [503, `{"error":"relayer is at its limit"}`])
        slow.socket.destroy()
        yield* Effect.sleep(30)
        assert.strictEqual((yield* exchange(port, httpRequest(new Uint8Array(20_000)))).status, 400)
        assert.strictEqual((yield* exchange(port, httpRequest(World.requestBytes(header, "1")))).status, 200)
        assert.strictEqual(script.calls, 1)
      })
    )
  )

  it.live("whose caller leaves before the backend answered is cancelled and not charged", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        script.answer = () => Effect.never
        const header = yield* World.currentSession
        const connection = yield* rawConnection(port)
        connection.send(httpRequest(World.requestBytes(header, "1")))
        while (script.calls === 0) yield* Effect.sleep(1)
        connection.socket.destroy()
        while (script.interrupted === 0) yield* Effect.sleep(1)
        assert.strictEqual(yield* World.charged(header), 0n)
        assert.strictEqual(yield* World.logged, 0)
      })
    )
  )

  it.live("whose caller leaves in the middle of its body reaches nobody", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        const body = World.requestBytes(yield* World.currentSession, "1")
        const connection = yield* rawConnection(port)
        connection.send(httpRequest(body).subarray(0, -10))
        yield* Effect.sleep(20)
        connection.socket.destroy()
        yield* Effect.sleep(20)
        assert.strictEqual(script.calls, 0)
        // Nor does it remain in flight, which the drain would call cut.
        assert.strictEqual(yield* (yield* RelayServer).drain(Duration.seconds(5)), 0)
      })
    )
  )
})

describe("other requests", () => {
  it.live("HEAD asks no backend, whatever it carries", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const answer = yield* exchange(port, httpRequest(World.requestBytes(header, "1"), { method: "HEAD" }))
        assert.strictEqual(answer.status, 405)
        assert.strictEqual(answer.body.length, 0)
        assert.strictEqual(script.calls, 0)
        assert.strictEqual(yield* World.charged(header), 0n)
      })
    )
  )

  it.live("that are no HTTP are told so and cut", () =>
    served({}, (_, port) =>
      Effect.gen(function* () {
        const connection = yield* rawConnection(port)
        connection.send("NONSENSE\r\n\r\n")
        assert.strictEqual((yield* Effect.promise(() => connection.read())).status, 400)
        assert.strictEqual(yield* Effect.promise(() => connection.untilEnded()), "end")
      })
    )
  )

  it.live("probe health and readiness", () =>
    served({ service: { rpcTypes: new Set(["jsonrpc"]) } }, (_, port) =>
      Effect.gen(function* () {
        const get = (path: string) =>
          Effect.map(exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`), ({ status, body }) => [
            status,
            JSON.parse(body.toString())
          ])
        assert.deepStrictEqual(yield* get("/health"), [200, { status: "healthy", block_height: 1 }])
        assert.deepStrictEqual(yield* get("/healthz"), [200, { status: "healthy", block_height: 1 }])
        assert.deepStrictEqual(yield* get("/ready"), [200, { status: "healthy", block_height: 1 }])
        assert.deepStrictEqual(yield* get(`/ready/${World.SERVICE}`), [
          200,
          { service_id: World.SERVICE, ready: true, block_height: 1 }
        ])
        assert.strictEqual((yield* get("/ready/other"))[0], 404)
        yield* RelayServer.use((server) => server.unready)
        assert.deepStrictEqual(yield* get("/ready"), [
          503,
          { status: "draining", block_height: 1, reasons: [{ name: "draining", text: "draining" }] }
        ])
        assert.strictEqual((yield* get("/health"))[0], 200)
        // Relays are still taken: whoever asks for readiness has to see it first.
        const body = World.requestBytes(yield* World.currentSession, "1")
        assert.strictEqual((yield* exchange(port, httpRequest(body))).status, 200)
      })
    )
  )

  it.live("tell that relays wait in the spool, and stop being ready when that takes no more", () =>
    served({ spoolLimit: 1 }, (script, port) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const ready = Effect.map(exchange(port, "GET /ready HTTP/1.1\r\nHost: a\r\n\r\n"), ({ body, status }) => ({
          status,
          ...(JSON.parse(body.toString()) as { reasons?: ReadonlyArray<{ name: string; text: string }> })
        }))
        script.log = "away"
        yield* World.serve(World.requestBytes(header, "1"))
        const spooling = yield* ready
        assert.deepStrictEqual([spooling.status, spooling.reasons?.map(({ name }) => name)], ["healthy", ["spooling"]])
        assert.match(spooling.reasons![0]!.text, /^1 mined relays wait in the spool, the oldest for \d+ s$/)
        yield* World.serve(World.requestBytes(header, "2"))
        const refusing = yield* ready
        assert.deepStrictEqual(
          refusing.reasons?.map(({ name }) => name),
          ["not_recordable", "spooling"]
        )
        assert.include(String(refusing.status), "the relay spool holds 1 entries of 1")
        script.log = "there"
        yield* World.serve(World.requestBytes(header, "3"))
        assert.deepStrictEqual(
          (yield* ready).reasons?.map(({ name }) => name),
          ["spooling"]
        )
        const relays = yield* ServeRelay
        yield* relays.drain
        assert.isUndefined((yield* ready).reasons)
      })
    )
  )

  it.live("are not ready without keys", () =>
    served({ held: [] }, (_, port) =>
      Effect.gen(function* () {
        const answer = yield* exchange(port, "GET /ready HTTP/1.1\r\nHost: a\r\n\r\n")
        assert.strictEqual(answer.status, 503)
        assert.include(answer.body.toString(), "no supplier key loaded")
      })
    )
  )
})

describe("compression of answers", () => {
  const compressed = { server: { compression: { minSizeBytes: 300 } } }

  it.live("is for clients that take it and answers that are worth it", () =>
    served(compressed, (script, port) =>
      Effect.gen(function* () {
        script.answer = () => Effect.succeed(World.anAnswer({ body: textToBytes("x".repeat(5_000)) }))
        const header = yield* World.currentSession
        const gzip = { "Accept-Encoding": "gzip" }
        const small = yield* exchange(port, httpRequest(textToBytes("no relay"), { headers: gzip }))
        assert.isUndefined(small.headers["content-encoding"])
        const plain = yield* exchange(port, httpRequest(World.requestBytes(header, "1")))
        assert.isUndefined(plain.headers["content-encoding"])
        const answer = yield* exchange(port, httpRequest(World.requestBytes(header, "2"), { headers: gzip }))
        assert.strictEqual(answer.headers["content-encoding"], "gzip")
        assert.strictEqual(answer.headers["vary"], "accept-encoding")
        assert.isBelow(answer.body.length, 1_000)
        const signed = World.readSigned({ status: answer.status, body: gunzipSync(answer.body) })
        assert.strictEqual(signed.text.length, 5_000)
      })
    )
  )

  it.live("is off unless asked for", () =>
    served({}, (_, port) =>
      Effect.gen(function* () {
        const body = World.requestBytes(yield* World.currentSession, "1")
        const answer = yield* exchange(port, httpRequest(body, { headers: { "Accept-Encoding": "gzip" } }))
        assert.isUndefined(answer.headers["content-encoding"])
      })
    )
  )

  for (const [header, accepts] of [
    [undefined, false],
    ["", false],
    ["gzip", true],
    ["GZIP", true],
    ["br, gzip;q=0.5", true],
    ["gzip;q=0", false],
    ["gzip; q=0.000", false],
    ["*", true],
    ["*;q=0", false],
    ["*, gzip;q=0", false],
    ["identity", false],
    ["x-gzip", true],
    ["deflate, br", false]
  ] as const) {
    it(`takes "${header}" as ${accepts ? "" : "not "}accepting gzip`, () => {
      assert.strictEqual(acceptsGzip(header), accepts)
    })
  }
})

/** Value of a gauge now. */
const gauge = (name: string): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (all) => {
    const state = all.find(({ id }) => id === name)?.state as { value: number } // gauges
    return state.value
  })

describe("the port", () => {
  it.live("that is taken is refused in a sentence", () =>
    served({}, (_, port) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          Layer.build(Layer.provide(RelayServer.layer({ host: "127.0.0.1", port, maxBodyBytes: 1 }), World.layer()))
        )
        assert.strictEqual(
          error.message,
          `127.0.0.1:${port} is in use by another process; choose another port or stop that process`
        )
      })
    )
  )

  it.live("reports how full it is", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        script.answer = () => Effect.never
        const body = World.requestBytes(yield* World.currentSession, "1")
        const connection = yield* rawConnection(port)
        connection.send(httpRequest(body))
        while (script.calls === 0) yield* Effect.sleep(1)
        assert.strictEqual(yield* gauge("ha_relayer_active_connections"), 1)
        assert.strictEqual(yield* gauge("ha_relayer_request_bodies_bytes"), body.length)
        assert.strictEqual(yield* gauge("ha_relayer_relays_in_flight"), 1)
        assert.strictEqual(yield* gauge("ha_relayer_seen_requests"), 1)
      })
    )
  )
})

describe("a drain", () => {
  it.live("answers what is in flight and on the way, loses no relay and then takes no connection", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        script.answer = () => Effect.as(Effect.sleep(30), World.anAnswer())
        const header = yield* World.currentSession
        const bodies = Array.from({ length: 400 }, (_, i) => World.requestBytes(header, String(i)))
        const busy = yield* Deferred.make<void>()
        let answered = 0
        const problems: Array<string> = []
        /** A gateway with one keep-alive connection that sends one relay after the other until it is told to close. */
        const gateway = Effect.gen(function* () {
          const connection = yield* rawConnection(port)
          for (;;) {
            const body = bodies.pop()
            if (body === undefined) return void problems.push("the drain came too late")
            connection.send(httpRequest(body))
            const answer = yield* Effect.tryPromise({ try: () => connection.read(), catch: String })
            if (World.readSigned(answer).status === 200) answered++
            else problems.push("refused")
            if (answered === 60) Deferred.doneUnsafe(busy, Effect.void)
            if (answer.headers["connection"] === "close") return
          }
        }).pipe(
          Effect.scoped,
          Effect.catch((problem) => Effect.sync(() => void problems.push(problem)))
        )
        const gateways = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 20 }), () => gateway, { concurrency: "unbounded", discard: true })
        )
        yield* Deferred.await(busy)
        // The last relays of the load find the log away: they are in the spool when the drain gets there.
        script.log = "away"
        const server = yield* RelayServer
        const relays = yield* ServeRelay
        let cut = -1
        const reports = yield* drain(
          [
            { name: "said not ready", run: server.unready },
            {
              name: "finished relays in flight",
              run: Effect.map(server.drain(Duration.seconds(5)), (count) => void (cut = count))
            },
            { name: "log is back", run: Effect.sync(() => void (script.log = "there")) },
            { name: "flushed the spool", run: relays.drain }
          ],
          Duration.seconds(10)
        )
        yield* Fiber.join(gateways)
        assert.deepStrictEqual([unfinished(reports), cut], [[], 0])
        assert.deepStrictEqual(problems, [])
        assert.isAbove(answered, 60)
        assert.strictEqual(yield* World.logged, answered)
        assert.strictEqual(yield* World.charged(header), BigInt(answered) * World.RELAY_COST)
        const late = yield* rawConnection(port)
        assert.strictEqual(yield* Effect.promise(() => late.untilEnded()), "reset")
      })
    )
  )

  it.live("cuts what does not end by its deadline, uncharged, and says how much", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        script.answer = () => Effect.never
        const header = yield* World.currentSession
        const connection = yield* rawConnection(port)
        connection.send(httpRequest(World.requestBytes(header, "1")))
        while (script.calls === 0) yield* Effect.sleep(1)
        const server = yield* RelayServer
        assert.strictEqual(yield* server.drain(Duration.millis(100)), 1)
        yield* Effect.promise(() => connection.untilEnded())
        assert.strictEqual(yield* World.charged(header), 0n)
      })
    )
  )

  it.live("cuts a request whose body does not end", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        const connection = yield* rawConnection(port)
        connection.send(httpRequest(World.requestBytes(yield* World.currentSession, "1")).subarray(0, -10))
        while ((yield* gauge("ha_relayer_request_bodies_bytes")) === 0) yield* Effect.sleep(1)
        const server = yield* RelayServer
        const draining = yield* Effect.forkChild(server.drain(Duration.millis(200)))
        yield* Effect.promise(() => connection.untilEnded())
        assert.strictEqual(yield* Fiber.join(draining), 1)
        assert.strictEqual(script.calls, 0)
      })
    )
  )

  it.live("is quick when nobody is connected, and closes idle connections otherwise", () =>
    served({}, (_, port) =>
      Effect.gen(function* () {
        const idle = yield* rawConnection(port)
        idle.send(httpRequest(World.requestBytes(yield* World.currentSession, "1")))
        yield* Effect.promise(() => idle.read())
        const server = yield* RelayServer
        const [time] = yield* Effect.timed(server.drain(Duration.seconds(10)))
        assert.isBelow(Duration.toMillis(time), 2_000)
        assert.strictEqual(yield* Effect.promise(() => idle.untilEnded()), "end")
      })
    )
  )

  it.live("flushes the spool last", () =>
    served({}, (script, port) =>
      Effect.gen(function* () {
        script.log = "away"
        const header = yield* World.currentSession
        yield* exchange(port, httpRequest(World.requestBytes(header, "1")))
        assert.strictEqual(yield* World.logged, 0)
        const server = yield* RelayServer
        yield* server.drain(Duration.seconds(1))
        script.log = "there"
        assert.strictEqual(yield* World.charged(header), World.RELAY_COST)
        assert.strictEqual(yield* World.logged, 1)
      })
    )
  )
})

describe("a chain that is away", () => {
  it.live("does not make probes of health fail", () =>
    served({}, (_, port) =>
      Effect.gen(function* () {
        yield* SimNode.use((node) => node.setFaults({ queriesFail: true, blocksStalled: true }))
        assert.strictEqual((yield* exchange(port, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n")).status, 200)
      })
    )
  )
})
