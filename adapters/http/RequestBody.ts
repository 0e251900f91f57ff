/**
 * Reads requests' bodies whole, up to a limit for each and for all together, without copying one that came in one piece.
 */
import type { IncomingMessage, ServerResponse } from "node:http"

/** Bytes read and thrown away after a refusal, so that the peer can finish sending and read the answer. */
const DISCARD_LIMIT = 67_108_864

/** Memory for the bodies of all requests at work. */
export interface BodyRoom {
  /** Bytes held now. */
  used: number
  /** Bytes, inclusive. */
  readonly limit: number
}

/** Why a body was not read. */
export type BodyProblem = "too_large" | "no_room"

/** Whether the request's own headers say that its body is larger than `limit` bytes. */
export const isDeclaredLarger = (request: IncomingMessage, limit: number): boolean =>
  Number(request.headers["content-length"] ?? 0) > limit

/**
 * Calls `done` once with the body, or with why it was not read; not at all when the peer goes away before. Its bytes
 * count in `room` until the request's response is closed. What remains of a refused body is thrown away: its end is where
 * the connection's next request starts.
 */
export const readBody = (
  request: IncomingMessage,
  response: ServerResponse,
  limit: number,
  room: BodyRoom,
  done: (body: Uint8Array | BodyProblem) => void
): void => {
  if (isDeclaredLarger(request, limit)) {
    discard(request)
    return done("too_large")
  }
  const chunks: Array<Buffer> = []
  let length = 0
  response.once("close", () => void (room.used -= length))
  const stop = () => {
    request.off("data", onData)
    request.off("end", onEnd)
  }
  const refuse = (problem: BodyProblem) => {
    stop()
    chunks.length = 0
    discard(request)
    done(problem)
  }
  const onData = (chunk: Buffer) => {
    length += chunk.length
    room.used += chunk.length
    if (length > limit) return refuse("too_large")
    if (room.used > room.limit) return refuse("no_room")
    chunks.push(chunk)
  }
  const onEnd = () => {
    stop()
    const [only] = chunks
    done(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, length))
  }
  request.on("data", onData)
  request.on("end", onEnd)
}

const discard = (request: IncomingMessage): void => {
  let left = DISCARD_LIMIT
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) request.destroy()
  })
}
