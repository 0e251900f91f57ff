/** One gRPC endpoint over a real socket: what its answers and its failures mean. */
import { assert, describe, it } from "@effect/vitest"
import { status } from "@grpc/grpc-js"
import { Effect, Fiber, Result, Schedule } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { createServer as createHttp2Server } from "node:http2"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { grpcName, makeGrpcTransport } from "../../../adapters/chain/GrpcTransport.ts"
import type { QueryTransport } from "../../../adapters/chain/QueryTransport.ts"
import { makeGrpcNode } from "./GrpcNode.ts"

const PATH = "/pocket.shared.Query/Params"
const REQUEST = Uint8Array.of(8, 7)

const connect = (port: number) => makeGrpcTransport({ host: "127.0.0.1", port, isInsecure: true })

const failureOf = (transport: QueryTransport) =>
  Effect.map(Effect.result(transport.unary(PATH, REQUEST)), (result) =>
    Result.isFailure(result) ? result.failure : undefined
  )

/** A TCP server of a test's own. */
const listen = (onSocket: (socket: Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(
        () =>
          new Promise<ReturnType<typeof createServer>>((resolve) => {
            const server = createServer((socket) => {
              socket.on("error", () => {})
              onSocket(socket)
            })
            server.listen(0, "127.0.0.1", () => resolve(server))
          })
      ),
      (server) => Effect.sync(() => server.close())
    ),
    portOf
  )

const portOf = (server: { address: () => unknown }): number => {
  const address = server.address()
  assert.isTrue(typeof address === "object" && address !== null && "port" in address)
  return (address as { port: number }).port
}

const poll = (condition: () => boolean) =>
  Effect.promise(async () => {
    const until = performance.now() + 5_000
    while (!condition() && performance.now() < until) await new Promise(setImmediate)
    assert.isTrue(condition())
  })

describe("GrpcTransport", () => {
  it.live("carries bytes and heights unchanged", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const transport = yield* connect(node.port)
      const bytes = Uint8Array.from({ length: 6 << 20 }, (_, index) => index % 251)
      node.answer = () => ({ bytes, height: 42n })
      assert.deepStrictEqual(yield* transport.unary(PATH, REQUEST, 41n), { bytes, height: 42n })
      node.answer = () => ({ bytes: new Uint8Array(0) })
      assert.deepStrictEqual(yield* transport.unary(PATH, REQUEST), { bytes: new Uint8Array(0), height: undefined })
      assert.deepStrictEqual(node.calls, [
        { path: PATH, request: REQUEST, height: "41" },
        { path: PATH, request: REQUEST, height: undefined }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("keeps what is not there apart from every failure", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const transport = yield* connect(node.port)
      const cases = [
        [status.NOT_FOUND, "RecordNotFound", undefined],
        [status.INVALID_ARGUMENT, "ArgumentRefused", undefined],
        [status.UNKNOWN, "EndpointFailed", "internal"],
        [status.INTERNAL, "EndpointFailed", "internal"],
        [status.FAILED_PRECONDITION, "EndpointFailed", "internal"],
        [status.UNIMPLEMENTED, "EndpointFailed", "unimplemented"],
        [status.UNAVAILABLE, "EndpointFailed", "transport"],
        [status.CANCELLED, "EndpointFailed", "transport"],
        [status.PERMISSION_DENIED, "EndpointFailed", "transport"],
        [status.UNAUTHENTICATED, "EndpointFailed", "transport"],
        [status.DEADLINE_EXCEEDED, "EndpointFailed", "deadline"],
        [status.RESOURCE_EXHAUSTED, "EndpointFailed", "overloaded"]
      ] as const
      for (const [code, tag, kind] of cases) {
        node.answer = () => ({ code, details: "not found" })
        const failure = yield* failureOf(transport)
        assert.deepInclude(failure, { _tag: tag, ...(kind && { kind }) }, `code ${code}`)
        if (failure?._tag === "EndpointFailed") {
          assert.strictEqual(failure.endpoint, `127.0.0.1:${node.port}`)
          assert.include(failure.detail, "not found")
        }
      }
    }).pipe(Effect.scoped)
  )

  it.live("says that a method is not known there, and that an answer is too long", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const transport = yield* connect(node.port)
      const unknown = yield* Effect.flip(transport.unary("/pocket.shared.Query/Nothing", REQUEST))
      assert.deepInclude(unknown, { _tag: "EndpointFailed", kind: "unimplemented" })
      node.answer = () => ({ bytes: new Uint8Array(65 << 20) })
      assert.deepInclude(yield* failureOf(transport), { _tag: "EndpointFailed", kind: "overloaded" })
    }).pipe(Effect.scoped)
  )

  it.live("tells the server when a call is given up", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const transport = yield* connect(node.port)
      node.answer = () => "silence"
      const call = yield* Effect.forkChild(transport.unary(PATH, REQUEST))
      yield* poll(() => node.calls.length === 1)
      yield* Fiber.interrupt(call)
      yield* poll(() => node.cancelled() === 1)
    }).pipe(Effect.scoped)
  )

  it.live("survives connections that the server ends", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const transport = yield* connect(node.port)
      node.answer = () => "silence"
      const call = yield* Effect.forkChild(Effect.flip(transport.unary(PATH, REQUEST)))
      yield* poll(() => node.calls.length === 1)
      node.drop()
      assert.deepInclude(yield* Fiber.join(call), { _tag: "EndpointFailed", kind: "transport" })
      node.answer = () => ({ bytes: REQUEST })
      assert.deepStrictEqual((yield* transport.unary(PATH, REQUEST)).bytes, REQUEST)
    }).pipe(Effect.scoped)
  )

  it.live("fails at once where nobody listens, and answers once somebody does", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(listen(() => {}))
      const transport = yield* connect(port)
      assert.deepInclude(yield* failureOf(transport), { _tag: "EndpointFailed", kind: "transport" })
      const node = yield* makeGrpcNode(undefined, port)
      node.answer = () => ({ bytes: REQUEST })
      const answer = yield* Effect.retry(
        transport.unary(PATH, REQUEST),
        Schedule.spaced("10 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))
      )
      assert.deepStrictEqual(answer.bytes, REQUEST)
    }).pipe(Effect.scoped)
  )

  it.live("connects anew after calls that got no answer", () =>
    Effect.gen(function* () {
      const sockets: Array<Socket> = []
      const port = yield* listen((socket) => sockets.push(socket.resume()))
      const transport = yield* connect(port)
      for (let i = 0; i < 4; i++) {
        const call = yield* Effect.forkChild(Effect.ignore(transport.unary(PATH, REQUEST)), { startImmediately: true })
        yield* poll(() => sockets.length === (i < 3 ? 1 : 2))
        yield* Fiber.interrupt(call)
      }
      for (const socket of sockets) socket.destroy()
    }).pipe(Effect.scoped)
  )

  it.live("takes garbage and other servers for a broken endpoint", () =>
    Effect.gen(function* () {
      const garbage = yield* listen((socket) => socket.end(Buffer.alloc(300, 0xa5)))
      assert.deepInclude(yield* failureOf(yield* connect(garbage)), { _tag: "EndpointFailed", kind: "transport" })
      for (const [httpStatus, kind] of [
        [404, "unimplemented"],
        [502, "transport"],
        [400, "transport"],
        [500, "transport"]
      ] as const) {
        const proxy = yield* Effect.acquireRelease(
          Effect.promise(
            () =>
              new Promise<ReturnType<typeof createHttp2Server>>((resolve) => {
                const server = createHttp2Server((_, response) => {
                  response.writeHead(httpStatus, { "content-type": "text/html" })
                  response.end("<html>")
                })
                server.listen(0, "127.0.0.1", () => resolve(server))
              })
          ),
          (server) => Effect.sync(() => server.close())
        )
        const failure = yield* failureOf(yield* connect(portOf(proxy)))
        assert.deepInclude(failure, { _tag: "EndpointFailed", kind }, `HTTP ${httpStatus}`)
      }
    }).pipe(Effect.scoped)
  )

  it.live("trusts a server over TLS only by the authorities it was given", () =>
    Effect.gen(function* () {
      const tls = yield* selfSigned
      const node = yield* makeGrpcNode(tls)
      node.answer = () => ({ bytes: REQUEST })
      const address = { host: "localhost", port: node.port, isInsecure: false }
      const trusting = yield* makeGrpcTransport({ ...address, authorities: tls.certificate })
      assert.deepStrictEqual((yield* trusting.unary(PATH, REQUEST)).bytes, REQUEST)
      const distrusting = yield* makeGrpcTransport(address)
      assert.deepInclude(yield* failureOf(distrusting), { _tag: "EndpointFailed", kind: "transport" })
      const plain = yield* connect(node.port)
      assert.deepInclude(yield* failureOf(plain), { _tag: "EndpointFailed", kind: "transport" })
      assert.strictEqual(node.calls.length, 1)
    }).pipe(Effect.scoped)
  )

  it("names endpoints by host and port", () => {
    assert.strictEqual(grpcName({ host: "node.example", port: 443 }), "node.example:443")
    assert.strictEqual(grpcName({ host: "::1", port: 9090 }), "[::1]:9090")
  })
})

/** A key and its certificate for localhost, in PEM. */
const selfSigned = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-grpc-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => {
    const [key, certificate] = [join(directory, "key.pem"), join(directory, "cert.pem")]
    execFileSync(
      "openssl",
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${certificate}`.split(
        " "
      ),
      { stdio: "ignore" }
    )
    return { key: readFileSync(key), certificate: readFileSync(certificate) }
  }
)
