/** What every `Backends` must do, whatever stands behind it. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, type Layer, type Scope } from "effect"
import { Backends, type BackendRequest } from "../../domain/ports/Backends.ts"
import { ServiceId } from "../../domain/protocol/Identifiers.ts"
import { httpResponseOf } from "../../domain/relay/BackendAnswer.ts"
import { bytesToText, textToBytes } from "../../domain/wire/ByteText.ts"

export const SERVICE = ServiceId.make("svc")
/** Largest answer of the backend under test, inclusive. */
export const MAX_ANSWER_BYTES = 1_000
export const TIMEOUT = Duration.millis(300)

/** What the backend under test does with a request. */
export type Conduct =
  | { readonly answers: number; readonly body: string; readonly headers: Readonly<Record<string, string>> }
  /** Never answers. */
  | "hangs"
  /** Gives up half-way. */
  | "breaks off"

export interface Conducted {
  /** The next requests are treated like this. */
  readonly set: (conduct: Conduct) => void
  /** Requests that arrived, their bodies as text. */
  readonly arrived: () => ReadonlyArray<string>
  /** Requests that were given up while it hung. */
  readonly givenUp: () => number
  readonly layer: Layer.Layer<Backends>
}

export const aBackendRequest = (changes: Partial<BackendRequest> = {}): BackendRequest => ({
  service: SERVICE,
  rpcType: "jsonrpc",
  payload: {
    method: "POST",
    url: "http://gateway.example/",
    headers: [{ key: "Content-Type", values: ["application/json"] }],
    body: textToBytes("question")
  },
  outerHeaders: {},
  supplier: "pokt1supplier",
  application: "pokt1application",
  ...changes
})

/** Registers the suite for one adapter over one backend. */
export const backendsContract = (name: string, start: Effect.Effect<Conducted, never, Scope.Scope>): void => {
  const withBackend = <A, E>(
    body: (backends: Backends["Service"], conducted: Conducted) => Effect.Effect<A, E, Scope.Scope>
  ) =>
    Effect.flatMap(start, (conducted) =>
      Effect.flatMap(Backends, (backends) => body(backends, conducted)).pipe(Effect.provide(conducted.layer))
    ).pipe(Effect.scoped)

  const answering = (answers: number, body = "answer", headers: Readonly<Record<string, string>> = {}): Conduct => ({
    answers,
    body,
    headers
  })

  describe(`Backends, ${name}`, () => {
    for (const status of [200, 204, 302, 404, 429, 500, 503]) {
      it.live(`passes on an answer of status ${status} as it is`, () =>
        withBackend((backends, conducted) =>
          Effect.gen(function* () {
            const body = status === 204 ? "" : "answer"
            conducted.set(answering(status, body, { location: "http://elsewhere.example/", "x-own": "1" }))
            const answer = yield* backends.forward(aBackendRequest())
            assert.strictEqual(answer.status, status)
            assert.strictEqual(bytesToText(answer.body), body)
            const names = httpResponseOf(answer).headers.map(({ key }) => key)
            assert.includeMembers(names, ["Location", "X-Own"])
            assert.deepStrictEqual(conducted.arrived(), ["question"])
          })
        )
      )
    }

    it.live("takes an answer of exactly the limit and refuses one byte more", () =>
      withBackend((backends, conducted) =>
        Effect.gen(function* () {
          conducted.set(answering(200, "x".repeat(MAX_ANSWER_BYTES)))
          assert.strictEqual((yield* backends.forward(aBackendRequest())).body.length, MAX_ANSWER_BYTES)
          conducted.set(answering(200, "x".repeat(MAX_ANSWER_BYTES + 1)))
          const failed = yield* Effect.flip(backends.forward(aBackendRequest()))
          assert.deepInclude(failed, { reason: "too_large", limit: MAX_ANSWER_BYTES })
          assert.isTrue(yield* backends.isHealthy(SERVICE, "jsonrpc"))
        })
      )
    )

    it.live("gives up a backend that does not answer in time", () =>
      withBackend((backends, conducted) =>
        Effect.gen(function* () {
          conducted.set("hangs")
          const failed = yield* Effect.flip(backends.forward(aBackendRequest()))
          assert.strictEqual(failed.reason, "timeout")
        })
      )
    )

    it.live("cancels the call of a caller that leaves", () =>
      withBackend((backends, conducted) =>
        Effect.gen(function* () {
          conducted.set("hangs")
          const calling = yield* Effect.forkChild(backends.forward(aBackendRequest()))
          while (conducted.arrived().length === 0) yield* Effect.sleep(1)
          yield* Fiber.interrupt(calling)
          while (conducted.givenUp() === 0) yield* Effect.sleep(1)
          conducted.set(answering(200))
          assert.strictEqual((yield* backends.forward(aBackendRequest())).status, 200)
        })
      )
    )

    it.live("calls a backend that breaks off unreachable", () =>
      withBackend((backends, conducted) =>
        Effect.gen(function* () {
          conducted.set("breaks off")
          const failed = yield* Effect.flip(backends.forward(aBackendRequest()))
          assert.strictEqual(failed.reason, "unreachable")
        })
      )
    )

    it.live("has nothing healthy for services and transports that it does not serve", () =>
      withBackend((backends) =>
        Effect.gen(function* () {
          const unknown = [aBackendRequest({ rpcType: "rest" }), aBackendRequest({ service: ServiceId.make("other") })]
          for (const request of unknown) {
            const failed = yield* Effect.flip(backends.forward(request))
            assert.strictEqual(failed.reason, "unhealthy")
            assert.isFalse(yield* backends.isHealthy(request.service, request.rpcType))
          }
          assert.isTrue(yield* backends.isHealthy(SERVICE, "jsonrpc"))
        })
      )
    )
  })
}
