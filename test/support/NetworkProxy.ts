/**
 * A TCP link as a network makes it: open, slow, silent or cut. Bytes that a silent link holds arrive when it is open again,
 * in their order, as they do after a route was away for a while.
 */
import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

/** `delay` holds each piece so long in either direction; `silent` holds all; `cut` ends and refuses connections. */
export type LinkState = "open" | "silent" | "cut" | { readonly delayMillis: number }

/** A link to one server. */
export interface NetworkProxy {
  readonly port: number
  /** Takes effect at once, for connections that are open too. */
  readonly set: (state: LinkState) => Effect.Effect<void>
}

/** Forwards a port of its own to `target` on the loopback interface until the scope ends. */
export const networkProxy = (target: number): Effect.Effect<NetworkProxy, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly proxy: NetworkProxy; readonly close: () => void }>((resume) => {
      let state: LinkState = "open"
      const sockets = new Set<Socket>()
      const directions = new Set<Direction>()
      const server = createServer((client) => {
        if (state === "cut") return void client.destroy()
        const upstream = connect(target, "127.0.0.1")
        const pair = [direction(client, upstream), direction(upstream, client)]
        const end = () => {
          for (const each of [client, upstream]) {
            each.destroy()
            sockets.delete(each)
          }
          for (const each of pair) directions.delete(each)
        }
        for (const socket of [client, upstream]) sockets.add(socket.on("error", end).on("close", end))
        for (const each of pair) directions.add(each)
      })

      /** Pieces from one socket to the other, in order; each leaves at its time. */
      function direction(from: Socket, to: Socket): Direction {
        const waiting: Array<{ readonly piece: Buffer; readonly due: number }> = []
        let timer: NodeJS.Timeout | undefined
        const flush = () => {
          clearTimeout(timer)
          timer = undefined
          if (state === "silent") return
          const now = performance.now()
          while (waiting[0] !== undefined && waiting[0].due <= now) {
            const [next] = waiting.splice(0, 1)
            if (next !== undefined && !to.destroyed) to.write(next.piece)
          }
          if (waiting[0] !== undefined) timer = setTimeout(flush, Math.max(1, waiting[0].due - now))
        }
        from.on("data", (piece) => {
          const delay = typeof state === "object" ? state.delayMillis : 0
          const due = Math.max(performance.now() + delay, waiting.at(-1)?.due ?? 0)
          waiting.push({ piece, due })
          if (delay === 0 || timer === undefined) flush()
        })
        return { flush }
      }

      const set = (next: LinkState) =>
        Effect.sync(() => {
          state = next
          if (next === "cut") for (const socket of sockets) socket.destroy()
          else for (const each of directions) each.flush()
        })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ proxy: { port, set }, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ proxy }) => proxy))

interface Direction {
  readonly flush: () => void
}
