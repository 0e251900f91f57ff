/** A listening socket whose connections can be cut, refused, and closed for a while. */
import { createServer, type Server, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { CannotListen } from "../../../domain/lifecycle/CannotListen.ts"

/** Connections open at a node at the same time, as CometBFT's `rpc.max_open_connections`. */
const MAX_CONNECTIONS = 900

/** A port and its connections. */
export interface Listener {
  readonly port: number
  /** Cuts every open connection. */
  readonly cut: () => void
  /** Cuts every connection and listens no more. */
  readonly close: Effect.Effect<void>
  /** Listens again on the same port. */
  readonly open: Effect.Effect<void, CannotListen>
}

/** Listens until the scope ends. `refuses`: connections are cut as they come. `take` gets the others. */
export const makeListener = (options: {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly refuses: () => boolean
  readonly take: (socket: Socket) => void
}): Effect.Effect<Listener, CannotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const cut = () => {
      for (const socket of sockets) socket.destroy()
      sockets.clear()
    }
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on("error", () => socket.destroy())
      if (options.refuses() || sockets.size >= MAX_CONNECTIONS) {
        socket.destroy()
        return
      }
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
      options.take(socket)
    })
    const close = Effect.callback<void>((resume) => {
      cut()
      if (server.listening) server.close(() => resume(Effect.void))
      else resume(Effect.void)
    })
    yield* Effect.acquireRelease(listen(server, options.host, options.port), () => close)
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : options.port
    return {
      port,
      cut,
      close,
      open: Effect.suspend(() => (server.listening ? Effect.void : listen(server, options.host, port)))
    }
  })

const listen = (server: Server, host: string, port: number): Effect.Effect<void, CannotListen> =>
  Effect.callback<void, CannotListen>((resume) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new CannotListen({ host, port, code: error.code ?? error.message })))
    server.once("error", failed)
    server.listen(port, host, () => {
      server.off("error", failed)
      resume(Effect.void)
    })
  })
