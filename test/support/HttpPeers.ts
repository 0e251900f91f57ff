/** Real HTTP peers of tests: backends that do as they are told, and raw connections that no client library tidies up. */
import { createServer, type IncomingMessage, type RequestListener } from "node:http"
import { connect, createServer as createTcpServer, type Socket } from "node:net"
import { Effect } from "effect"

/** A backend on a free port until the scope ends. */
export const httpBackend = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer(listener)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** A backend that speaks bytes: `talk` gets each connection. */
export const tcpBackend = (talk: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const open = new Set<Socket>()
      const server = createTcpServer((socket) => {
        open.add(socket)
        socket.on("error", () => {})
        talk(socket)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          for (const socket of open) socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** The whole body of a request. */
export const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer) // no encoding is set
  return Buffer.concat(chunks)
}

/** One HTTP/1.1 answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** A connection that sends what it is given and reads answers one after the other. */
export class RawConnection {
  readonly socket: Socket
  /** Why the connection ended, if it did. */
  ended: "end" | "reset" | undefined
  #received = Buffer.alloc(0)
  #wake: () => void = () => {}

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1" })
    this.socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    this.socket.on("end", () => this.#end("end"))
    this.socket.on("error", () => this.#end("reset"))
    this.socket.on("close", () => this.#end("end"))
  }

  #end(how: "end" | "reset"): void {
    this.ended ??= how
    this.#wake()
  }

  /** Sends bytes or text. */
  send(...parts: ReadonlyArray<string | Uint8Array>): void {
    for (const part of parts) this.socket.write(part)
  }

  /** The next answer; fails when the connection ends before it is whole. */
  async read(): Promise<RawAnswer> {
    for (;;) {
      const answer = this.#parse()
      if (answer !== undefined) return answer
      if (this.ended !== undefined) throw new Error(`connection ended (${this.ended}) before an answer`)
      await this.#more()
    }
  }

  /** Waits until the other side has ended the connection. */
  async untilEnded(): Promise<"end" | "reset"> {
    while (this.ended === undefined) await this.#more()
    return this.ended
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #parse(): RawAnswer | undefined {
    const end = this.#received.indexOf("\r\n\r\n")
    if (end < 0) return undefined
    const [first = "", ...lines] = this.#received.subarray(0, end).toString("latin1").split("\r\n")
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])
    )
    const status = Number(first.split(" ")[1])
    const length = Number(headers["content-length"] ?? 0)
    const start = end + 4
    if (this.#received.length < start + length) return undefined
    const body = this.#received.subarray(start, start + length)
    this.#received = this.#received.subarray(start + length)
    return { status, headers, body }
  }
}

/** A raw connection until the scope ends. */
export const rawConnection = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new RawConnection(port)),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )
