/**
 * The two ends of the relayer's benchmark in processes of their own, so that their CPU does not count: a backend, and a
 * gateway that sends signed requests over keep-alive connections. Spoken to over the channel of `fork`.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Pool } from "undici"

/** What the benchmark asks of a peer. */
export type PeerCommand =
  | { readonly do: "backend" }
  | { readonly do: "requests"; readonly bodies: ReadonlyArray<Uint8Array> }
  | { readonly do: "load"; readonly port: number; readonly count: number; readonly connections: number }

/** What a peer answers: the backend's port, or how many answers did not have status 200 and this length at least. */
export type PeerReply = { readonly port: number } | { readonly bad: number }

/** Answers of the backend, as long as a usual JSON-RPC answer. */
export const BACKEND_BODY = `{"jsonrpc":"2.0","id":1,"result":"0x${"ab".repeat(32)}"}`

const serveBackend = (reply: (reply: PeerReply) => void) => {
  const server = createServer((request, response) => {
    request.resume()
    request.on("end", () =>
      response
        .writeHead(200, { "content-type": "application/json", "content-length": BACKEND_BODY.length })
        .end(BACKEND_BODY)
    )
  })
  server.keepAliveTimeout = 120_000
  server.listen(0, "127.0.0.1", () => reply({ port: (server.address() as AddressInfo).port })) // TCP: never a path
}

let bodies: ReadonlyArray<Uint8Array> = []
/** Number of the next request, by port: each relayer gets its requests in one sequence over all rounds. */
const next = new Map<number, number>()

/** Sends `count` requests, `connections` at a time, the bodies in turn. */
const load = async (port: number, count: number, connections: number): Promise<number> => {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections })
  let left = count
  let bad = 0
  const headers = { "content-type": "application/json", "rpc-type": "3" }
  const send = async () => {
    while (left > 0) {
      left--
      const index = next.get(port) ?? 0
      next.set(port, index + 1)
      const body = bodies[index % bodies.length]
      const answer = await pool.request({ path: "/", method: "POST", headers, ...(body && { body }) })
      const { byteLength } = await answer.body.bytes()
      // A refusal is shorter than an answer of the backend.
      if (answer.statusCode !== 200 || byteLength < 400) bad++
    }
  }
  await Promise.all(Array.from({ length: connections }, send))
  await pool.close()
  return bad
}

if (process.send !== undefined && import.meta.main) {
  const reply = (message: PeerReply) => void process.send?.(message)
  process.on("message", (command: PeerCommand) => {
    switch (command.do) {
      case "backend":
        return serveBackend(reply)
      case "requests":
        bodies = command.bodies.map((body) => Uint8Array.from(body))
        return reply({ bad: 0 })
      case "load":
        return void load(command.port, command.count, command.connections).then((bad) => reply({ bad }))
    }
  })
  process.on("disconnect", () => process.exit(0))
}
