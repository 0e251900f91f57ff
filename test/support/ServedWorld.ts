/** `ServingWorld` behind its real HTTP port. */
import { Effect, Layer } from "effect"
import { RelayServer, type RelayServerOptions } from "../../adapters/http/RelayServer.ts"
import { Pool } from "undici"
import * as World from "./ServingWorld.ts"

/** A world with a port. */
export const layer = (options: World.WorldOptions & { readonly server?: Partial<RelayServerOptions> } = {}) =>
  RelayServer.layer({ host: "127.0.0.1", port: 0, maxBodyBytes: 100_000, ...options.server }).pipe(
    Layer.provideMerge(World.layer(options))
  )

export const port = Effect.map(RelayServer, (server) => server.port)

/** A request in bytes: what a gateway that uses no library of ours might send. */
export const httpRequest = (
  body: Uint8Array,
  options: {
    readonly method?: string
    readonly path?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly chunked?: boolean
  } = {}
): Buffer => {
  const { chunked = false, headers = {}, method = "POST", path = "/" } = options
  const lines = [
    `${method} ${path} HTTP/1.1`,
    "Host: relayer",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`
  ]
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1")
  if (!chunked) return Buffer.concat([head, body])
  const parts: Array<Uint8Array> = [head]
  for (let i = 0; i < body.length; i += 100) {
    const part = body.subarray(i, i + 100)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n"))
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")])
}

/** A pool of client connections until the scope ends. */
export const clientPool = (to: number, connections: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Pool(`http://127.0.0.1:${to}`, { connections })),
    (pool) => Effect.promise(() => pool.destroy())
  )
