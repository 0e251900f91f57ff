/** The gRPC side of a node: the query table and the transaction service by path, over raw message bytes. */
import type { Socket } from "node:net"
import { Metadata, Server, type sendUnaryData, ServerCredentials, type ServerUnaryCall, status } from "@grpc/grpc-js"
import { Effect, type Scope } from "effect"
import { encodeMessage } from "../../../domain/wire/ProtoWriter.ts"
import { claimedHeight, type NodeView } from "./NodeView.ts"
import { grpcText } from "./QueryFailure.ts"
import { runQuery, servedPaths } from "./QueryRouter.ts"
import { GARBAGE, padding, slowness } from "./WireFaults.ts"

/** Metadata of the height to read, and of the height that was read. */
const HEIGHT = "x-cosmos-block-height"

/** Longest request, as `pocketd init` writes it. */
const MAX_REQUEST_BYTES = 100_000_000

/** Takes connections until the scope ends. */
export const makeGrpcServer = (
  view: NodeView,
  run: (effect: Effect.Effect<void>) => void
): Effect.Effect<{ readonly take: (socket: Socket) => void }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const server = new Server({
        "grpc.max_receive_message_length": MAX_REQUEST_BYTES,
        "grpc.max_send_message_length": -1
      })
      const serialize = (bytes: Uint8Array) => Buffer.from(bytes)
      for (const path of servedPaths) {
        server.register(
          path,
          (call: ServerUnaryCall<Uint8Array, Uint8Array>, callback: sendUnaryData<Uint8Array>) =>
            run(
              Effect.andThen(
                slowness(view.wireFaults()),
                Effect.sync(() => answer(view, path, call, callback))
              )
            ),
          serialize,
          (bytes: Buffer): Uint8Array => bytes,
          "unary"
        )
      }
      const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
      return { take: (socket: Socket) => injector.injectConnection(socket), server, injector }
    }),
    ({ injector, server }) =>
      Effect.sync(() => {
        injector.destroy()
        server.forceShutdown()
      })
  )

const answer = (
  view: NodeView,
  path: string,
  call: ServerUnaryCall<Uint8Array, Uint8Array>,
  callback: sendUnaryData<Uint8Array>
): void => {
  const asked = call.metadata.get(HEIGHT)[0]?.toString() ?? "0"
  if (!/^-?[0-9]{1,19}$/.test(asked)) {
    const details = `Baseapp.RegisterGRPCServer: invalid height header "${HEIGHT}": strconv.ParseInt: parsing "${asked}": invalid syntax: invalid request`
    callback({ code: status.UNKNOWN, details: `codespace sdk code 18: ${details}` })
    return
  }
  const outcome = runQuery(view, path, call.request, BigInt(asked))
  if (outcome._tag === "Lost") {
    callback({ code: status.UNAVAILABLE, details: "transport is closing" })
    return
  }
  const { garbage, oversizedBytes } = view.wireFaults()
  const headers = new Metadata()
  if (outcome.height > 0n) {
    headers.set(HEIGHT, claimedHeight(view, outcome.height).toString())
    call.sendMetadata(headers)
  }
  if (outcome._tag === "Failed") callback({ code: outcome.failure.status, details: grpcText(outcome.failure) })
  else callback(null, garbage ? GARBAGE : padded(outcome.bytes, oversizedBytes))
}

/** Wire type of a field of bytes. */
const LENGTH_DELIMITED = 2
const NOTHING = new Uint8Array(0)

/** The message with an unknown field 2047 of so many bytes. */
const padded = (bytes: Uint8Array, size: number): Uint8Array => {
  if (size <= 0) return bytes
  const field = encodeMessage((writer) => writer.uint(2047, size), undefined)
  // Tag and length of a field of bytes: the tag differs from that of a number in its wire type.
  const head = Uint8Array.of((field[0] ?? 0) | LENGTH_DELIMITED, ...field.slice(1))
  return padding(Buffer.concat([bytes, head]), 0, size, NOTHING)
}
