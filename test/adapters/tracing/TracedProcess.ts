/** Relayer with its HTTP port, backend and miner in this process, traced as an `OTEL_*` environment says. */
import { createServer, type IncomingHttpHeaders } from "node:http"
import { Duration, Effect, Layer, References } from "effect"
import * as BackendsHttp from "../../../adapters/http/BackendsHttp.ts"
import { RelayServer } from "../../../adapters/http/RelayServer.ts"
import * as Tracing from "../../../layers/Tracing.ts"
import * as World from "../../support/RelayingWorld.ts"

/** Sets the environment's `OTEL_*` variables to exactly these until the scope ends. */
export const withOtelEnvironment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const saved = Object.entries(process.env).filter(([name]) => name.startsWith("OTEL_"))
      for (const [name] of saved) delete process.env[name]
      Object.assign(process.env, variables)
      return saved
    }),
    (saved) =>
      Effect.sync(() => {
        for (const name of Object.keys(variables)) delete process.env[name]
        Object.assign(process.env, Object.fromEntries(saved))
      })
  )

/** Headers that the backend received, by request. */
export const backendHeaders: Array<IncomingHttpHeaders> = []

const layerBackend = Layer.unwrap(
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const started = createServer((request, response) => {
          backendHeaders.push(request.headers)
          request.resume()
          request.on("end", () =>
            response
              .writeHead(200, { "content-type": "application/json" })
              .end(`{"jsonrpc":"2.0","id":1,"result":"0x1"}`)
          )
        })
        started.listen(0, "127.0.0.1", () => resume(Effect.succeed(started)))
      }),
      (started) =>
        Effect.sync(() => {
          started.closeAllConnections()
          started.close()
        })
    ),
    (server) => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      return BackendsHttp.layer([
        {
          service: World.SERVICE,
          rpcType: "jsonrpc",
          endpoints: [
            { url: new URL(`http://127.0.0.1:${port}/`), basePath: undefined, headers: {}, authorization: undefined }
          ],
          loadBalancing: "round_robin",
          timeout: Duration.seconds(5),
          connectTimeout: Duration.seconds(2),
          headersTimeout: Duration.zero,
          keepAliveDelay: Duration.seconds(30),
          maxConnections: 8,
          idleTimeout: Duration.seconds(30),
          maxAnswerBytes: 1_048_576,
          maxRetries: 0,
          failureThreshold: 3,
          recovery: Duration.seconds(5)
        }
      ])
    }
  )
)

/** The whole process. Tracing is the outermost layer, as in every process of the product. */
export const layerProcess = RelayServer.layer({ host: "127.0.0.1", port: 0, maxBodyBytes: 1_048_576 }).pipe(
  Layer.provideMerge(World.layerReplica),
  Layer.provideMerge(Layer.mergeAll(layerBackend, World.layerChain)),
  Layer.provideMerge(Layer.suspend(() => Tracing.layer())),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Warn"))
)

/** Sends one relay over HTTP and returns the outer status. */
export const sendRelay = Effect.fnUntraced(function* (salt: string, headers: Readonly<Record<string, string>> = {}) {
  const server = yield* RelayServer
  const body = World.requestBytes(yield* World.currentSession, salt)
  return yield* Effect.promise(async (signal) => {
    const response = await fetch(`http://127.0.0.1:${server.port}/v1?key=secret`, {
      method: "POST",
      headers: { "content-type": "application/json", "rpc-type": "3", ...headers },
      body: Uint8Array.from(body),
      signal
    })
    await response.arrayBuffer()
    return response.status
  })
})
