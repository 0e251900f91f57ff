/**
 * A gateway as small as one can be: takes the session of each application from the chain, signs each call with the ring
 * of application and gateway, sends it over HTTP, and verifies the signed answer against the supplier's key on chain.
 */
import { equalBytes } from "@noble/curves/utils.js"
import { Clock, Duration, Effect, Fiber, Layer, Option, Redacted, Ref, Result, Schema } from "effect"
import { Pool } from "undici"
import { DemoTraffic } from "../../domain/demo/RunDemo.ts"
import { sha256 } from "../../domain/crypto/Sha256.ts"
import { publicKeyOf } from "../../domain/keys/PrivateKey.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { Entropy } from "../../domain/ports/Entropy.ts"
import { ApplicationAddress, ServiceId } from "../../domain/protocol/Identifiers.ts"
import { decodeHttpResponse, encodeHttpRequest } from "../../domain/relay/PoktHttp.ts"
import { encodeRelayRequest, signableHash } from "../../domain/relay/RelayRequest.ts"
import { decodeRelayResponse, responseSignableHash, validateRelayResponse } from "../../domain/relay/RelayResponse.ts"
import { isSameSessionHeader, type SessionHeader } from "../../domain/relay/SessionHeader.ts"
import * as RingSignature from "../../domain/ring/RingSignature.ts"
import { sign as signRing } from "../../domain/ring/RingSigning.ts"
import { StepTracer } from "../../domain/tracing/StepTracer.ts"
import { formatTraceparent } from "../../domain/tracing/Traceparent.ts"
import { textToBytes } from "../../domain/wire/ByteText.ts"

/** Longest wait for an answer, as long as real gateways wait. */
const RELAY_TIMEOUT = Duration.seconds(10)

/** An application and the gateway that signs for it. */
export interface DemoApplication {
  readonly address: string
  readonly publicKey: Uint8Array
  readonly service: string
  readonly gatewayKey: Redacted.Redacted<Uint8Array>
}

/** Whom the gateway signs for, and what it sends. */
export interface DemoGatewayOptions {
  readonly applications: ReadonlyArray<DemoApplication>
  /** Base URL of the relayer. */
  readonly relayer: string
  /** Relays for each session. */
  readonly relays: number
  /** Length of a session in time, to spread them. */
  readonly sessionTime: Duration.Duration
  /** Whether `signature` is the supplier's over `message`. */
  readonly verifySignature: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
}

/** The answer is not what the gateway may take. */
class BadAnswer extends Schema.TaggedError<BadAnswer>()("BadAnswer", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

/** Sends from now on until the scope ends or `stop`. */
export const layer = (options: DemoGatewayOptions) =>
  Layer.effect(
    DemoTraffic,
    Effect.gen(function* () {
      const chain = yield* ChainQuery
      const blocks = yield* Blocks
      const entropy = yield* Entropy
      const { enabled, step, context } = yield* StepTracer
      const pool = yield* Effect.acquireRelease(
        Effect.sync(() => new Pool(options.relayer, { connections: 64 })),
        (opened) => Effect.promise(() => opened.destroy())
      )
      const counters = yield* Ref.make({
        sent: 0,
        verified: 0,
        refused: 0,
        failed: 0,
        lastProblem: undefined as string | undefined
      }) // widens the literal
      const stopping = yield* Ref.make(false)
      const sequence = yield* Ref.make(0)

      const requestBytes = Effect.fnUntraced(function* (
        application: DemoApplication,
        header: SessionHeader,
        supplier: string
      ) {
        const id = yield* Ref.updateAndGet(sequence, (n) => n + 1)
        const payload = encodeHttpRequest({
          method: "POST",
          url: options.relayer,
          headers: [{ key: "Content-Type", values: ["application/json"] }],
          body: textToBytes(JSON.stringify({ jsonrpc: "2.0", id, method: METHODS[id % METHODS.length], params: [] }))
        })
        const meta = { sessionHeader: header, signature: new Uint8Array(), supplierOperatorAddress: supplier }
        const unsigned = { meta, payload: yield* Effect.fromResult(payload) }
        const privateKey = Redacted.value(application.gatewayKey)
        const ring = [application.publicKey, publicKeyOf(privateKey)]
        const signature = yield* Effect.fromResult(
          signRing({
            message: signableHash(unsigned),
            ring,
            privateKey,
            nonce: yield* entropy.bytes(32),
            decoys: yield* Effect.forEach(ring, () => entropy.bytes(32))
          })
        )
        return encodeRelayRequest({ ...unsigned, meta: { ...meta, signature: RingSignature.encode(signature) } })
      })

      /** The refusal's text, if it is one; fails if the answer does not verify. */
      const verified = Effect.fnUntraced(function* (
        status: number,
        body: Uint8Array,
        header: SessionHeader,
        supplier: string
      ) {
        if (status !== 200) return yield* new BadAnswer({ problem: `outer status ${status}` })
        const response = yield* Effect.fromResult(decodeRelayResponse(body))
        yield* Effect.fromResult(validateRelayResponse(response))
        if (response.meta.sessionHeader === undefined || !isSameSessionHeader(response.meta.sessionHeader, header)) {
          return yield* new BadAnswer({ problem: "the answer is for another session" })
        }
        const key = Option.flatMap(yield* chain.account(supplier), ({ publicKey }) => Option.fromUndefinedOr(publicKey))
        if (Option.isNone(key)) return yield* new BadAnswer({ problem: `no key on chain for ${supplier}` })
        if (
          !options.verifySignature(key.value, responseSignableHash(response), response.meta.supplierOperatorSignature)
        ) {
          return yield* new BadAnswer({ problem: "the supplier's signature does not verify" })
        }
        if (response.payloadHash === undefined || !equalBytes(sha256(response.payload), response.payloadHash)) {
          return yield* new BadAnswer({ problem: "the payload is not the signed one" })
        }
        const inner = decodeHttpResponse(response.payload)
        if (Result.isFailure(inner)) return yield* new BadAnswer({ problem: inner.failure.message })
        return response.relayMinerError?.description
      })

      const send = Effect.fnUntraced(function* (application: DemoApplication, header: SessionHeader, supplier: string) {
        const body = yield* requestBytes(application, header, supplier)
        const parent = yield* context
        yield* Ref.update(counters, (c) => ({ ...c, sent: c.sent + 1 }))
        const answer = yield* Effect.tryPromise(async (signal) => {
          const { statusCode, body: stream } = await pool.request({
            path: "/",
            method: "POST",
            signal,
            headers: {
              "content-type": "application/json",
              "rpc-type": "3",
              ...(Option.isSome(parent) ? { traceparent: formatTraceparent(parent.value) } : {})
            },
            body
          })
          return { status: statusCode, bytes: await stream.bytes() }
        }).pipe(Effect.timeout(RELAY_TIMEOUT))
        const refusal = yield* verified(answer.status, answer.bytes, header, supplier)
        yield* Ref.update(counters, (c) =>
          refusal === undefined
            ? { ...c, verified: c.verified + 1 }
            : { ...c, refused: c.refused + 1, lastProblem: refusal }
        )
      })

      const relay = (application: DemoApplication, header: SessionHeader, supplier: string) =>
        (enabled ? step("demo relay", { kind: "client", root: true }) : <A>(same: A) => same)(
          send(application, header, supplier)
        ).pipe(
          Effect.catch((problem) =>
            Ref.update(counters, (c) => ({ ...c, failed: c.failed + 1, lastProblem: problem.message }))
          )
        )

      /** One application's calls, spread over its session, to the session's suppliers in turn. */
      const serve = Effect.fnUntraced(function* (application: DemoApplication) {
        const pause = Duration.millis(Duration.toMillis(options.sessionTime) / options.relays)
        let current = ""
        let sentInSession = 0
        let next = yield* Clock.currentTimeMillis
        while (!(yield* Ref.get(stopping))) {
          const { height } = yield* blocks.latest
          const session = yield* chain.session(
            ApplicationAddress.make(application.address),
            ServiceId.make(application.service),
            height
          )
          if (session.sessionId !== current) {
            current = session.sessionId
            sentInSession = 0
          }
          const supplier = session.suppliers[sentInSession % session.suppliers.length]
          if (supplier !== undefined && sentInSession < options.relays) {
            sentInSession++
            yield* relay(application, session.header, supplier.operatorAddress)
          }
          // Counted from the last due time, so that the work between two relays does not slow their pace.
          const now = yield* Clock.currentTimeMillis
          next = Math.max(next + Duration.toMillis(pause), now)
          yield* Effect.sleep(Duration.millis(next - now))
        }
      })

      const running = yield* Effect.forkScoped(
        Effect.forEach(
          options.applications,
          (application) =>
            serve(application).pipe(
              // The chain may be away for a while: an application goes on when it is back.
              Effect.catch((problem) =>
                Effect.andThen(Effect.logDebug("demo application waits", problem), Effect.sleep("500 millis"))
              ),
              Effect.repeat({ while: () => Effect.map(Ref.get(stopping), (stopped) => !stopped) })
            ),
          { concurrency: "unbounded", discard: true }
        )
      )

      return DemoTraffic.of({
        counters: Ref.get(counters),
        stop: Effect.andThen(Ref.set(stopping, true), Effect.asVoid(Effect.exit(Fiber.join(running))))
      })
    })
  )

const METHODS = ["eth_blockNumber", "eth_chainId", "eth_gasPrice", "eth_getBalance"]
