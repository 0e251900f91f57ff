/** `GoSessions` from the session records of the Go fleet. On a cluster Go's miners cannot have run. */
import { Effect, Layer, Option } from "effect"
import { type ForeignSession, GoSessions } from "../../domain/ports/GoSessions.ts"
import { SessionId } from "../../domain/protocol/Identifiers.ts"
import { DIGEST_SIZE } from "../../domain/smst/TrieSpec.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { bytesOf, fieldsOf, itemsOf, unavailable, utf8Of } from "./StoreReplies.ts"

/** States of Go's sessions that have not ended (`miner/session_lifecycle.go`). */
const UNFINISHED: ReadonlySet<string> = new Set(["active", "claiming", "claimed", "proving"])

/** Over these connections. */
export const layer: Layer.Layer<GoSessions, never, RedisConnections> = Layer.effect(
  GoSessions,
  Effect.gen(function* () {
    const { commands, names } = yield* RedisConnections

    const readOne = Effect.fnUntraced(function* (supplier: string, id: string) {
      if ((yield* commands.call("exists", names.version(supplier, id))) === 1) return Option.none<ForeignSession>()
      const reply = yield* Effect.option(commands.callBytes("hgetall", names.session(supplier, id)))
      const record = fieldsOf(Option.getOrUndefined(reply))
      const text = (name: string) => utf8Of(record.get(name))
      if (Option.isSome(reply) && (record.size === 0 || !UNFINISHED.has(text("state")))) return Option.none()
      const [start, end] = [heightOf(text("session_start_height")), heightOf(text("session_end_height"))]
      if (start === undefined || end === undefined || text("service_id") === "" || text("application_address") === "") {
        yield* Effect.annotateLogs(Effect.logError("a session of a Go miner cannot be read and is passed over"), {
          supplier,
          session: id,
          key: names.session(supplier, id)
        })
        return Option.none()
      }
      const root = bytesOf(yield* commands.callBytes("get", names.trie(supplier, id, "root")))
      return Option.some({
        session: SessionId.make(id),
        service: text("service_id"),
        application: text("application_address"),
        startHeight: start,
        endHeight: end,
        sealedRoot: root?.length === DIGEST_SIZE ? Option.some(root) : Option.none()
      })
    })

    return GoSessions.of({
      unfinished: (supplier) =>
        Effect.gen(function* () {
          if (names.topology === "cluster") return []
          const ids = itemsOf(yield* commands.call("smembers", names.sessionIndex(supplier))).map(utf8Of)
          const found = yield* Effect.forEach(ids.sort(), (id) => readOne(supplier, id), { concurrency: 16 })
          return found.flatMap(Option.toArray)
        }).pipe(Effect.mapError(unavailable("sessions of Go")))
    })
  })
)

const heightOf = (text: string): bigint | undefined => (/^\d{1,19}$/.test(text) ? BigInt(text) : undefined)
