/** A gRPC server on a real socket that answers each path as a test tells it: bytes, a status, silence, or not at all. */
import { Metadata, Server, ServerCredentials, status, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js"
import { Effect, type Scope } from "effect"
import { registry } from "../../../domain/chain/QueryMessages.ts"

/** What the server does with a call. `height` is sent as header; undefined: none is. */
export type Told =
  | { readonly bytes: Uint8Array; readonly height?: bigint }
  | { readonly code: status; readonly details: string }
  | "silence"

/** A call as the server saw it. */
export interface Seen {
  readonly path: string
  readonly request: Uint8Array
  readonly height: string | undefined
}

/** A server at work. */
export interface GrpcNode {
  readonly port: number
  /** Asked in turn for each call; unknown paths are unimplemented by themselves. */
  answer: (call: Seen) => Told
  readonly calls: Array<Seen>
  readonly cancelled: () => number
  /** Ends every connection with GOAWAY, at once. */
  readonly drop: () => void
}

/** Serves all paths of the known services until the scope ends; `tls` in PEM. */
export const makeGrpcNode = (
  tls?: { readonly key: Uint8Array; readonly certificate: Uint8Array },
  port = 0
): Effect.Effect<GrpcNode, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => start(tls, port)),
      ({ server }) => Effect.sync(() => server.forceShutdown())
    ),
    ({ node }) => node
  )

const start = async (tls: Parameters<typeof makeGrpcNode>[0], wanted: number) => {
  const server = new Server({ "grpc.max_send_message_length": -1, "grpc.max_receive_message_length": -1 })
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) }
        ])
  const calls: Array<Seen> = []
  let cancelled = 0
  const handle = (path: string) => (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => {
    const height = call.metadata.get("x-cosmos-block-height")[0]?.toString()
    const seen = { path, request: new Uint8Array(call.request), height }
    calls.push(seen)
    call.on("cancelled", () => cancelled++)
    const told = node.answer(seen)
    if (told === "silence") return
    if ("code" in told) return reply({ code: told.code, details: told.details })
    if (told.height !== undefined) {
      const headers = new Metadata()
      headers.set("x-cosmos-block-height", told.height.toString())
      call.sendMetadata(headers)
    }
    reply(null, Buffer.from(told.bytes))
  }
  for (const type of registry) {
    if (type.kind !== "service") continue
    const methods = type.methods.map(({ name }) => [name, `/${type.typeName}/${name}`] as const)
    server.addService(
      Object.fromEntries(
        methods.map(([name, path]) => [
          name,
          {
            path,
            requestStream: false,
            responseStream: false,
            requestSerialize: same,
            requestDeserialize: same,
            responseSerialize: same,
            responseDeserialize: same
          }
        ])
      ),
      Object.fromEntries(methods.map(([name, path]) => [name, handle(path)]))
    )
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${wanted}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error)
    )
  )
  const node: GrpcNode = {
    port,
    answer: () => ({ code: status.UNIMPLEMENTED, details: "nothing told" }),
    calls,
    cancelled: () => cancelled,
    drop: () => server.drain(`127.0.0.1:${port}`, 0)
  }
  return { server, node }
}

const same = (bytes: Buffer): Buffer => bytes
