/**
 * A gateway of many relayers: signs relays with real rings, verifies each answer, asks another relayer when one refuses
 * or is away, and counts by session and supplier what was sent and what was answered. Argument: `LoadOptions` as JSON.
 * Ends by itself at a height, or with SIGTERM; tells `ready`, `progress` now and then, and `totals` at its end.
 */
import { equalBytes } from "@noble/curves/utils.js"
import { Clock, Duration, Effect, Exit, FiberSet, Option, Redacted, Result, Schema } from "effect"
import { Pool } from "undici"
import { loadSecp256k1Native } from "../../adapters/crypto/Secp256k1Native.ts"
import * as EntropyNode from "../../adapters/crypto/EntropyNode.ts"
import type { DemoKey } from "../../adapters/demo/DemoKeys.ts"
import { sha256 } from "../../domain/crypto/Sha256.ts"
import { verify } from "../../domain/keys/SupplierSignature.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { Entropy } from "../../domain/ports/Entropy.ts"
import { ApplicationAddress, ServiceId } from "../../domain/protocol/Identifiers.ts"
import { encodeHttpRequest } from "../../domain/relay/PoktHttp.ts"
import { encodeRelayRequest, signableHash } from "../../domain/relay/RelayRequest.ts"
import { decodeRelayResponse, responseSignableHash, validateRelayResponse } from "../../domain/relay/RelayResponse.ts"
import { isSameSessionHeader, type SessionHeader } from "../../domain/relay/SessionHeader.ts"
import * as RingSignature from "../../domain/ring/RingSignature.ts"
import { sign as signRing } from "../../domain/ring/RingSigning.ts"
import { textToBytes } from "../../domain/wire/ByteText.ts"
import { applicationsOf, gatewayOf, SERVICE, suppliersOf } from "./FleetChain.ts"
import { LoadOptions } from "./LoadOptions.ts"
import { argument, runProcess, tell } from "./ProcessEnd.ts"
import * as RemoteChain from "./RemoteChain.ts"

/** Relays under way; further ones are left out. More would only wait here for their signatures, and reach relayers late. */
const MAX_IN_FLIGHT = 16
/** Longest wait for an answer, as long as gateways wait. */
const ANSWER_MILLIS = 10_000

/** On no chain. */
const UNKNOWN_SERVICE = "no-such-service"

/** What became of the relays of one session with one supplier. */
interface Count {
  readonly session: string
  readonly supplier: string
  readonly application: string
  readonly sessionEnd: bigint
  sent: number
  answered: number
  lastAnswer: number
}

runProcess(
  Effect.gen(function* () {
    const options = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(LoadOptions))(argument(0, "the options"))
    yield* Effect.provide(send(options), [RemoteChain.layer(options.chainUrl), EntropyNode.layer])
  }).pipe(Effect.scoped)
)

function send(options: LoadOptions) {
  const counts = new Map<string, Count>()
  const causes = new Map<string, number>()
  const note = (cause: string) => void causes.set(cause, (causes.get(cause) ?? 0) + 1)
  const unknown = { sent: 0, answered: 0, lastAnswer: 0 }
  const applications = applicationsOf(options.chain)
  const gateway = gatewayOf(options.chain)
  const keys = new Map(suppliersOf(options.chain).map(({ address, publicKey }) => [address, publicKey]))
  const pools = options.relayers.map((url) => new Pool(url, { connections: MAX_IN_FLIGHT }))
  const totals = Effect.suspend(() =>
    tell("totals", { sessions: [...counts.values()], unknown, causes: Object.fromEntries(causes) })
  )

  const countOf = (header: SessionHeader, supplier: string): Count => {
    const key = `${header.sessionId} ${supplier}`
    const found = counts.get(key) ?? {
      session: header.sessionId,
      supplier,
      application: header.applicationAddress,
      sessionEnd: header.sessionEndBlockHeight,
      sent: 0,
      answered: 0,
      lastAnswer: 0
    }
    counts.set(key, found)
    return found
  }

  /** One try at one relayer: why there is no answer, or nothing. */
  const attempt = (pool: Pool, body: Uint8Array, header: SessionHeader, supplier: string) =>
    Effect.promise(async (): Promise<string | undefined> => {
      try {
        const response = await pool.request({
          path: "/",
          method: "POST",
          headers: { "content-type": "application/json", "rpc-type": "3" },
          body,
          signal: AbortSignal.timeout(ANSWER_MILLIS)
        })
        const bytes = await response.body.bytes()
        return response.statusCode === 200
          ? problemOf(bytes, header, keys.get(supplier))
          : `outer status ${response.statusCode}: ${new TextDecoder().decode(bytes).slice(0, 80)}`
      } catch (error) {
        if (!(error instanceof Error)) return "unknown"
        return "code" in error && typeof error.code === "string" ? error.code : error.name
      }
    })

  return Effect.gen(function* () {
    const blocks = yield* Blocks
    const chain = yield* ChainQuery
    const entropy = yield* Entropy
    const relays = yield* FiberSet.make()
    let sequence = 0

    const relay = Effect.fnUntraced(function* (application: DemoKey, known: SessionHeader, supplier: string) {
      const id = ++sequence
      const isUnknown = options.unknownServiceEvery > 0 && id % options.unknownServiceEvery === 0
      const header = isUnknown ? { ...known, serviceId: UNKNOWN_SERVICE } : known
      const body = yield* signed({ id, application, gateway, header, supplier }, entropy)
      const count = isUnknown ? unknown : countOf(header, supplier)
      for (let turn = 0; turn < pools.length; turn++) {
        const pool = pools[(id + turn) % pools.length]
        if (pool === undefined) return
        count.sent++
        const problem = yield* attempt(pool, body, header, supplier)
        if (problem === undefined) {
          count.answered++
          count.lastAnswer = Date.now()
          return
        }
        const { height } = yield* blocks.latest
        note(`${problem} (session ends at ${header.sessionEndBlockHeight}, height ${height})`)
      }
    })

    /** The next relay of an application, to the suppliers of its session in turn. */
    const next = Effect.fnUntraced(function* (turn: number) {
      const application = applications[turn % applications.length]
      const { height } = yield* blocks.latest
      if (application === undefined || height > BigInt(options.untilHeight)) return
      const { header, suppliers } = yield* chain.session(
        ApplicationAddress.make(application.address),
        ServiceId.make(SERVICE),
        height
      )
      const supplier = suppliers[Math.floor(turn / applications.length) % suppliers.length]
      if (supplier !== undefined) yield* relay(application, header, supplier.operatorAddress)
    })

    yield* tell("ready", { isNative: Result.isSuccess(loadSecp256k1Native()) })
    const pause = Duration.millis(1_000 / options.relaysPerSecond)
    let due = yield* Clock.currentTimeMillis
    let turn = 0
    while ((yield* blocks.latest).height <= BigInt(options.untilHeight)) {
      if ((yield* FiberSet.size(relays)) < MAX_IN_FLIGHT) {
        yield* FiberSet.run(
          relays,
          Effect.catch(next(turn++), (problem) => Effect.sync(() => note(problem._tag)))
        )
      }
      if (turn % (options.relaysPerSecond * 2) === 0) {
        yield* tell("progress", {
          answered: [...counts.values()].reduce((sum, { answered }) => sum + answered, 0),
          causes: Object.fromEntries(causes)
        })
      }
      const now = yield* Clock.currentTimeMillis
      due = Math.max(due + Duration.toMillis(pause), now)
      yield* Effect.sleep(Duration.millis(due - now))
    }
    yield* FiberSet.awaitEmpty(relays)
  }).pipe(
    Effect.onExit((exit) =>
      Effect.andThen(
        totals,
        Exit.isSuccess(exit) ? Effect.promise(() => Promise.all(pools.map((pool) => pool.close()))) : Effect.void
      )
    )
  )
}

interface Unsigned {
  readonly id: number
  readonly application: DemoKey
  readonly gateway: DemoKey
  readonly header: SessionHeader
  readonly supplier: string
}

/** Bytes of a relay request, signed by the gateway with the ring of application and gateway. */
function signed({ id, application, gateway, header, supplier }: Unsigned, entropy: Entropy["Service"]) {
  return Effect.gen(function* () {
    const payload = encodeHttpRequest({
      method: "POST",
      url: "http://gateway/",
      headers: [{ key: "Content-Type", values: ["application/json"] }],
      body: textToBytes(JSON.stringify({ jsonrpc: "2.0", id, method: "eth_blockNumber", params: [] }))
    })
    const meta = { sessionHeader: header, signature: new Uint8Array(), supplierOperatorAddress: supplier }
    const unsigned = { meta, payload: yield* Effect.fromResult(payload) }
    const ring = [application.publicKey, gateway.publicKey]
    const signature = yield* Effect.fromResult(
      signRing({
        message: signableHash(unsigned),
        ring,
        privateKey: Redacted.value(gateway.privateKey),
        nonce: yield* entropy.bytes(32),
        decoys: yield* Effect.forEach(ring, () => entropy.bytes(32))
      })
    )
    return encodeRelayRequest({ ...unsigned, meta: { ...meta, signature: RingSignature.encode(signature) } })
  })
}

/** Why the answer may not be taken; nothing if the supplier signed it for this session and it is no refusal. */
function problemOf(bytes: Uint8Array, header: SessionHeader, key: Uint8Array | undefined): string | undefined {
  const decoded = decodeRelayResponse(bytes)
  if (Result.isFailure(decoded)) return "answer does not decode"
  const response = decoded.success
  if (Result.isFailure(validateRelayResponse(response))) return "answer is not valid"
  const { sessionHeader, supplierOperatorSignature } = response.meta
  if (sessionHeader === undefined || !isSameSessionHeader(sessionHeader, header)) return "answer for another session"
  if (key === undefined || !verify(key, responseSignableHash(response), supplierOperatorSignature)) {
    return "signature of the supplier does not verify"
  }
  if (response.payloadHash === undefined || !equalBytes(sha256(response.payload), response.payloadHash)) {
    return "payload is not the signed one"
  }
  return Option.getOrUndefined(
    Option.map(Option.fromUndefinedOr(response.relayMinerError), ({ description }) => `refused: ${description}`)
  )
}
