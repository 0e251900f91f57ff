/** One HTTP request to one backend through an undici pool: whole answer, bounded, cancelled by interruption. */
import { promisify } from "node:util"
import { gunzip } from "node:zlib"
import { Effect, Schema } from "effect"
import { type Dispatcher, errors, type Pool } from "undici"
import { type BackendAnswer, type HeaderLine, isGzip } from "../../domain/relay/BackendAnswer.ts"
import type { Deadline } from "../../domain/lifecycle/Deadlines.ts"
import type { Roster } from "../../domain/lifecycle/Roster.ts"
import type { AnswerTurns } from "./AnswerTurns.ts"
import type { SendTurns } from "./SendTurns.ts"

/** Why one exchange failed. `invalid`: HTTP cannot carry this request; nothing was sent and the backend is not to blame. */
export class ExchangeFailed extends Schema.TaggedError<ExchangeFailed>()("ExchangeFailed", {
  reason: Schema.Literals(["invalid", "unreachable", "too_large", "timeout"]),
  cause: Schema.Defect()
}) {}

/** The request as it is sent: `path` with its query, `headers` complete, `body` not compressed here. */
export interface ExchangeRequest {
  readonly method: string
  readonly path: string
  /** Name and value, alternating. */
  readonly headers: Array<string>
  readonly body: Uint8Array
}

/** What bounds one exchange. */
export interface ExchangeBounds {
  /** Largest answer, inclusive. */
  readonly maxBytes: number
  /** Milliseconds of the monotonic clock. */
  readonly deadline: number
  readonly deadlines: Roster<Deadline>
  readonly answers: AnswerTurns
  readonly sends: SendTurns
  /** Called when the caller leaves before the end. */
  readonly onGivenUp: () => void
}

/** Sends and reads the whole answer, within its bounds; gzip that was not asked for is undone. */
export const exchange = (
  pool: Pool,
  request: ExchangeRequest,
  { answers, deadline, deadlines, maxBytes, onGivenUp, sends }: ExchangeBounds
): Effect.Effect<BackendAnswer, ExchangeFailed> =>
  Effect.callback<BackendAnswer, ExchangeFailed>((resume) => {
    let running: Dispatcher.DispatchController | undefined
    let cancelled = false
    /** Why it was aborted from here. */
    let aborted: "too_large" | undefined
    let status = 0
    let rawHeaders: ReadonlyArray<HeaderLine> = []
    const chunks: Array<Buffer> = []
    let length = 0
    const refuseSize = (controller: Dispatcher.DispatchController) => {
      aborted = "too_large"
      controller.abort(new Error("the answer is too large"))
    }
    const cancel = () => {
      cancelled = true
      running?.abort(new Error("the relay was given up"))
    }
    const watched: Deadline = {
      place: -1,
      at: deadline,
      expire: () => {
        // At once: a connection that is still being made cannot be aborted.
        resume(Effect.fail(new ExchangeFailed({ reason: "timeout", cause: new Error("no answer in time") })))
        cancel()
      }
    }
    deadlines.add(watched)
    const send = () => {
      if (cancelled) return
      pool.dispatch(
        {
          method: request.method, // any token is a method; undici refuses what is none
          path: request.path,
          headers: request.headers,
          body: request.body.length === 0 ? null : request.body
        },
        {
          onRequestStart: (controller) => {
            running = controller
            if (cancelled) controller.abort(new Error("the relay was given up"))
          },
          // Also called for informational answers, which the final one replaces.
          onResponseStart: (controller, statusCode, headers) => {
            status = statusCode
            rawHeaders = headerLines(controller.rawHeaders)
            if (request.method !== "HEAD" && Number(headers["content-length"] ?? 0) > maxBytes) refuseSize(controller)
          },
          onResponseData: (controller, chunk) => {
            length += chunk.length
            if (length > maxBytes) refuseSize(controller)
            else chunks.push(chunk)
          },
          onResponseEnd: () => {
            deadlines.delete(watched)
            const [only] = chunks
            const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, length)
            const answer = { status, rawHeaders, body, gunzipped: false }
            running = undefined
            answers(() =>
              resume(
                isGzip(rawHeaders)
                  ? Effect.onInterrupt(gunzipped(answer, maxBytes), () => Effect.sync(onGivenUp))
                  : Effect.succeed(answer)
              )
            )
          },
          onResponseError: (_, cause) => {
            deadlines.delete(watched)
            const reason = aborted ?? reasonOf(cause)
            resume(Effect.fail(new ExchangeFailed({ reason, cause })))
          }
        }
      )
    }
    sends(send)
    return Effect.sync(() => {
      deadlines.delete(watched)
      cancel()
      onGivenUp()
    })
  })

const reasonOf = (cause: Error): ExchangeFailed["reason"] => {
  if (cause instanceof errors.HeadersTimeoutError) return "timeout"
  return isInvalid(cause) ? "invalid" : "unreachable"
}

/** undici names arguments that it refuses before it sends anything. */
const isInvalid = (cause: Error): boolean =>
  cause instanceof errors.InvalidArgumentError || cause instanceof errors.NotSupportedError

/** Header lines as received; undici hands HTTP/1.1 headers over as name, value, name, value. */
const headerLines = (raw: Dispatcher.DispatchController["rawHeaders"]): ReadonlyArray<HeaderLine> => {
  const lines: Array<HeaderLine> = []
  if (Array.isArray(raw)) {
    for (let i = 0; i + 1 < raw.length; i += 2) lines.push([latin1(raw[i]), latin1(raw[i + 1])])
  } else {
    for (const [name, values] of Object.entries(raw ?? {})) {
      for (const value of Array.isArray(values) ? values : [values ?? ""]) lines.push([name, value])
    }
  }
  return lines
}

const latin1 = (value: Buffer | string | undefined): string =>
  typeof value === "string" ? value : (value?.toString("latin1") ?? "")

const gunzipAsync = promisify(gunzip)

/** A body that is no gzip after all is kept as it came; one that would grow beyond the limit is too large. */
const gunzipped = (answer: BackendAnswer, maxBytes: number): Effect.Effect<BackendAnswer, ExchangeFailed> =>
  Effect.tryPromise({
    try: () => gunzipAsync(answer.body, { maxOutputLength: maxBytes }),
    catch: (cause) => new ExchangeFailed({ reason: "too_large", cause })
  }).pipe(
    Effect.map((body) => ({ ...answer, body, gunzipped: true })),
    Effect.catchIf(
      ({ cause }) => !(cause instanceof RangeError),
      () => Effect.succeed(answer)
    )
  )
