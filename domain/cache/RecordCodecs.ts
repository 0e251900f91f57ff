/**
 * How chain records lie in Redis. Under Go's keys: the protobuf of the record as the chain encodes it, and the raw 33
 * bytes of a public key. Under our own: protobuf too, a height before a session, decimal text for compute units.
 * A record that is not of the id in its key was put there by mistake or malice and does not decode.
 */
import { type DescMessage, type MessageShape } from "@bufbuild/protobuf"
import { Duration, Option, Result } from "effect"
import * as ApplicationRecord from "../chain/Application.ts"
import * as ModuleParams from "../chain/ModuleParams.ts"
import { ApplicationSchema } from "../chain/proto/pocket/application_pb.ts"
import { ParamsSchema as ProofParamsSchema } from "../chain/proto/pocket/proof_pb.ts"
import { ParamsSchema as SessionParamsSchema, SessionSchema } from "../chain/proto/pocket/session_pb.ts"
import { ParamsSchema as SharedParamsSchema, ServiceSchema, SupplierSchema } from "../chain/proto/pocket/shared_pb.ts"
import { decodeQuery, encodeQuery } from "../chain/QueryMessages.ts"
import * as ServiceRecord from "../chain/Service.ts"
import * as SessionRecord from "../chain/Session.ts"
import * as SupplierRecord from "../chain/Supplier.ts"
import type { ProofParams } from "../protocol/ProofParams.ts"
import type { SessionParams } from "../protocol/SessionParams.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { keyMatchesAddress } from "../ring/RingMembers.ts"
import { textToBytes } from "../wire/ByteText.ts"
import { names } from "./CacheNames.ts"
import type { SharedCodec } from "./SharedTier.ts"

/** Life of applications and services in Redis; Go's. */
const RECORD_LIFE = Duration.minutes(5)
/** Life of what Go keeps in no Redis of its own. */
const SUPPLIER_LIFE = Duration.minutes(1)
/** Life of proof params; Go's. */
const PROOF_PARAMS_LIFE = Duration.minutes(10)
/** Life of what never changes any more. */
const FINAL_LIFE = Duration.minutes(30)

/** A session and the last height at which somebody may ask for it: two after its grace. */
export interface KeptSession {
  readonly session: SessionRecord.Session
  readonly usefulUntil: bigint
}

/** `untilHeight` is the time until a height is reached; `blockTime` that of one block. */
export const recordCodecs = (blockTime: Duration.Duration, untilHeight: (height: bigint) => Duration.Duration) => ({
  application: record<ApplicationRecord.Application>({
    key: names.application,
    lock: (address) => names.lock(`application:${address}`),
    encode: (application) => encodeQuery(ApplicationSchema, ApplicationRecord.toMessage(application)),
    decode: (bytes) => decoded(ApplicationSchema, bytes, ApplicationRecord.fromMessage),
    idOf: ({ address }) => address,
    life: RECORD_LIFE
  }),
  service: record<ServiceRecord.Service>({
    key: names.service,
    lock: (id) => names.lock(`service:${id}`),
    encode: (service) => encodeQuery(ServiceSchema, ServiceRecord.toMessage(service)),
    decode: (bytes) => decoded(ServiceSchema, bytes, (message) => Result.succeed(ServiceRecord.fromMessage(message))),
    idOf: ({ id }) => id,
    life: RECORD_LIFE
  }),
  supplier: record<SupplierRecord.Supplier>({
    key: (address) => names.own("supplier", address),
    lock: (address) => names.own("lock", "supplier", address),
    encode: (supplier) => encodeQuery(SupplierSchema, SupplierRecord.toMessage(supplier)),
    decode: (bytes) => decoded(SupplierSchema, bytes, SupplierRecord.fromMessage),
    idOf: ({ operatorAddress }) => operatorAddress,
    life: SUPPLIER_LIFE
  }),
  /** Go keeps keys without end: they never change, and a wrong one does not match its address. */
  publicKey: {
    key: names.account,
    lock: (address) => names.lock(`account:${address}`),
    encode: (key) => key,
    decode: (bytes, address) =>
      bytes.length === 33 && keyMatchesAddress(bytes, address) ? Option.some(Option.some(bytes)) : Option.none(),
    life: () => Duration.infinity
  } satisfies SharedCodec<Option.Option<Uint8Array>>,
  sharedParams: single<SharedParams>({
    key: names.sharedParams,
    lock: names.lock("shared_params"),
    encode: (params) => encodeQuery(SharedParamsSchema, ModuleParams.sharedToMessage(params)),
    decode: (bytes) => decodeSharedParams(bytes),
    life: ({ numBlocksPerSession }) => Duration.times(blockTime, 2 * Number(numBlocksPerSession))
  }),
  proofParams: single<ProofParams>({
    key: names.proofParams,
    lock: names.lock("proof_params"),
    encode: (params) => encodeQuery(ProofParamsSchema, ModuleParams.proofToMessage(params)),
    decode: (bytes) => decoded(ProofParamsSchema, bytes, ModuleParams.proofFromMessage),
    life: () => PROOF_PARAMS_LIFE
  }),
  sessionParams: single<SessionParams>({
    key: names.own("session_params"),
    lock: names.own("lock", "session_params"),
    encode: (params) => encodeQuery(SessionParamsSchema, ModuleParams.sessionToMessage(params)),
    decode: (bytes) => decoded(SessionParamsSchema, bytes, ModuleParams.sessionFromMessage),
    life: () => RECORD_LIFE
  }),
  /** By height. */
  sharedParamsAt: {
    key: (height) => names.own("shared_params_at", height),
    lock: (height) => names.own("lock", "shared_params_at", height),
    encode: (params) => Option.some(encodeQuery(SharedParamsSchema, ModuleParams.sharedToMessage(params))),
    decode: (bytes) => decodeSharedParams(bytes),
    life: () => FINAL_LIFE
  } satisfies SharedCodec<SharedParams>,
  /** By `<service>:<height>`. */
  computeUnits: {
    key: (key) => names.own("compute_units", key),
    lock: (key) => names.own("lock", "compute_units", key),
    encode: (units) => Option.some(textToBytes(units.toString())),
    decode: (bytes) => decimal(bytes),
    life: () => FINAL_LIFE
  } satisfies SharedCodec<bigint>,
  /** By `<service>:<height>`. */
  difficulty: {
    key: (key) => names.own("difficulty", key),
    lock: (key) => names.own("lock", "difficulty", key),
    encode: (target) => Option.some(target),
    decode: (bytes) => (bytes.length === 32 ? Option.some(bytes) : Option.none()),
    life: () => FINAL_LIFE
  } satisfies SharedCodec<Uint8Array>,
  /** By `<application>:<service>:<height>`; before the protobuf the useful height, 8 bytes big-endian. */
  session: {
    key: (key) => names.own("session", key),
    lock: (key) => names.own("lock", "session", key),
    encode: ({ session, usefulUntil }) => {
      const message = encodeQuery(SessionSchema, SessionRecord.toMessage(session))
      const bytes = new Uint8Array(8 + message.length)
      new DataView(bytes.buffer).setBigUint64(0, usefulUntil)
      bytes.set(message, 8)
      return Option.some(bytes)
    },
    decode: (bytes, key) => {
      if (bytes.length < 8) return Option.none()
      const usefulUntil = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
      return decoded(SessionSchema, bytes.subarray(8), SessionRecord.fromMessage).pipe(
        Option.filter((session) => isSessionOf(session, key)),
        Option.map((session) => ({ session, usefulUntil }))
      )
    },
    life: ({ usefulUntil }) => Duration.sum(untilHeight(usefulUntil), Duration.seconds(10))
  } satisfies SharedCodec<KeptSession>
})

const isSessionOf = ({ header }: SessionRecord.Session, key: string): boolean => {
  const [application, service, height = "0"] = key.split(":")
  return (
    header.applicationAddress === application &&
    header.serviceId === service &&
    header.sessionStartBlockHeight <= BigInt(height) &&
    header.sessionEndBlockHeight >= BigInt(height)
  )
}

/** Records that may be absent on chain; absence is not shared. */
const record = <A>(options: {
  readonly key: (id: string) => string
  readonly lock: (id: string) => string
  readonly encode: (value: A) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Option.Option<A>
  readonly idOf: (value: A) => string
  readonly life: Duration.Duration
}): SharedCodec<Option.Option<A>> => ({
  key: options.key,
  lock: options.lock,
  encode: Option.map(options.encode),
  decode: (bytes, id) =>
    options.decode(bytes).pipe(
      Option.filter((value) => options.idOf(value) === id),
      Option.map(Option.some)
    ),
  life: () => options.life
})

/** Records of which there is one. */
const single = <A>(options: {
  readonly key: string
  readonly lock: string
  readonly encode: (value: A) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Option.Option<A>
  readonly life: (value: A) => Duration.Duration
}): SharedCodec<A> => ({
  key: () => options.key,
  lock: () => options.lock,
  encode: (value) => Option.some(options.encode(value)),
  decode: (bytes) => options.decode(bytes),
  life: options.life
})

const decoded = <Desc extends DescMessage, A, E>(
  type: Desc,
  bytes: Uint8Array,
  convert: (message: MessageShape<Desc>) => Result.Result<A, E>
): Option.Option<A> =>
  Option.flatMap(Result.getSuccess(decodeQuery(type, bytes)), (message) => Result.getSuccess(convert(message)))

const decodeSharedParams = (bytes: Uint8Array): Option.Option<SharedParams> =>
  decoded(SharedParamsSchema, bytes, ModuleParams.sharedFromMessage)

const decimal = (bytes: Uint8Array): Option.Option<bigint> => {
  const text = String.fromCharCode(...bytes.subarray(0, 21))
  return /^[0-9]{1,20}$/.test(text) && bytes.length <= 20 ? Option.some(BigInt(text)) : Option.none()
}
