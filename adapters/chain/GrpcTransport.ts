/** Queries over gRPC: one connection for each endpoint, made again when it goes silent. */
import { type ChannelOptions, Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js"
import { Effect, type Scope } from "effect"
import { EndpointFailed, type FailureKind } from "./EndpointFailed.ts"
import { ArgumentRefused, type QueryReply, type QueryTransport, RecordNotFound } from "./QueryTransport.ts"

/** Where a gRPC server listens. */
export interface GrpcAddress {
  readonly host: string
  readonly port: number
  /** Without TLS. */
  readonly isInsecure: boolean
  /** PEM of the authorities that may have signed the server's certificate; left out: those of the system. */
  readonly authorities?: Uint8Array
}

/** Host and port, as logs and metrics call it. */
export const grpcName = ({ host, port }: Pick<GrpcAddress, "host" | "port">): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** Header of request and answer with the height of the state that is read. */
const HEIGHT = "x-cosmos-block-height"

/** Longest answer. The default of grpc-js, 4 MiB, is less than what nodes send. */
const MAX_ANSWER_BYTES = 64 << 20

/**
 * A server of Go counts pings less than 5 minutes apart against its client, but starts anew with each answer it sends.
 * So a connection is tried when it is used again after a minute, never while it is idle.
 */
const KEEPALIVE_MILLIS = 60_000
const KEEPALIVE_WAIT_MILLIS = 4_000

/** Calls in a row that were given up without an answer, after which the connection is taken for dead. */
const SILENT_CALLS = 3

const options: ChannelOptions = {
  "grpc.keepalive_time_ms": KEEPALIVE_MILLIS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_WAIT_MILLIS,
  "grpc.keepalive_permit_without_calls": 0,
  "grpc.max_receive_message_length": MAX_ANSWER_BYTES,
  "grpc.max_send_message_length": MAX_ANSWER_BYTES,
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 2_000,
  // A connection made again is not the old one; repeating is the pool's.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_retries": 0
}

/** Queries to a server until the scope ends. Connects with the first call. */
export const makeGrpcTransport = (address: GrpcAddress): Effect.Effect<QueryTransport, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Connection(address)),
      (connection) => Effect.sync(() => connection.close())
    ),
    (connection) => ({ unary: (path, request, height) => connection.unary(path, request, height) })
  )

/** The present channel, and how many calls it left unanswered. */
class Connection {
  readonly #name: string
  readonly #open: () => Client
  #client: Client
  #silent = 0

  constructor(address: GrpcAddress) {
    this.#name = grpcName(address)
    const { authorities } = address
    const channelCredentials = address.isInsecure
      ? credentials.createInsecure()
      : credentials.createSsl(authorities === undefined ? null : Buffer.from(authorities))
    this.#open = () => new Client(`dns:///${this.#name}`, channelCredentials, options)
    this.#client = this.#open()
  }

  close(): void {
    this.#client.close()
  }

  readonly unary = (
    path: string,
    request: Uint8Array,
    height: bigint | undefined
  ): Effect.Effect<QueryReply, RecordNotFound | ArgumentRefused | EndpointFailed> =>
    Effect.callback((resume) => {
      const metadata = new Metadata()
      if (height !== undefined) metadata.set(HEIGHT, height.toString())
      let read: bigint | undefined
      let isGivenUp = false
      const client = this.#client
      const call = client.makeUnaryRequest(path, asBuffer, asBytes, request, metadata, (error, bytes) => {
        if (isGivenUp) return
        this.#silent = 0
        if (error !== null) resume(Effect.fail(this.#failure(path, error)))
        else resume(Effect.succeed({ bytes: bytes ?? EMPTY, height: read }))
      })
      call.on("metadata", (headers: Metadata) => {
        const [value] = headers.get(HEIGHT)
        if (typeof value === "string" && /^[0-9]{1,19}$/.test(value)) read = BigInt(value)
      })
      return Effect.sync(() => {
        isGivenUp = true
        call.cancel()
        this.#noteSilence(client)
      })
    })

  /** A call was given up. */
  #noteSilence(client: Client): void {
    if (client !== this.#client || ++this.#silent < SILENT_CALLS) return
    this.#silent = 0
    this.#client = this.#open()
    client.close()
  }

  #failure(path: string, error: ServiceError): RecordNotFound | ArgumentRefused | EndpointFailed {
    const { code, details } = error
    if (code === status.NOT_FOUND) return new RecordNotFound({ detail: details })
    if (code === status.INVALID_ARGUMENT) return new ArgumentRefused({ detail: details })
    const name = status[code] ?? `status ${code}`
    return new EndpointFailed({
      endpoint: this.#name,
      operation: path,
      kind: kindOf(code, details),
      detail: `${name}: ${details}`,
      ...(UNCONNECTED.test(details) ? { isUndone: true } : {})
    })
  }
}

/** What only grpc-js itself says: the answer was no gRPC, or the connection broke. */
const BROKEN = /^Received (?:HTTP status code|RST_STREAM)|^Call (?:terminated|ended)|content-type/i

/** What grpc-js says of a call that found no connection. */
const UNCONNECTED = /^(?:No connection established|Name resolution failed)/

const kindOf = (code: status, details: string): FailureKind => {
  switch (code) {
    case status.UNIMPLEMENTED:
      return "unimplemented"
    case status.DEADLINE_EXCEEDED:
      return "deadline"
    case status.RESOURCE_EXHAUSTED:
      return "overloaded"
    case status.CANCELLED:
    case status.UNAVAILABLE:
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return "transport"
    default:
      return BROKEN.test(details) ? "transport" : "internal"
  }
}

const EMPTY = new Uint8Array(0)

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A copy, which holds on to nothing of the connection. */
const asBytes = (buffer: Buffer): Uint8Array => new Uint8Array(buffer)
