/** Reads a request's body whole, up to a limit, without copying it when it came in one piece. */
import type { IncomingMessage } from "node:http"
import type { Option } from "effect"
import { Effect } from "effect"

/** The body; none when it is larger than `limit` bytes. The rest of such a body is not read. */
export const readBody = (request: IncomingMessage, limit: number): Effect.Effect<Option.Option<Uint8Array>> =>
  Effect.callback<Option.Option<Uint8Array>>((resume) => {
    if (Number(request.headers["content-length"] ?? 0) > limit) return resume(Effect.succeedNone)
    const chunks: Array<Buffer> = []
    let length = 0
    const onData = (chunk: Buffer) => {
      length += chunk.length
      if (length > limit) {
        stop()
        request.pause()
        resume(Effect.succeedNone)
        return
      }
      chunks.push(chunk)
    }
    const onEnd = () => {
      stop()
      const [only] = chunks
      resume(Effect.succeedSome(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, length)))
    }
    // The peer went away: the response's `close` interrupts the fiber that waits here.
    const stop = () => {
      request.off("data", onData)
      request.off("end", onEnd)
    }
    request.on("data", onData)
    request.on("end", onEnd)
    return Effect.sync(stop)
  })
