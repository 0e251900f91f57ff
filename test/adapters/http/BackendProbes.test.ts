/** Endpoints that are probed: who gets relays follows what the probes find. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import type { ProbeOptions } from "../../../adapters/http/BackendProbes.ts"
import * as BackendsHttp from "../../../adapters/http/BackendsHttp.ts"
import { Backends } from "../../../domain/ports/Backends.ts"
import { aBackendRequest, SERVICE } from "../../contract/BackendsContract.ts"
import { backendOptions, endpointAt } from "./BackendFixtures.ts"
import { bodyOf, httpBackend } from "../../support/HttpPeers.ts"
import { eventually } from "../../support/RedisProcess.ts"

const probing: ProbeOptions = {
  path: "/health",
  method: "GET",
  body: "",
  contentType: undefined,
  headers: {},
  interval: Duration.millis(10),
  timeout: Duration.millis(100),
  unhealthyThreshold: 2,
  healthyThreshold: 2,
  expectedStatus: [],
  expectedBody: undefined
}

const backends = (ports: ReadonlyArray<number>, probe: Partial<ProbeOptions> = {}) => {
  const headers = { "X-Pool": "pool", "X-Both": "pool" }
  const endpoints = ports.map((port) =>
    endpointAt(port, "node?key=1", { headers, authorization: Redacted.make("Bearer secret") })
  )
  return BackendsHttp.layer([backendOptions(endpoints, { failureThreshold: 5, probe: { ...probing, ...probe } })])
}

/** An endpoint whose probes are answered as `state` says; relays get its name. */
const anEndpoint = Effect.fnUntraced(function* (name: string) {
  const state = { answer: 200 as number | "hang" | "gone", body: "all well", probes: [] as Array<unknown> }
  const { port } = yield* httpBackend((request, response) => {
    void bodyOf(request).then((body) => {
      if (!(request.url ?? "").includes("/health")) return void response.end(name)
      const { "x-both": both, "x-own": own, "x-pool": pool, authorization } = request.headers
      const type = request.headers["content-type"]
      state.probes.push([request.method, request.url, pool, both, own, authorization, type, body.toString()])
      if (state.answer === "hang") return
      if (state.answer === "gone") return void request.socket.destroy()
      return void response.writeHead(state.answer).end(state.body)
    })
  })
  return { state, port }
})

const served = Effect.map(
  Backends.use((each) => each.forward(aBackendRequest())),
  ({ body }) => Buffer.from(body).toString()
)
const servedBy = (name: string) =>
  eventually(Effect.flatMap(served, (by) => (by === name ? Effect.void : Effect.fail(`served by ${by}`))))

describe("a backend with a health check", () => {
  for (const sick of [500, 404, "hang", "gone"] as const) {
    it.live(`gives no relays to an endpoint whose probes fail, until they succeed again: ${sick}`, () =>
      Effect.gen(function* () {
        const [first, second] = [yield* anEndpoint("first"), yield* anEndpoint("second")]
        yield* Effect.gen(function* () {
          yield* servedBy("first")
          first.state.answer = sick
          yield* servedBy("second")
          first.state.answer = 200
          yield* servedBy("first")
        }).pipe(Effect.provide(backends([first.port, second.port])))
      })
    )
  }

  it.live("is not ready while no endpoint is well", () =>
    Effect.gen(function* () {
      const only = yield* anEndpoint("only")
      yield* Effect.gen(function* () {
        const each = yield* Backends
        const isReady = (expected: boolean) =>
          eventually(
            Effect.flatMap(each.isHealthy(SERVICE, "jsonrpc"), (found) =>
              found === expected ? Effect.void : Effect.fail("not yet")
            )
          )
        yield* isReady(true)
        only.state.answer = 503
        yield* isReady(false)
        assert.strictEqual((yield* Effect.flip(each.forward(aBackendRequest()))).reason, "unhealthy")
        only.state.answer = 200
        yield* isReady(true)
      }).pipe(Effect.provide(backends([only.port])))
    })
  )

  it.live("looks at status and text as it is told", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* anEndpoint("first"), yield* anEndpoint("second")]
      first.state.answer = 418
      second.state.answer = 418
      yield* Effect.gen(function* () {
        yield* servedBy("first")
        first.state.body = "syncing"
        yield* servedBy("second")
        first.state.body = "all well again"
        yield* servedBy("first")
      }).pipe(Effect.provide(backends([first.port, second.port], { expectedStatus: [200, 418], expectedBody: "well" })))
    })
  )

  it.live("asks with path, headers, login and body of the configuration", () =>
    Effect.gen(function* () {
      const only = yield* anEndpoint("only")
      const probe = { method: "POST", body: `{"id":1}`, headers: { "X-Both": "probe", "X-Own": "own" } }
      yield* eventually(
        Effect.suspend(() => (only.state.probes.length > 2 ? Effect.void : Effect.fail("no probe yet")))
      ).pipe(Effect.provide(backends([only.port], probe)))
      assert.deepStrictEqual(only.state.probes[0], [
        "POST",
        "/node/health?key=1",
        "pool",
        "probe",
        "own",
        "Bearer secret",
        "application/json",
        `{"id":1}`
      ])
    })
  )
})
