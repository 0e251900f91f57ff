/** A session's record and its events, between what Redis keeps and what the port hands out. */
import { Option, Result, Schema } from "effect"
import type { SessionCommit, StoredSession } from "../../domain/ports/SupplierStore.ts"
import type { SessionId } from "../../domain/protocol/Identifiers.ts"
import { type SessionEvent, SessionEventJson } from "../../domain/session/SessionEvent.ts"
import { DIGEST_SIZE, emptyDigest } from "../../domain/smst/TrieSpec.ts"
import { bytesOf, integerOf, textOf, utf8Of } from "./StoreReplies.ts"

const decodeEvent = Schema.decodeUnknownResult(SessionEventJson)
const encodeEvent = Schema.encodeSync(SessionEventJson)

/** JSON of one event, as `M:log` keeps it. */
export const eventText = (event: SessionEvent): string => encodeEvent(event)

/** An event from its JSON. Fields of later versions are passed over; the failure says what is wrong. */
export const eventFrom = (text: string): Result.Result<SessionEvent, string> =>
  Result.mapError(decodeEvent(text), (error) => error.message.split("\n", 1)[0] ?? "")

/** Fields of the record that events tell: for people, and for projections. */
export const recordFields = (events: ReadonlyArray<SessionEvent>): ReadonlyArray<readonly [string, string]> =>
  events.flatMap((event): ReadonlyArray<readonly [string, string]> => {
    if (event._tag !== "SessionOpened") return [["last", event._tag]]
    return [
      ["service", event.service],
      ["application", event.application],
      ["start", event.startHeight.toString()],
      ["end", event.endHeight.toString()]
    ]
  })

/** Root of the commit's seal, if it seals. */
export const sealedRootOf = (commit: SessionCommit): Uint8Array | undefined => {
  const seal = commit.events.findLast((event) => event._tag === "SessionSealed")
  return seal?._tag === "SessionSealed" ? seal.root : undefined
}

/** What was read of a session in one step. */
export interface SessionParts {
  /** Fields of the record; empty when there is none. */
  readonly record: ReadonlyMap<string, unknown>
  readonly log: ReadonlyArray<unknown>
  readonly tail: ReadonlyArray<unknown>
  /** Undefined when there is none. */
  readonly liveRoot: Uint8Array | undefined
}

/** Which part is wrong, and how. */
export interface Damage {
  readonly part: "record" | "log"
  readonly reason: string
}

/**
 * The stored session; none when nothing is stored. Lists are longer than the record says when a commit was cut short:
 * what is beyond does not count. A live root of the wrong length is none, so that the trie is built from its leaves.
 */
export const storedSession = (
  session: SessionId,
  parts: SessionParts
): Result.Result<Option.Option<StoredSession>, Damage> => {
  const liveRoot = parts.liveRoot?.length === DIGEST_SIZE ? Option.some(parts.liveRoot) : Option.none<Uint8Array>()
  if (parts.record.size === 0 || !parts.record.has("version")) {
    return Result.succeed(Option.map(liveRoot, (root) => goSession(session, root)))
  }
  const number = (name: string) => readCount(parts.record.get(name))
  const [version, events, count, sum] = [number("version"), number("events"), number("count"), number("sum")]
  const root = bytesOf(parts.record.get("root"))
  if (version === undefined || events === undefined || count === undefined || sum === undefined) {
    return Result.fail({ part: "record", reason: "version, events, count or sum is no number" })
  }
  if (root?.length !== DIGEST_SIZE) return Result.fail({ part: "record", reason: "root is not 48 bytes" })
  if (parts.log.length < events) {
    return Result.fail({ part: "log", reason: `${parts.log.length} events of ${events}` })
  }
  const decoded: Array<SessionEvent> = []
  for (const [index, text] of parts.log.slice(0, Number(events)).entries()) {
    const event = eventFrom(utf8Of(text))
    if (Result.isFailure(event)) return Result.fail({ part: "log", reason: `event ${index}: ${event.failure}` })
    decoded.push(event.success)
  }
  const tail = parts.tail.slice(0, integerOf(parts.record.get("tail"))).flatMap((digest) => {
    const bytes = bytesOf(digest)
    return bytes?.length === DIGEST_SIZE ? [bytes] : []
  })
  return Result.succeed(
    Option.some({ session, version: Number(version), events: decoded, liveRoot, tail, root, count, sum })
  )
}

/**
 * A trie that a Go miner has begun and of which nothing of ours is stored. Its totals are left out: leaves may have been
 * stored after its last checkpoint, so that it has to be built again from all of them, which is what a root that does not
 * fit leads to.
 */
const goSession = (session: SessionId, liveRoot: Uint8Array): StoredSession => ({
  session,
  version: 0,
  events: [],
  liveRoot: Option.some(liveRoot),
  tail: [],
  root: emptyDigest(),
  count: 0n,
  sum: 0n
})

const readCount = (reply: unknown): bigint | undefined => {
  const text = textOf(reply)
  return /^\d{1,20}$/.test(text) ? BigInt(text) : undefined
}
