/**
 * The first half of serving: everything that is checked once for each signed request, cheap checks first, no I/O for
 * garbage. Nothing is forwarded, metered or mined before the ring signature has passed here.
 */
import { Clock, Context, Effect, Layer, Option, Result, Stream } from "effect"
import { sha256 as pureSha256, type Sha256 } from "../crypto/Sha256.ts"
import type { RpcType } from "../ports/Backends.ts"
import { Blocks, type ChainUnavailable } from "../ports/Blocks.ts"
import type { ServiceNotFound, SessionNotFound } from "../ports/ChainQuery.ts"
import { RingVerifier } from "../ports/RingVerifier.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import { fillGauge } from "../observability/FillGauge.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"
import { firstStranger, type RingKeys } from "../ring/RingMembers.ts"
import * as RingSignature from "../ring/RingSignature.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { PeerBudget } from "./PeerBudget.ts"
import { decodeHttpRequest, type HttpRequestPayload } from "./PoktHttp.ts"
import { RelayPolicyRef, type ServicePolicy } from "./RelayPolicy.ts"
import { RegistryGate } from "./RegistryGate.ts"
import { RelayRefused, type RefusalCause } from "./RelayRefusal.ts"
import { decodeRelayRequest, type RelayRequest, signableHash, withSessionHeader } from "./RelayRequest.ts"
import { RingDirectory, type RingUnknown } from "./RingDirectory.ts"
import { SeenRequests } from "./SeenRequests.ts"
import { SessionDirectory, type SessionFacts } from "./SessionDirectory.ts"
import { isSameSessionHeader, type SessionHeader, validateSessionHeader } from "./SessionHeader.ts"

/** Longest plausible session, and farthest plausible distance of a session from our height, in blocks. */
const PLAUSIBLE_BLOCKS = 10_000n
/** Ring members read before the ring is known: more than any chain lets an application delegate to. */
const MAX_MEMBERS = 256

/** A request as it arrives at some transport. */
export interface RelayInput {
  /** Encoded `RelayRequest`. */
  readonly body: Uint8Array
  /** Value of the `Rpc-Type` header, if any. */
  readonly rpcType: string | undefined
  /** Address of the peer: bounds what is done for callers that are not verified. */
  readonly peer: string
}

/** A request that may be looked up and verified: all checks without I/O have passed. */
export interface PlausibleRelay {
  readonly request: RelayRequest
  /** Its ring signature, of which only the layout is known to be right. */
  readonly signature: RingSignature.RingSignature
  readonly header: SessionHeader
  readonly supplier: SupplierAddress
  readonly service: ServicePolicy
  readonly rpcType: RpcType
  readonly call: HttpRequestPayload
  readonly peer: string
  /** Height at which it arrived. */
  readonly arrivalHeight: bigint
  /** Facts of its session, if they are kept. */
  readonly kept: SessionFacts | undefined
}

/** A request that will be served unless its share is consumed or its backend fails. */
export interface AdmittedRelay extends PlausibleRelay {
  readonly facts: SessionFacts
  /** Forgets that it was seen: it was not charged, so the same bytes may come again. */
  readonly forget: () => void
}

/**
 * The checks of a relay before it is charged, cheap ones first. `read` proves nothing about the caller; `verify` does.
 */
export class AdmitRelay extends Context.Service<
  AdmitRelay,
  {
    /** Checks without I/O. */
    readonly read: (input: RelayInput) => Effect.Effect<PlausibleRelay, RelayRefused>
    /** Supplier, session, ring signature, replay. */
    readonly verify: (relay: PlausibleRelay) => Effect.Effect<AdmittedRelay, RelayRefused>
    /** Forgets replays of sessions whose grace ended below `height`. */
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
        const registry = yield* RegistryGate
        const policy = yield* RelayPolicyRef
        const { step } = yield* StepTracer
        const clock = yield* Clock.Clock
        const seen = new SeenRequests({ perSession: policy.seenPerSession, total: policy.seenTotal })
        const lookups = new PeerBudget(policy.lookupBurst, policy.lookupsPerSecond)
        yield* fillGauge("ha_relayer_seen_requests", "Relay requests remembered against replay", () => seen.size)
        yield* fillGauge(
          "ha_relayer_seen_requests_dropped",
          "Relay requests forgotten for want of room: each could be replayed once",
          () => seen.dropped
        )
        yield* fillGauge("ha_relayer_lookup_peers", "Peers whose chain look-ups are counted", () => lookups.size)

        const read = Effect.fnUntracedEager(function* ({ body, rpcType, peer }: RelayInput) {
          const decoded = decodeRelayRequest(body)
          if (Result.isFailure(decoded)) return yield* refusePlain("unreadable", decoded.failure.message)
          let request = decoded.success
          const { sessionHeader, supplierOperatorAddress } = request.meta
          if (sessionHeader === undefined) return yield* refusePlain("unreadable", "session header is missing")
          let header = sessionHeader
          const kept = sessions.peek(header, clock.currentTimeMillisUnsafe())
          // A header of the chain's own is valid; checking its address again is dear.
          if (kept !== undefined && isSameSessionHeader(header, kept.header)) {
            header = kept.header
            request = withSessionHeader(request, header)
          } else {
            const valid = validateSessionHeader(header)
            if (Result.isFailure(valid)) return yield* refusePlain("unreadable", valid.failure.message)
          }
          const supplier = supplierAddress(supplierOperatorAddress)
          if (!keys.isHeld(supplier)) return yield* refusePlain("supplier_not_served", supplier)
          const refuse = refuserFor(header, supplier, false)
          const { height } =
            blocks.peek() ?? (yield* Effect.catch(blocks.latest, (cause) => refuse("chain_unreadable", cause.message)))
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
          const gate = registry.decide(supplier, service.id, type)
          if (gate._tag === "Refuse") {
            return yield* refuse("supplier_not_staked", `${supplier} for ${service.id}: registry says ${gate.reason}`)
          }
          if (!gate.isTransportStaked) yield* registry.noteUndeclared(supplier, service.id, type)
          const call = decodeHttpRequest(request.payload)
          if (Result.isFailure(call)) return yield* refuse("payload_unreadable", call.failure.message)
          const signature = RingSignature.decode(request.meta.signature, MAX_MEMBERS)
          if (Result.isFailure(signature)) return yield* refuse("ring_signature", signature.failure.message)
          return {
            request,
            signature: signature.success,
            header,
            supplier,
            service,
            rpcType: type,
            call: call.success,
            peer,
            arrivalHeight: height,
            kept
          }
        })

        /** Fails when the peer has caused too many chain reads by requests that are not verified yet. */
        const spendLookup = (relay: PlausibleRelay, now: number) =>
          lookups.spend(relay.peer, now)
            ? Effect.void
            : refuseUnverified(relay, "at_limit", `too many unknown sessions and rings from ${relay.peer}`)

        /** Facts of the relay's session, in which its supplier serves at this height. Without an effect if they are kept. */
        const lookUp = Effect.fnUntracedEager(function* (relay: PlausibleRelay, height: bigint) {
          const { header, supplier } = relay
          const refuse = refuserFor(header, supplier, false)
          if (header.sessionStartBlockHeight > height) {
            return yield* refuse("session_unknown", `starts at ${header.sessionStartBlockHeight}, height is ${height}`)
          }
          let facts = relay.kept
          if (facts === undefined) {
            yield* spendLookup(relay, clock.currentTimeMillisUnsafe())
            // The ring meanwhile: what is wrong with it is told where it is asked for.
            yield* Effect.forkChild(
              Effect.ignore(rings.ring(header.applicationAddress, header.sessionEndBlockHeight)),
              { startImmediately: true }
            )
            facts = yield* told(relay, sessions.facts(header))
          }
          if (!isSameSessionHeader(header, facts.header)) {
            return yield* refuse("session_unknown", `the chain's session is ${facts.header.sessionId}`)
          }
          if (height > facts.graceEnd) {
            return yield* refuse("session_unknown", `grace ended at ${facts.graceEnd}, height is ${height}`)
          }
          if (!facts.suppliers.has(supplier)) {
            return yield* (yield* told(relay, sessions.isStaked(supplier, header.serviceId)))
              ? refuse("session_unknown", `${supplier} is not in session ${header.sessionId}`)
              : refuse("supplier_not_staked", `${supplier} for ${header.serviceId}`)
          }
          return facts
        })

        /** The height once it is the session's start; the present one when that takes too long. */
        const awaitStart = ({ header }: PlausibleRelay, height: bigint) =>
          blocks.changes.pipe(
            Stream.filter((block) => block.height >= header.sessionStartBlockHeight),
            Stream.runHead,
            Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed })),
            Effect.timeoutOption(policy.nextBlockWait),
            Effect.map(Option.match({ onNone: () => height, onSome: (block) => block.height }))
          )

        /** The ring that may have signed, read anew before a stranger is refused. Without an effect if it is kept. */
        const ringFor = Effect.fnUntracedEager(function* (relay: PlausibleRelay) {
          const { header, signature } = relay
          const { applicationAddress: application, sessionEndBlockHeight: end } = header
          const now = clock.currentTimeMillisUnsafe()
          let ring = rings.peek(application, end, now)
          if (ring === undefined) {
            yield* spendLookup(relay, now)
            ring = yield* told(relay, rings.ring(application, end))
          }
          if (!isForeign(signature, ring)) return ring
          ring = yield* told(relay, rings.refreshed(application, end))
          if (!isForeign(signature, ring)) return ring
          return yield* refuseUnverified(
            relay,
            "ring_signature",
            `${signature.members.length} members, number ${firstStranger(signature, ring)} is not of ${application}`
          )
        })

        /** The signable hash, once the ring has signed it. */
        const checkRing = (relay: PlausibleRelay): Effect.Effect<Uint8Array, RelayRefused> =>
          Effect.flatMapEager(ringFor(relay), () => {
            const message = signableHash(relay.request, sha256)
            return Effect.flatMap(verifier.verify(message, relay.signature), (holds) =>
              holds
                ? Effect.succeed(message)
                : refuseUnverified(relay, "ring_signature", "the ring equation does not hold")
            )
          })

        const verify = Effect.fnUntraced(function* (relay: PlausibleRelay) {
          const { header, supplier, signature } = relay
          let height = relay.arrivalHeight
          let message: Uint8Array | undefined
          if (header.sessionStartBlockHeight === height + 1n) {
            // Our view may lag by a block. Only callers that are verified make us wait for it.
            message = yield* step("verify")(checkRing(relay))
            height = yield* awaitStart(relay, height)
          }
          const facts = yield* step("lookup")(lookUp(relay, height))
          message ??= yield* step("verify")(checkRing(relay))
          const key = seen.keyOf(message, signature.challenge)
          if (!seen.enter(header.sessionId, facts.graceEnd, key)) {
            return yield* refuserFor(header, supplier, true)("seen_before", header.sessionId)
          }
          return {
            request: relay.request,
            signature,
            header,
            supplier,
            service: relay.service,
            rpcType: relay.rpcType,
            call: relay.call,
            peer: relay.peer,
            facts,
            kept: facts,
            arrivalHeight: height,
            forget: () => seen.forget(header.sessionId, key)
          }
        })

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
  (header: SessionHeader, supplier: SupplierAddress, verified: boolean) =>
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

/** Refuses a relay whose ring signature is not verified yet. */
const refuseUnverified = ({ header, supplier }: PlausibleRelay, reason: RefusalCause, detail: string) =>
  refuserFor(header, supplier, false)(reason, detail)

/** A read of the chain for a relay; its failure is told to the gateway. */
const told = <A>(
  relay: PlausibleRelay,
  read: Effect.Effect<A, SessionNotFound | ServiceNotFound | RingUnknown | ChainUnavailable>
): Effect.Effect<A, RelayRefused> =>
  Effect.catchTags(read, {
    ChainUnavailable: (cause) => refuseUnverified(relay, "chain_unreadable", cause.message),
    SessionNotFound: (cause) => refuseUnverified(relay, "session_unknown", cause.message),
    ServiceNotFound: (cause) => refuseUnverified(relay, "session_unknown", cause.message),
    RingUnknown: (cause) => refuseUnverified(relay, "ring_signature", cause.message)
  })

/** Signed for by a key outside of the ring, or by more members than such a ring is worth verifying for. */
const isForeign = (signature: RingSignature.RingSignature, ring: RingKeys): boolean =>
  signature.members.length > RingSignature.memberBound(ring.size) || firstStranger(signature, ring) >= 0

/** Names the request's supplier for the look-up of its key. */
const supplierAddress = (text: string): SupplierAddress => text as SupplierAddress // any text: only a held one goes further

const refusePlain = (reason: RefusalCause, detail: string): Effect.Effect<never, RelayRefused> =>
  Effect.fail(new RelayRefused({ reason, detail, verified: false }))

const isPlausible = (header: SessionHeader, height: bigint): boolean =>
  header.sessionEndBlockHeight - header.sessionStartBlockHeight <= PLAUSIBLE_BLOCKS &&
  header.sessionStartBlockHeight <= height + PLAUSIBLE_BLOCKS &&
  header.sessionEndBlockHeight >= height - PLAUSIBLE_BLOCKS

/**
 * Transports by their number on chain (poktroll `RPCType`) or by name; absent or unknown (0): the service's default.
 */
const rpcTypeOf = (header: string | undefined, service: ServicePolicy): RpcType | undefined =>
  header === undefined || header === "" || header === "0" ? service.defaultRpcType : RPC_TYPES.get(header.toLowerCase())

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
