/** Every cause of `docs/refusals.md` that the program itself can meet, with everything a gateway sees of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { SimChain } from "../../../adapters/simchain/SimChain.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { BackendFailed } from "../../../domain/ports/Backends.ts"
import type { ServeRelay } from "../../../domain/relay/ServeRelay.ts"
import { refusals, type Refusal, type RefusalCause } from "../../../domain/relay/RelayRefusal.ts"
import { encodeRelayRequest } from "../../../domain/relay/RelayRequest.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { bytesToText, textToBytes } from "../../../domain/wire/ByteText.ts"
import * as World from "../../support/ServingWorld.ts"

interface Row {
  readonly cause: RefusalCause
  readonly when: string
  readonly world?: Omit<World.WorldOptions, "script">
  /** Prepares the world; returns the body to send. */
  readonly body: (
    header: SessionHeader,
    script: World.Script
  ) => Effect.Effect<Uint8Array, unknown, SimChain | SimNode | ServeRelay>
  readonly text?: string
  readonly rpcType?: string
  /** The relay reaches the backend. */
  readonly calls?: number
  /** Outer status 200 with this inner one in place of the table's. */
  readonly plain?: boolean
}

const sync = (body: (header: SessionHeader) => Uint8Array) => (header: SessionHeader) => Effect.sync(() => body(header))

const failing = (reason: BackendFailed["reason"], limit?: number) => (header: SessionHeader, script: World.Script) =>
  Effect.sync(() => {
    script.answer = () =>
      Effect.fail(
        new BackendFailed({
          reason,
          service: World.SERVICE,
          rpcType: "jsonrpc",
          ...(limit === undefined ? {} : { limit })
        })
      )
    return World.requestBytes(header, "1")
  })

const rows: ReadonlyArray<Row> = [
  { cause: "unreadable", when: "the body is no protobuf", body: sync(() => textToBytes(`{"jsonrpc":"2.0"}`)) },
  { cause: "unreadable", when: "the body is empty", body: sync(() => new Uint8Array()) },
  {
    cause: "unreadable",
    when: "the session header is not valid",
    body: sync((header) => World.requestBytes({ ...header, sessionId: "" }, "1"))
  },
  {
    cause: "supplier_not_served",
    when: "the key is not held",
    body: sync((header) => World.requestBytes(header, "1", { supplier: World.otherSupplier }))
  },
  {
    cause: "supplier_not_served",
    when: "no supplier is named",
    body: sync((header) => World.requestBytes(header, "1", { supplier: { ...World.supplier, address: "" } }))
  },
  {
    cause: "implausible_heights",
    when: "the session is longer than any",
    body: sync((header) => World.requestBytes({ ...header, sessionEndBlockHeight: 10_002n }, "1"))
  },
  {
    cause: "implausible_heights",
    when: "the session is far in the future",
    body: sync((header) =>
      World.requestBytes({ ...header, sessionStartBlockHeight: 20_001n, sessionEndBlockHeight: 20_006n }, "1")
    )
  },
  {
    cause: "payload_unreadable",
    when: "the payload is no HTTP request",
    body: sync((header) => World.requestBytes(header, "1", { payload: textToBytes("eth_blockNumber") }))
  },
  {
    cause: "payload_unreadable",
    when: "HTTP cannot carry the request",
    body: failing("unsendable"),
    calls: 1
  },
  {
    cause: "service_not_offered",
    when: "the service is not configured",
    body: sync((header) => World.requestBytes({ ...header, serviceId: "other" }, "1"))
  },
  {
    cause: "supplier_not_staked",
    when: "the chain does not know the supplier",
    world: {
      genesis: { suppliers: [{ publicKey: World.otherSupplier.publicKey, services: [{ serviceId: World.SERVICE }] }] }
    },
    body: sync((header) => World.requestBytes(header, "1"))
  },
  {
    cause: "session_unknown",
    when: "the application is unknown",
    body: sync((header) => World.requestBytes({ ...header, applicationAddress: World.stranger.address }, "1"))
  },
  {
    cause: "session_unknown",
    when: "the session id differs",
    body: sync((header) => World.requestBytes({ ...header, sessionId: "00".repeat(32) }, "1"))
  },
  {
    cause: "session_unknown",
    when: "the end height differs",
    body: sync((header) =>
      World.requestBytes({ ...header, sessionEndBlockHeight: header.sessionEndBlockHeight + 1n }, "1")
    )
  },
  {
    cause: "session_unknown",
    when: "no session starts there",
    body: (header) =>
      Effect.gen(function* () {
        yield* (yield* SimChain).produceUntil(3n)
        return World.requestBytes({ ...header, sessionStartBlockHeight: 2n }, "1")
      })
  },
  {
    cause: "session_unknown",
    when: "its grace has ended",
    body: (header) =>
      Effect.gen(function* () {
        yield* (yield* SimChain).produceUntil(header.sessionEndBlockHeight + 2n)
        return World.requestBytes(header, "1")
      })
  },
  {
    cause: "session_unknown",
    when: "it starts more than one block ahead",
    body: sync((header) =>
      World.requestBytes({ ...header, sessionStartBlockHeight: 7n, sessionEndBlockHeight: 12n }, "1")
    )
  },
  {
    cause: "ring_signature",
    when: "there is no signature",
    body: sync((header) => {
      const request = World.aRequest(header, "1")
      return encodeRelayRequest({ ...request, meta: { ...request.meta, signature: new Uint8Array() } })
    })
  },
  {
    cause: "ring_signature",
    when: "the signature does not decode",
    body: sync((header) => {
      const request = World.aRequest(header, "1")
      return encodeRelayRequest({
        ...request,
        meta: { ...request.meta, signature: request.meta.signature.slice(0, 100) }
      })
    })
  },
  {
    cause: "ring_signature",
    when: "a member is foreign",
    body: sync((header) =>
      World.requestBytes(header, "1", {
        signer: World.stranger,
        ring: [World.application.publicKey, World.stranger.publicKey]
      })
    )
  },
  {
    cause: "ring_signature",
    when: "it has more members than the ring is worth",
    body: sync((header) =>
      World.requestBytes(header, "1", {
        ring: Array.from({ length: 17 }, () => World.gateway.publicKey)
      })
    )
  },
  {
    cause: "ring_signature",
    when: "the payload is not the signed one",
    body: sync((header) => encodeRelayRequest({ ...World.aRequest(header, "1"), payload: World.payloadOf("2") }))
  },
  {
    cause: "seen_before",
    when: "the same bytes were served",
    body: (header) => Effect.as(World.serve(World.requestBytes(header, "1")), World.requestBytes(header, "1")),
    calls: 1
  },
  {
    cause: "over_limit",
    when: "the share is consumed",
    world: { genesis: aStake(1) },
    body: (header) => Effect.as(World.serve(World.requestBytes(header, "1")), World.requestBytes(header, "2")),
    calls: 1
  },
  {
    cause: "meter_unavailable",
    when: "the store is away and the operator is strict",
    world: {
      policy: { meter: { enabled: true, failBehavior: "closed", factors: new Map(), defaultFactor: undefined } }
    },
    body: (header, script) =>
      Effect.sync(() => {
        script.meterAway = true
        return World.requestBytes(header, "1")
      })
  },
  {
    cause: "service_body_too_large",
    when: "the body exceeds the service's limit",
    world: { service: { maxBodyBytes: 100 } },
    body: sync((header) => World.requestBytes(header, "1")),
    text: "request body is larger than 100 bytes"
  },
  {
    cause: "chain_unreadable",
    when: "queries fail",
    body: (header) =>
      Effect.gen(function* () {
        yield* (yield* SimNode).setFaults({ queriesFail: true })
        return World.requestBytes(header, "1")
      })
  },
  {
    cause: "no_backend",
    when: "the transport has none",
    body: sync((header) => World.requestBytes(header, "1")),
    rpcType: "4"
  },
  {
    cause: "no_backend",
    when: "the transport is no known one",
    body: sync((header) => World.requestBytes(header, "1")),
    rpcType: "carrier pigeon"
  },
  { cause: "no_backend", when: "all rest", body: failing("unhealthy"), calls: 1 },
  { cause: "backend_unreachable", when: "it cannot be reached", body: failing("unreachable"), calls: 1 },
  { cause: "backend_timeout", when: "it is too slow", body: failing("timeout"), calls: 1 },
  {
    cause: "backend_answer_too_large",
    when: "it answers too much",
    body: failing("too_large", 1_000_000),
    text: "backend answer is larger than 1000000 bytes",
    calls: 1
  },
  {
    cause: "at_limit",
    when: "too many relays are in flight",
    world: { policy: { maxInFlight: 0 } },
    body: sync((header) => World.requestBytes(header, "1"))
  },
  {
    cause: "at_limit",
    when: "an unverified peer has asked for too many unknown sessions",
    world: { policy: { lookupBurst: 0, lookupsPerSecond: 0 } },
    body: sync((header) => World.requestBytes(header, "1"))
  },
  {
    cause: "not_recordable",
    when: "log and spool take nothing",
    world: { spoolLimit: 0 },
    body: (header, script) =>
      Effect.sync(() => {
        script.log = "away"
        return World.requestBytes(header, "1")
      }),
    calls: 1
  },
  {
    cause: "defect",
    when: "something is broken",
    body: (header, script) =>
      Effect.sync(() => {
        script.answer = () => Effect.die(new Error("broken"))
        return World.requestBytes(header, "1")
      }),
    calls: 1
  }
]

function aStake(relays: number) {
  return {
    applications: [
      {
        publicKey: World.application.publicKey,
        serviceIds: [World.SERVICE],
        gateways: [World.gateway.address],
        stake: World.stakeFor(relays)
      }
    ]
  }
}

/** Charged relays before the refused one. */
const chargedBefore = (row: Row): bigint => (row.cause === "seen_before" || row.cause === "over_limit" ? 1n : 0n)

describe("a refused relay", () => {
  it("has a row for every cause that serving can meet", () => {
    const met = new Set(rows.map(({ cause }) => cause))
    assert.deepStrictEqual(
      Object.keys(refusals).filter((cause) => !met.has(cause as RefusalCause)),
      ["body_too_large"] // The transport's; see the server's tests.
    )
  })

  for (const row of rows) {
    it.effect(`is answered as the table says: ${row.cause}, ${row.when}`, () => {
      const script = new World.Script()
      return Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000)
        const header = yield* World.currentSession
        const body = yield* row.body(header, script)
        const before = yield* World.logged
        const answer = yield* World.serve(body, row.rpcType === undefined ? {} : { rpcType: row.rpcType })
        const expected: Refusal = refusals[row.cause]
        const text = row.text ?? expected.text
        assert.strictEqual(answer.refusal, row.cause)
        if (expected.plainOnly === true) {
          assert.strictEqual(answer.status, expected.status)
          assert.strictEqual(answer.contentType, "application/json")
          assert.strictEqual(bytesToText(answer.body), JSON.stringify({ error: text }))
        } else {
          const signed = World.readSigned(answer)
          assert.strictEqual(signed.status, expected.status)
          assert.strictEqual(signed.text, JSON.stringify({ error: text }))
          assert.deepStrictEqual(signed.headers, [{ key: "Content-Type", values: ["application/json"] }])
          assert.deepStrictEqual(signed.error, {
            codespace: expected.code === undefined ? "relaymill" : "relayer_proxy",
            code: expected.code ?? expected.status,
            description: text,
            message: ""
          })
        }
        assert.strictEqual(script.calls, row.calls ?? 0)
        assert.strictEqual(yield* World.logged, before)
        assert.strictEqual(yield* World.charged(header), chargedBefore(row) * World.RELAY_COST)
      }).pipe(Effect.provide(World.layer({ ...row.world, script })))
    })
  }

  it.effect("by an unverified peer is signed only so often, then plain", () =>
    Effect.gen(function* () {
      const header = yield* World.currentSession
      const body = World.requestBytes({ ...header, sessionId: "00" }, "1")
      const statuses: Array<number> = []
      for (let i = 0; i < 4; i++) statuses.push((yield* World.serve(body)).contentType === "application/json" ? 0 : 1)
      statuses.push((yield* World.serve(body, { peer: "192.0.2.2" })).contentType === "application/json" ? 0 : 1)
      yield* TestClock.adjust("1 second")
      statuses.push((yield* World.serve(body)).contentType === "application/json" ? 0 : 1)
      assert.deepStrictEqual(statuses, [1, 1, 0, 0, 1, 1])
    }).pipe(Effect.provide(World.layer({ policy: { refusalBurst: 2, refusalsPerSecond: 1 } })))
  )

  it.effect("that was verified is signed without a bound", () =>
    Effect.gen(function* () {
      const header = yield* World.currentSession
      yield* World.serve(World.requestBytes(header, "1"))
      for (let i = 0; i < 5; i++) {
        const answer = yield* World.serve(World.requestBytes(header, "1"))
        assert.strictEqual(World.readSigned(answer).status, 409)
      }
    }).pipe(Effect.provide(World.layer({ policy: { refusalBurst: 0, refusalsPerSecond: 0 } })))
  )
})
