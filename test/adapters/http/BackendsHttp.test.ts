import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as BackendsHttp from "../../../adapters/http/BackendsHttp.ts"
import { Backends } from "../../../domain/ports/Backends.ts"
import { httpResponseOf } from "../../../domain/relay/BackendAnswer.ts"
import { bytesToText } from "../../../domain/wire/ByteText.ts"
import {
  aBackendRequest,
  backendsContract,
  type Conduct,
  MAX_ANSWER_BYTES,
  SERVICE,
  TIMEOUT
} from "../../contract/BackendsContract.ts"
import { backendOptions, endpointAt } from "./BackendFixtures.ts"
import { bodyOf, httpBackend, tcpBackend } from "../../support/HttpPeers.ts"

const options = (ports: ReadonlyArray<number>, changes: Partial<BackendsHttp.BackendOptions> = {}) =>
  backendOptions(
    ports.map((port) => endpointAt(port)),
    changes
  )

const forward = (changes: Parameters<typeof aBackendRequest>[0] = {}) =>
  Backends.use((backends) => backends.forward(aBackendRequest(changes)))

/** Seconds until the kernel's next keep-alive on a connection to this port of loopback, if it has that timer. */
const keepAliveSeconds = (port: number): number | undefined => {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`
  // sl local_address rem_address st tx_queue:rx_queue tr:tm->when ...; timer 2 is the keep-alive's, in 1/100 s.
  const line = readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .map((each) => each.trim().split(/\s+/))
    .find(([, , peer]) => peer === remote)
  const [timer, when] = line?.[5]?.split(":") ?? []
  return timer === "02" && when !== undefined ? Number.parseInt(when, 16) / 100 : undefined
}

/** Logs of these two texts, by their order. */
const listening = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
  return { lines, layer }
}

backendsContract(
  "over HTTP",
  Effect.gen(function* () {
    let conduct: Conduct = "hangs"
    const arrived: Array<string> = []
    let givenUp = 0
    const { port } = yield* httpBackend((request, response) => {
      void bodyOf(request).then((body) => {
        arrived.push(body.toString("latin1"))
        response.once("close", () => void (givenUp += response.writableEnded ? 0 : 1))
        if (conduct === "hangs") return
        if (conduct === "breaks off") {
          response.writeHead(200, { "content-length": 100 })
          response.write("half")
          return void setTimeout(() => response.destroy(), 5)
        }
        return void response.writeHead(conduct.answers, conduct.headers).end(conduct.body)
      })
    })
    return {
      set: (next) => void (conduct = next),
      arrived: () => arrived,
      givenUp: () => givenUp,
      layer: BackendsHttp.layer([options([port], { timeout: TIMEOUT })])
    }
  })
)

describe("a backend over HTTP", () => {
  it.live("is given up when its answer does not begin in time", () =>
    Effect.gen(function* () {
      const { port } = yield* httpBackend(() => {})
      const [took, failed] = yield* Effect.timed(Effect.flip(forward())).pipe(
        Effect.provide(BackendsHttp.layer([options([port], { headersTimeout: Duration.millis(100) })]))
      )
      assert.strictEqual(failed.reason, "timeout")
      assert.isBelow(Duration.toSeconds(took), 3)
    })
  )

  it.live("keeps idle connections alive as it is told", () =>
    Effect.gen(function* () {
      const { port } = yield* httpBackend((_, response) => void response.end("ok"))
      const keepAliveDelay = Duration.seconds(1_234)
      const layer = BackendsHttp.layer([options([port], { keepAliveDelay })])
      const seconds = yield* Effect.provide(
        Effect.map(forward(), () => keepAliveSeconds(port)),
        layer
      )
      assert.closeTo(seconds ?? 0, 1_234, 5)
    })
  )

  it.live("gets method, path, query, headers and body of the signed request", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const { port } = yield* httpBackend((request, response) => {
        void bodyOf(request).then((body) => {
          seen.push([request.method, request.url, request.headers["x-own"], request.headers.host, body.toString()])
          response.end("ok")
        })
      })
      yield* Effect.gen(function* () {
        for (const method of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", ""]) {
          yield* forward({
            payload: {
              method,
              url: "ws://supplier.example/a/b?c=d",
              headers: [{ key: "X-Own", values: ["1"] }],
              body: method === "GET" ? new Uint8Array() : new TextEncoder().encode("body")
            }
          })
        }
      }).pipe(Effect.provide(BackendsHttp.layer([options([port])])))
      assert.deepStrictEqual(
        seen,
        ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "GET"].map((method, i) => [
          method,
          "/a/b?c=d",
          "1",
          `127.0.0.1:${port}`,
          i === 0 ? "" : "body"
        ])
      )
    }).pipe(Effect.scoped)
  )

  it.live("is not blamed for requests that HTTP cannot carry", () =>
    Effect.gen(function* () {
      const { port } = yield* httpBackend((_, response) => void response.end("ok"))
      yield* Effect.gen(function* () {
        for (let i = 0; i < 5; i++) {
          for (const [method, url] of [
            ["CONNECT", "http://a/"],
            ["G T", "http://a/"],
            ["GET\r\n", "http://a/"],
            ["GET", "data:x y"],
            ["GET", "http://["]
          ] as const) {
            const failed = yield* Effect.flip(
              forward({ payload: { method, url, headers: [], body: new Uint8Array() } })
            )
            assert.strictEqual(failed.reason, "unsendable")
          }
        }
        assert.strictEqual((yield* forward()).status, 200)
      }).pipe(Effect.provide(BackendsHttp.layer([options([port])])))
    }).pipe(Effect.scoped)
  )

  it.live("keeps header lines apart and their bytes", () =>
    Effect.gen(function* () {
      const { port } = yield* tcpBackend((socket) =>
        socket.on("data", () =>
          socket.write(
            Buffer.from(
              "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Latin: \xfc\r\nContent-Length: 0\r\n\r\n",
              "latin1"
            )
          )
        )
      )
      const answer = yield* forward().pipe(Effect.provide(BackendsHttp.layer([options([port])])))
      assert.deepStrictEqual(
        Object.fromEntries(httpResponseOf(answer).headers.map(({ key, values }) => [key, values])),
        {
          "Set-Cookie": ["a=1", "b=2"],
          "X-Latin": ["\xc3\xbc"],
          "Content-Length": ["0"]
        }
      )
    }).pipe(Effect.scoped)
  )

  it.live("may send informational answers first", () =>
    Effect.gen(function* () {
      const { port } = yield* httpBackend((_, response) => {
        response.writeEarlyHints({ link: "</style.css>; rel=preload" })
        response.end("ok")
      })
      const answer = yield* forward().pipe(Effect.provide(BackendsHttp.layer([options([port])])))
      assert.strictEqual(answer.status, 200)
      assert.notInclude(JSON.stringify(answer.rawHeaders), "preload")
    }).pipe(Effect.scoped)
  )

  for (const [what, bytes] of [
    ["closes without an answer", ""],
    ["switches protocols unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    ["speaks no HTTP", "SSH-2.0-OpenSSH\r\n"]
  ] as const) {
    it.live(`that ${what} is unreachable`, () =>
      Effect.gen(function* () {
        const { port } = yield* tcpBackend((socket) => socket.on("data", () => void socket.end(bytes)))
        const failed = yield* Effect.flip(forward()).pipe(
          Effect.provide(BackendsHttp.layer([options([port], { timeout: Duration.millis(500) })]))
        )
        assert.strictEqual(failed.reason, "unreachable")
      }).pipe(Effect.scoped)
    )
  }

  it.live("that listens nowhere is unreachable", () =>
    Effect.gen(function* () {
      const { port, close } = yield* tcpBackend(() => {})
      close()
      const failed = yield* Effect.flip(forward()).pipe(Effect.provide(BackendsHttp.layer([options([port])])))
      assert.strictEqual(failed.reason, "unreachable")
    }).pipe(Effect.scoped)
  )
})

describe("a gzip answer", () => {
  const answering = (headers: Readonly<Record<string, string>>, body: Uint8Array) =>
    Effect.flatMap(
      httpBackend((_, response) => void response.writeHead(200, headers).end(body)),
      ({ port }) => Effect.result(forward()).pipe(Effect.provide(BackendsHttp.layer([options([port])])))
    ).pipe(Effect.scoped)

  it.live("that was not asked for is undone, its headers corrected", () =>
    Effect.gen(function* () {
      const answer = yield* Effect.flatMap(
        answering({ "content-encoding": "GZip" }, gzipSync("plain")),
        Effect.fromResult
      )
      assert.strictEqual(bytesToText(answer.body), "plain")
      assert.isTrue(answer.gunzipped)
      assert.notInclude(JSON.stringify(httpResponseOf(answer).headers), "Content-Encoding")
    })
  )

  it.live("that would grow beyond the limit is too large", () =>
    Effect.gen(function* () {
      const result = yield* answering({ "content-encoding": "gzip" }, gzipSync(Buffer.alloc(MAX_ANSWER_BYTES + 1)))
      const failed = yield* Effect.flip(Effect.fromResult(result))
      assert.deepInclude(failed, { reason: "too_large", limit: MAX_ANSWER_BYTES })
      const most = yield* answering({ "content-encoding": "gzip" }, gzipSync(Buffer.alloc(MAX_ANSWER_BYTES)))
      assert.strictEqual((yield* Effect.fromResult(most)).body.length, MAX_ANSWER_BYTES)
    })
  )

  it.live("that is none stays as it came", () =>
    Effect.gen(function* () {
      for (const body of [Buffer.from("plain"), gzipSync("cut").subarray(0, 12)]) {
        const answer = yield* Effect.flatMap(answering({ "content-encoding": "gzip" }, body), Effect.fromResult)
        assert.deepStrictEqual(Buffer.from(answer.body), body)
        assert.isFalse(answer.gunzipped)
      }
    })
  )

  it.live("whose headers do not say so is data", () =>
    Effect.gen(function* () {
      const body = gzipSync("data")
      const answer = yield* Effect.flatMap(answering({}, body), Effect.fromResult)
      assert.deepStrictEqual(Buffer.from(answer.body), body)
    })
  )
})

/** Backends that answer with a status each, and what arrived where. */
const withStatuses = <A, E>(
  statuses: Array<number | "hang">,
  changes: Partial<BackendsHttp.BackendOptions>,
  body: (arrived: Array<number>) => Effect.Effect<A, E, Backends>
) =>
  Effect.gen(function* () {
    const arrived: Array<number> = []
    const backends = yield* Effect.forEach(statuses, (_, index) =>
      httpBackend((request, response) => {
        request.resume()
        arrived.push(index)
        const status = statuses[index]
        if (typeof status === "number") response.writeHead(status).end(`from ${index}`)
      })
    )
    return yield* body(arrived).pipe(
      Effect.provide(
        BackendsHttp.layer([
          options(
            backends.map(({ port }) => port),
            changes
          )
        ])
      )
    )
  }).pipe(Effect.scoped)

describe("several endpoints", () => {
  it.live("take turns", () =>
    withStatuses([200, 200, 200], { loadBalancing: "round_robin" }, (arrived) =>
      Effect.gen(function* () {
        for (let i = 0; i < 6; i++) yield* forward()
        assert.deepStrictEqual(arrived, [0, 1, 2, 0, 1, 2])
      })
    )
  )

  it.live("help out for one that fails, as often as configured", () =>
    withStatuses([503, 500, 200], { maxRetries: 2 }, (arrived) =>
      Effect.gen(function* () {
        assert.strictEqual(bytesToText((yield* forward()).body), "from 2")
        assert.deepStrictEqual(arrived, [0, 1, 2])
      })
    )
  )

  it.live("are asked no more often than configured, and the last answer stands", () =>
    withStatuses([503, 500, 200], { maxRetries: 1 }, (arrived) =>
      Effect.gen(function* () {
        const answer = yield* forward()
        assert.strictEqual(answer.status, 500)
        assert.deepStrictEqual(arrived, [0, 1])
      })
    )
  )

  it.live("are not asked twice for one relay", () =>
    withStatuses([503], { maxRetries: 3 }, (arrived) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* forward()).status, 503)
        assert.deepStrictEqual(arrived, [0])
      })
    )
  )

  it.live("do not see requests that an answer below 500 settled", () =>
    withStatuses([429, 200], { maxRetries: 3 }, (arrived) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* forward()).status, 429)
        assert.deepStrictEqual(arrived, [0])
      })
    )
  )
})

describe("an endpoint that fails", () => {
  it.effect("rests after failures in a row, is tried by one request, and is up again with its success", () => {
    const statuses: Array<number | "hang"> = [500]
    const { layer, lines } = listening()
    return withStatuses(statuses, { failureThreshold: 3, recovery: Duration.seconds(30) }, (arrived) =>
      Effect.gen(function* () {
        const backends = yield* Backends
        for (let i = 0; i < 3; i++) assert.strictEqual((yield* forward()).status, 500)
        assert.isFalse(yield* backends.isHealthy(SERVICE, "jsonrpc"))
        assert.strictEqual((yield* Effect.flip(forward())).reason, "unhealthy")
        assert.strictEqual(arrived.length, 3)
        yield* TestClock.adjust("30 seconds")
        assert.isTrue(yield* backends.isHealthy(SERVICE, "jsonrpc"))
        statuses[0] = "hang"
        const trial = yield* Effect.forkChild(forward())
        while (arrived.length < 4) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        // While the trial is out nobody else is sent there.
        assert.strictEqual((yield* Effect.flip(forward())).reason, "unhealthy")
        yield* Fiber.interrupt(trial)
        yield* TestClock.adjust("30 seconds")
        statuses[0] = 200
        assert.strictEqual((yield* forward()).status, 200)
        assert.strictEqual((yield* forward()).status, 200)
        assert.deepStrictEqual(
          lines.filter((line) => line.startsWith("backend is")),
          ["backend is down", "backend is up"]
        )
      })
    ).pipe(Effect.provide(layer))
  })

  it.effect("rests again at once when its trial fails", () => {
    const statuses: Array<number | "hang"> = [500]
    return withStatuses(statuses, { failureThreshold: 2 }, (arrived) =>
      Effect.gen(function* () {
        for (let i = 0; i < 2; i++) yield* forward()
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* forward()).status, 500)
        assert.strictEqual((yield* Effect.flip(forward())).reason, "unhealthy")
        assert.strictEqual(arrived.length, 3)
      })
    )
  })

  it.effect("is forgiven by a success in between", () => {
    const statuses: Array<number | "hang"> = [500]
    return withStatuses(statuses, { failureThreshold: 3 }, () =>
      Effect.gen(function* () {
        for (let i = 0; i < 10; i++) {
          statuses[0] = i % 3 === 2 ? 200 : 500
          yield* forward()
        }
        assert.isTrue(yield* Backends.use((backends) => backends.isHealthy(SERVICE, "jsonrpc")))
      })
    )
  })

  it.live("by slowness rests too, one that callers leave or that answers too much does not", () => {
    const statuses: Array<number | "hang"> = ["hang"]
    return withStatuses(statuses, { failureThreshold: 2, timeout: Duration.millis(50) }, (arrived) =>
      Effect.gen(function* () {
        const backends = yield* Backends
        for (let i = 1; i <= 3; i++) {
          const calling = yield* Effect.forkChild(forward())
          while (arrived.length < i) yield* Effect.sleep(1)
          yield* Fiber.interrupt(calling)
        }
        assert.isTrue(yield* backends.isHealthy(SERVICE, "jsonrpc"))
        for (let i = 0; i < 2; i++) assert.strictEqual((yield* Effect.flip(forward())).reason, "timeout")
        assert.isFalse(yield* backends.isHealthy(SERVICE, "jsonrpc"))
      })
    )
  })
})

describe("a call that is given up in the turn in which it began", () => {
  it.live("is not sent", () =>
    withStatuses([200], {}, (arrived) =>
      Effect.gen(function* () {
        const calling = yield* Effect.forkChild(forward(), { startImmediately: true })
        calling.interruptUnsafe()
        assert.strictEqual((yield* forward()).status, 200)
        assert.strictEqual(arrived.length, 1)
      })
    )
  )
})

describe("the layer", () => {
  it("refuses endpoints that are not HTTP", async () => {
    const ws = { url: new URL("ws://127.0.0.1:1/"), basePath: undefined, headers: {}, authorization: undefined }
    const exit = await Effect.runPromiseExit(
      Effect.scoped(Layer.build(BackendsHttp.layer([{ ...options([]), endpoints: [ws] }])))
    )
    assert.strictEqual(exit._tag, "Failure")
  })
})
