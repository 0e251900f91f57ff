/**
 * A relayer over embedded stores, a simulated chain that stands still and a backend that is a script: everything that a
 * test of serving wants to turn is a switch here.
 */
import { Duration, Effect, Layer, type Option, Redacted, Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import * as RingVerifierNative from "../../adapters/crypto/RingVerifierNative.ts"
import * as SupplierKeysNative from "../../adapters/crypto/SupplierKeysNative.ts"
import * as BackendsMemory from "../../adapters/memory/BackendsMemory.ts"
import * as BroadcastMemory from "../../adapters/memory/BroadcastMemory.ts"
import { MemoryStores } from "../../adapters/memory/MemoryStores.ts"
import * as MeterStoreMemory from "../../adapters/memory/MeterStoreMemory.ts"
import * as RelayLogMemory from "../../adapters/memory/RelayLogMemory.ts"
import * as RelaySpoolMemory from "../../adapters/memory/RelaySpoolMemory.ts"
import { demoGenesis, type GenesisInput } from "../../adapters/simchain/Genesis.ts"
import * as SimChain from "../../adapters/simchain/SimChain.ts"
import { BulkSha256 } from "../../domain/crypto/BulkSha256.ts"
import type { BackendFailed, BackendRequest } from "../../domain/ports/Backends.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { MeterStore, MeterUnavailable } from "../../domain/ports/MeterStore.ts"
import { RelayLog, RelayLogUnavailable } from "../../domain/ports/RelayLog.ts"
import { ApplicationAddress, ServiceId, SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import type { BackendAnswer } from "../../domain/relay/BackendAnswer.ts"
import { decodeHttpResponse, encodeHttpRequest, type HttpRequestPayload } from "../../domain/relay/PoktHttp.ts"
import {
  defaultRelayPolicy,
  type RelayPolicy,
  RelayPolicyRef,
  type ServicePolicy
} from "../../domain/relay/RelayPolicy.ts"
import { encodeRelayRequest, type RelayRequest } from "../../domain/relay/RelayRequest.ts"
import { decodeRelayResponse, responseSignableHash } from "../../domain/relay/RelayResponse.ts"
import { type RelayAnswer, type RelayCall, ServeRelay } from "../../domain/relay/ServeRelay.ts"
import type { SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { verify } from "../../domain/keys/SupplierSignature.ts"
import { bytesToText, textToBytes, toUtf8 } from "../../domain/wire/ByteText.ts"
import * as RelayPrograms from "../../layers/RelayPrograms.ts"
import { buildRequest, type RelayParts, testKey } from "./RelayBuilder.ts"

export const SERVICE = "svc-eth"
export const supplier = testKey("supplier")
export const otherSupplier = testKey("other supplier")
export const application = testKey("application")
export const gateway = testKey("gateway")
export const stranger = testKey("stranger")

/** uPOKT of one relay in this world. */
export const RELAY_COST = 42_000_000n
/** A stake whose share per session and supplier pays for exactly `relays` relays; two suppliers, three pending sessions. */
export const stakeFor = (relays: number): bigint => RELAY_COST * BigInt(relays) * 2n * 2n

/** An answer of the backend. */
export const anAnswer = (changes: Partial<BackendAnswer> = {}): BackendAnswer => ({
  status: 200,
  rawHeaders: [["content-type", "application/json"]],
  body: textToBytes(`{"jsonrpc":"2.0","id":1,"result":"0x1"}`),
  gunzipped: false,
  ...changes
})

/** What stands in for the outside, changed while a test runs. */
export class Script {
  /** Answers of the backend. */
  answer: (request: BackendRequest) => Effect.Effect<BackendAnswer, BackendFailed> = () => Effect.succeed(anAnswer())
  /** Calls that reached the backend, and those interrupted there. */
  calls = 0
  interrupted = 0
  /** The meter store does not answer: it fails, or its give-backs hang. */
  meterAway = false
  giveBackHangs = false
  /** The log does not confirm: it fails, or it never answers. */
  log: "there" | "away" | "silent" = "there"
  announcements: Array<Option.Option<bigint>> = []
}

export interface WorldOptions {
  readonly policy?: Partial<RelayPolicy>
  readonly service?: Partial<ServicePolicy>
  readonly genesis?: Partial<GenesisInput>
  readonly spoolLimit?: number
  readonly script?: Script
  /** Keys held; only `supplier`'s by default. */
  readonly held?: ReadonlyArray<{ readonly privateKey: Uint8Array }>
}

/** The chain and one node of it. */
export const layerChain = (genesis: Partial<GenesisInput> = {}) =>
  SimChain.layerNode().pipe(
    Layer.provideMerge(
      SimChain.layer({
        verifiers: { sha256: nodeSha256 },
        genesis: demoGenesis({
          services: [{ id: SERVICE, computeUnitsPerRelay: 1_000_000n }],
          gateways: [{ publicKey: gateway.publicKey }],
          applications: [{ publicKey: application.publicKey, serviceIds: [SERVICE], gateways: [gateway.address] }],
          suppliers: [supplier, otherSupplier].map(({ publicKey }) => ({
            publicKey,
            services: [{ serviceId: SERVICE }]
          })),
          ...genesis
        })
      })
    )
  )

const layerMeter = (script: Script) =>
  Layer.effect(
    MeterStore,
    Effect.map(MeterStore, (store) => {
      const unlessAway =
        <A>(operation: MeterUnavailable["operation"]) =>
        (effect: Effect.Effect<A, MeterUnavailable>) =>
          Effect.suspend(() =>
            script.meterAway ? Effect.fail(new MeterUnavailable({ operation, cause: new Error("away") })) : effect
          )
      return MeterStore.of({
        take: (request) => unlessAway<bigint>("take")(store.take(request)),
        giveBack: (key, amount) =>
          Effect.suspend(() =>
            script.giveBackHangs ? Effect.never : unlessAway<void>("giveBack")(store.giveBack(key, amount))
          ),
        consumed: store.consumed,
        drop: store.drop
      })
    })
  ).pipe(Layer.provide(MeterStoreMemory.layer))

const layerLog = (script: Script) =>
  Layer.effect(
    RelayLog,
    Effect.map(RelayLog, (log) => {
      const unlessAway = <A, E>(effect: Effect.Effect<A, E | RelayLogUnavailable>) =>
        Effect.suspend(() =>
          script.log === "there"
            ? effect
            : script.log === "silent"
              ? Effect.never
              : Effect.fail(new RelayLogUnavailable({ operation: "append", cause: new Error("away") }))
        )
      return RelayLog.of({
        append: (entry) => unlessAway(log.append(entry)),
        announceSpool: (relayer, lowest) =>
          Effect.andThen(
            Effect.sync(() => void script.announcements.push(lowest)),
            unlessAway(log.announceSpool(relayer, lowest))
          )
      })
    })
  ).pipe(Layer.provide(RelayLogMemory.layer))

/** The backend that `script` plays. */
export const layerBackend = (script: Script) =>
  BackendsMemory.layer([
    {
      service: SERVICE,
      rpcType: "jsonrpc",
      timeout: defaultTimeout,
      maxAnswerBytes: 1_000_000,
      answer: (request) =>
        Effect.suspend(() => {
          script.calls++
          return Effect.onInterrupt(script.answer(request), () => Effect.sync(() => void script.interrupted++))
        })
    }
  ])

const defaultTimeout = Duration.seconds(5)

/** The policy of this world. */
export const policyOf = (options: WorldOptions): RelayPolicy => ({
  ...defaultRelayPolicy,
  relayer: "test",
  services: new Map([
    [
      SERVICE,
      {
        id: SERVICE,
        rpcTypes: new Set(["jsonrpc"] as const),
        defaultRpcType: "jsonrpc" as const,
        validation: "eager" as const,
        maxBodyBytes: defaultRelayPolicy.maxBodyBytes,
        ...options.service
      }
    ]
  ]),
  ...options.policy
})

/** Everything but the backend. */
export const layerWithoutBackend = (options: WorldOptions = {}) => {
  const script = options.script ?? new Script()
  return RelayPrograms.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        layerMeter(script),
        layerLog(script),
        BroadcastMemory.layer,
        RelaySpoolMemory.layerWith(new Map(), options.spoolLimit),
        RingVerifierNative.layer,
        SupplierKeysNative.layer((options.held ?? [supplier]).map(({ privateKey }) => Redacted.make(privateKey)))
      )
    ),
    Layer.provideMerge(MemoryStores.layer),
    Layer.provideMerge(
      Layer.mergeAll(
        layerChain(options.genesis),
        Layer.succeed(BulkSha256, nodeSha256),
        Layer.succeed(RelayPolicyRef, policyOf(options))
      )
    )
  )
}

/** Everything. */
export const layer = (options: WorldOptions = {}) => {
  const script = options.script ?? new Script()
  return layerWithoutBackend({ ...options, script }).pipe(Layer.provideMerge(layerBackend(script)))
}

/** Header of the session at `height` as one node has it. */
export const sessionOf = (chain: ChainQuery["Service"], height: bigint) =>
  Effect.map(
    chain.session(ApplicationAddress.make(application.address), ServiceId.make(SERVICE), height),
    ({ header }) => header
  )

/** Header of the session in which relays are served now. */
export const currentSession = Effect.gen(function* () {
  const { height } = yield* Effect.flatMap(Blocks, ({ latest }) => latest)
  return yield* sessionOf(yield* ChainQuery, height)
})

/** A call as gateways sign it. */
export const payloadOf = (salt: string, changes: Partial<HttpRequestPayload> = {}): Uint8Array =>
  Result.getOrThrow(
    encodeHttpRequest({
      method: "POST",
      url: "http://gateway.example/",
      headers: [{ key: "Content-Type", values: ["application/json"] }],
      body: textToBytes(`{"jsonrpc":"2.0","id":"${salt}","method":"eth_blockNumber","params":[]}`),
      ...changes
    })
  )

export interface RequestOptions extends Partial<RelayParts> {
  readonly call?: Partial<HttpRequestPayload>
  readonly payload?: Uint8Array
}

/** A signed request; `salt` makes it unlike others. */
export const aRequest = (header: SessionHeader, salt: string, options: RequestOptions = {}): RelayRequest =>
  buildRequest({
    header,
    supplier,
    signer: gateway,
    ring: [application.publicKey, gateway.publicKey],
    salt,
    changeRequest: (request) => ({ ...request, payload: options.payload ?? payloadOf(salt, options.call) }),
    ...options
  })

/** Its bytes. */
export const requestBytes = (header: SessionHeader, salt: string, options: RequestOptions = {}): Uint8Array =>
  encodeRelayRequest(aRequest(header, salt, options))

/** A call of a transport. */
export const aCall = (body: Uint8Array, changes: Partial<RelayCall> = {}): RelayCall => ({
  body,
  rpcType: "3",
  headers: {},
  peer: "192.0.2.1",
  ...changes
})

/** Serves one relay. */
export const serve = (body: Uint8Array, changes: Partial<RelayCall> = {}) =>
  ServeRelay.use((relays) => relays.serve(aCall(body, changes)))

/** A signed answer as a gateway reads it; throws if it is none or its signature does not verify. */
export const readSigned = (answer: Pick<RelayAnswer, "status" | "body">, by = supplier) => {
  if (answer.status !== 200) throw new Error(`outer status ${answer.status}: ${bytesToText(answer.body)}`)
  const response = Result.getOrThrow(decodeRelayResponse(answer.body))
  const signature = response.meta.supplierOperatorSignature
  if (!verify(by.publicKey, responseSignableHash(response), signature)) throw new Error("signature does not verify")
  if (bytesToText(nodeSha256(response.payload)) !== bytesToText(response.payloadHash ?? new Uint8Array())) {
    throw new Error("payload hash is not the payload's")
  }
  const inner = Result.getOrThrow(decodeHttpResponse(response.payload))
  return {
    header: response.meta.sessionHeader,
    error: response.relayMinerError,
    status: inner.statusCode,
    headers: inner.headers,
    text: toUtf8(bytesToText(inner.body)),
    body: inner.body
  }
}

/** Relays in the supplier's log. */
export const logged = Effect.map(MemoryStores, (stores) => stores.supplier(supplier.address).log.size)

/** uPOKT taken from the meter store for a session, chunks outstanding included. */
export const consumed = (header: SessionHeader) =>
  Effect.flatMap(MeterStore, (store) =>
    store.consumed({
      session: SessionId.make(header.sessionId),
      supplier: SupplierAddress.make(supplier.address)
    })
  )

/** What is charged: everything unspent given back, then what is left in the store. */
export const charged = (header: SessionHeader) =>
  Effect.andThen(
    ServeRelay.use((relays) => relays.drain),
    consumed(header)
  )
