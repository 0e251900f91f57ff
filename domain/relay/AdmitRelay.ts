/**
 * The first half of serving: everything that is checked once for each signed request, cheap checks first, no I/O for
 * garbage. Nothing is forwarded, metered or mined before the ring signature has passed here.
 */
import { Context, Effect, Layer, Option, Result, Stream } from "effect"
import { sha256 as pureSha256, type Sha256 } from "../crypto/Sha256.ts"
import type { RpcType } from "../ports/Backends.ts"
import { Blocks } from "../ports/Blocks.ts"
import { RingVerifier } from "../ports/RingVerifier.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import { SupplierAddress } from "../protocol/Identifiers.ts"
import { firstStranger } from "../ring/RingMembers.ts"
import * as RingSignature from "../ring/RingSignature.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { decodeHttpRequest, type HttpRequestPayload } from "./PoktHttp.ts"
import { RelayPolicyRef, type ServicePolicy } from "./RelayPolicy.ts"
import { RelayRefused, type RefusalCause } from "./RelayRefusal.ts"
import { decodeRelayRequest, type RelayRequest, signableHash, validateRelayRequest } from "./RelayRequest.ts"
import { RingDirectory } from "./RingDirectory.ts"
import { SeenRequests } from "./SeenRequests.ts"
import { SessionDirectory, type SessionFacts } from "./SessionDirectory.ts"
import { isSameSessionHeader, type SessionHeader } from "./SessionHeader.ts"

/** Longest plausible session, and farthest plausible distance of a session from our height, in blocks. */
const PLAUSIBLE_BLOCKS = 10_000n

/** A request as it arrives at some transport. */
export interface RelayInput {
  /** Encoded `RelayRequest`. */
  readonly body: Uint8Array
  /** Value of the `Rpc-Type` header, if any. */
  readonly rpcType: string | undefined
}

/** A request that may be looked up and verified: all checks without I/O have passed. */
export interface PlausibleRelay {
  readonly request: RelayRequest
  readonly header: SessionHeader
  readonly supplier: SupplierAddress
  readonly service: ServicePolicy
  readonly rpcType: RpcType
  readonly call: HttpRequestPayload
}

/** A request that will be served unless its share is consumed or its backend fails. */
export interface AdmittedRelay extends PlausibleRelay {
  readonly facts: SessionFacts
  /** Height at which it was admitted. */
  readonly arrivalHeight: bigint
}

export class AdmitRelay extends Context.Service<
  AdmitRelay,
  {
    /** Checks without I/O. */
    readonly read: (input: RelayInput) => Effect.Effect<PlausibleRelay, RelayRefused>
    /** Supplier, session, ring signature, replay. */
    readonly verify: (relay: PlausibleRelay) => Effect.Effect<AdmittedRelay, RelayRefused>
    /** Forgets replays of sessions that ended before `height`. */
    readonly forgetBelow: (height: bigint) => Effect.Effect<void>
  }
>()("relaymill/domain/relay/AdmitRelay") {
  /** `sha256` hashes requests; the pure one unless a faster one is at hand. */
  static readonly layer = (sha256: Sha256 = pureSha256) =>
    Layer.effect(
      AdmitRelay,
      Effect.gen(function* () {
        const blocks = yield* Blocks
        const keys = yield* SupplierKeys
        const verifier = yield* RingVerifier
        const sessions = yield* SessionDirectory
        const rings = yield* RingDirectory
        const policy = yield* RelayPolicyRef
        const { step } = yield* StepTracer
        const seen = new SeenRequests({ perSession: policy.seenPerSession, total: policy.seenTotal }, sha256)

        const read = Effect.fnUntraced(function* ({ body, rpcType }: RelayInput) {
          const decoded = decodeRelayRequest(body)
          if (Result.isFailure(decoded)) return yield* refusePlain("unreadable", decoded.failure.message)
          const request = decoded.success
          const valid = validateRelayRequest(request)
          const header = request.meta.sessionHeader
          if (Result.isFailure(valid)) return yield* refusePlain("unreadable", valid.failure.message)
          if (header === undefined) return yield* refusePlain("unreadable", "session header is missing")
          const supplier = SupplierAddress.make(request.meta.supplierOperatorAddress)
          if (Option.isNone(yield* keys.publicKey(supplier))) return yield* refusePlain("supplier_not_served", supplier)
          const refuse = refuserFor(header, supplier, false)
          const height = yield* blocks.latest.pipe(
            Effect.map((block) => block.height),
            Effect.catch((cause) => refuse("chain_unreadable", cause.message))
          )
          if (!isPlausible(header, height)) {
            return yield* refuse(
              "implausible_heights",
              `session ${header.sessionStartBlockHeight} to ${header.sessionEndBlockHeight} at height ${height}`
            )
          }
          const service = policy.services.get(header.serviceId)
          if (service === undefined) return yield* refuse("service_not_offered", header.serviceId)
          if (body.length > service.maxBodyBytes) {
            return yield* refuse("service_body_too_large", `${body.length} bytes`, service.maxBodyBytes)
          }
          const type = rpcTypeOf(rpcType, service)
          if (type === undefined || !service.rpcTypes.has(type)) {
            return yield* refuse("no_backend", `no ${rpcType ?? service.defaultRpcType} backend for ${service.id}`)
          }
          const call = decodeHttpRequest(request.payload)
          if (Result.isFailure(call)) return yield* refuse("payload_unreadable", call.failure.message)
          return { request, header, supplier, service, rpcType: type, call: call.success }
        })

        const lookUp = Effect.fnUntraced(function* ({ header, supplier }: PlausibleRelay) {
          const refuse = refuserFor(header, supplier, false)
          if (!(yield* sessions.isStaked(supplier, header.serviceId))) {
            return yield* refuse("supplier_not_staked", `${supplier} for ${header.serviceId}`)
          }
          let { height } = yield* blocks.latest
          if (header.sessionStartBlockHeight === height + 1n) {
            height = yield* awaitHeight(header.sessionStartBlockHeight).pipe(
              Effect.timeoutOption(policy.nextBlockWait),
              Effect.map(Option.getOrElse(() => height))
            )
          }
          if (header.sessionStartBlockHeight > height) {
            return yield* refuse("session_unknown", `starts at ${header.sessionStartBlockHeight}, height is ${height}`)
          }
          const facts = yield* sessions.facts(header)
          if (!isSameSessionHeader(header, facts.session.header)) {
            return yield* refuse("session_unknown", `the chain's session is ${facts.session.header.sessionId}`)
          }
          if (height > facts.graceEnd) {
            return yield* refuse("session_unknown", `grace ended at ${facts.graceEnd}, height is ${height}`)
          }
          if (!facts.suppliers.has(supplier)) {
            return yield* refuse("session_unknown", `${supplier} is not in session ${header.sessionId}`)
          }
          return { facts, arrivalHeight: height }
        })

        const awaitHeight = (height: bigint) =>
          blocks.changes.pipe(
            Stream.filter((block) => block.height >= height),
            Stream.runHead,
            Effect.flatMap(
              Option.match({ onNone: () => Effect.never, onSome: (block) => Effect.succeed(block.height) })
            )
          )

        const checkRing = Effect.fnUntraced(function* ({ request, header, supplier }: PlausibleRelay) {
          const refuse = refuserFor(header, supplier, false)
          const { applicationAddress: application, sessionEndBlockHeight: end } = header
          let ring = yield* rings.ring(application, end)
          let decoded = RingSignature.decode(request.meta.signature, RingSignature.memberBound(ring.size))
          if (Result.isFailure(decoded) && decoded.failure.reason !== "too many members") {
            return yield* refuse("ring_signature", decoded.failure.message)
          }
          if (Result.isFailure(decoded) || firstStranger(decoded.success, ring) >= 0) {
            ring = yield* rings.refreshed(application, end)
            decoded = RingSignature.decode(request.meta.signature, RingSignature.memberBound(ring.size))
          }
          if (Result.isFailure(decoded)) return yield* refuse("ring_signature", decoded.failure.message)
          const signature = decoded.success
          const stranger = firstStranger(signature, ring)
          if (stranger >= 0)
            return yield* refuse("ring_signature", `member ${stranger} is not in the ring of ${application}`)
          const message = signableHash(request, sha256)
          if (!(yield* verifier.verify(message, signature))) {
            return yield* refuse("ring_signature", "the ring equation does not hold")
          }
          if (!seen.enter({ id: header.sessionId, endHeight: end }, message, signature.challenge)) {
            return yield* refuserFor(header, supplier, true)("seen_before", header.sessionId)
          }
        })

        const verify = (relay: PlausibleRelay) => {
          const refuse = refuserFor(relay.header, relay.supplier, false)
          return Effect.gen(function* () {
            const found = yield* step("lookup")(lookUp(relay))
            yield* step("verify")(checkRing(relay))
            return {
              request: relay.request,
              header: relay.header,
              supplier: relay.supplier,
              service: relay.service,
              rpcType: relay.rpcType,
              call: relay.call,
              facts: found.facts,
              arrivalHeight: found.arrivalHeight
            }
          }).pipe(
            Effect.catchTags({
              ChainUnavailable: (cause) => refuse("chain_unreadable", cause.message),
              SessionNotFound: (cause) => refuse("session_unknown", cause.message),
              ServiceNotFound: (cause) => refuse("session_unknown", cause.message),
              RingUnknown: (cause) => refuse("ring_signature", cause.message)
            })
          )
        }

        return AdmitRelay.of({
          read,
          verify,
          forgetBelow: (height) => Effect.sync(() => seen.forgetBelow(height))
        })
      })
    )
}

/** Makes refusals that can be signed for this header and supplier. */
export const refuserFor =
  (header: SessionHeader, supplier: string, verified: boolean) =>
  (reason: RefusalCause, detail: string, limit?: number): Effect.Effect<never, RelayRefused> =>
    Effect.fail(
      new RelayRefused({
        reason,
        detail,
        signer: { header, supplier },
        verified,
        ...(limit === undefined ? {} : { limit })
      })
    )

const refusePlain = (reason: RefusalCause, detail: string): Effect.Effect<never, RelayRefused> =>
  Effect.fail(new RelayRefused({ reason, detail, verified: false }))

const isPlausible = (header: SessionHeader, height: bigint): boolean =>
  header.sessionEndBlockHeight - header.sessionStartBlockHeight <= PLAUSIBLE_BLOCKS &&
  header.sessionStartBlockHeight <= height + PLAUSIBLE_BLOCKS &&
  header.sessionEndBlockHeight >= height - PLAUSIBLE_BLOCKS

/** Transports by their number on chain (poktroll `RPCType`) or by name; absent: the service's default. */
const rpcTypeOf = (header: string | undefined, service: ServicePolicy): RpcType | undefined =>
  header === undefined || header === "" ? service.defaultRpcType : RPC_TYPES.get(header.toLowerCase())

const RPC_TYPES: ReadonlyMap<string, RpcType> = new Map([
  ["1", "grpc"],
  ["2", "websocket"],
  ["3", "jsonrpc"],
  ["4", "rest"],
  ["5", "cometbft"],
  ["grpc", "grpc"],
  ["websocket", "websocket"],
  ["jsonrpc", "jsonrpc"],
  ["rest", "rest"],
  ["cometbft", "cometbft"]
])
