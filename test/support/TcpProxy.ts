/** A TCP proxy that loses what a test tells it to lose: requests, replies, everything after some bytes. */
import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

/** What happens to bytes from the client. `loseReply` forwards them and cuts the connection instead of the answer. */
export type Verdict = "forward" | "cut" | "loseReply" | { readonly cutAfterBytes: number }

/** A proxy in front of one server. */
export interface TcpProxy {
  readonly port: number
  /** Judges each piece that a client sends, until it is replaced. */
  judge: (piece: Buffer) => Verdict
}

/** Forwards a port of its own to `target` on the loopback interface until the scope ends. */
export const tcpProxy = (target: number): Effect.Effect<TcpProxy, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly proxy: TcpProxy; readonly close: () => void }>((resume) => {
      const open = new Set<Socket>()
      const server = createServer((client) => {
        const upstream = connect(target, "127.0.0.1")
        let isMuted = false
        let isCut = false
        const end = () => {
          client.destroy()
          upstream.destroy()
        }
        for (const socket of [client, upstream]) {
          open.add(socket)
          socket.on("error", end)
          socket.on("close", () => {
            open.delete(socket)
            end()
          })
        }
        client.on("data", (piece) => {
          if (isCut) return
          const verdict = proxy.judge(piece)
          if (verdict === "cut") return end()
          if (typeof verdict === "object") {
            // The server must have all of it before the connection ends.
            upstream.write(piece.subarray(0, verdict.cutAfterBytes), () => setTimeout(end, 30))
            isMuted = true
            isCut = true
            return
          }
          if (verdict === "loseReply") isMuted = true
          upstream.write(piece)
        })
        upstream.on("data", (piece) => {
          if (isMuted) client.destroy()
          else client.write(piece)
        })
      })
      const proxy: TcpProxy = { port: 0, judge: () => "forward" }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        Object.assign(proxy, { port: typeof address === "object" && address !== null ? address.port : 0 })
        const close = () => {
          server.close()
          for (const socket of open) socket.destroy()
        }
        resume(Effect.succeed({ proxy, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ proxy }) => proxy))
