/**
 * `SupplierStore` over Redis: relay streams, one record, event list and tail for each session, and the trie in the keys of
 * the Go fleet. Everything of one supplier is written by scripts that compare its fence.
 */
import { Context, Duration, Effect, Layer, Result } from "effect"
import { BulkSha256 } from "../../domain/crypto/BulkSha256.ts"
import { slices } from "../../domain/mining/Slices.ts"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import type { Lease } from "../../domain/ports/Leases.ts"
import {
  type Delivery,
  IntentRefused,
  type StoredNode,
  SupplierStore,
  type TxIntent
} from "../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../domain/protocol/Identifiers.ts"
import { digestOf, LEAF_OVERHEAD, LEAF_TAG, bytesEqual } from "../../domain/smst/TrieSpec.ts"
import { nodeField, SLICE_BYTES } from "./CommitScript.ts"
import { singleStream, twoStreams } from "./DeliveryIds.ts"
import {
  deleteNodesScript,
  dropIntentScript,
  dropNodesScript,
  forgetScript,
  saveIntentScript,
  setAsideScript,
  writeNodesScript
} from "./FencedScripts.ts"
import { adoptGoSessions } from "./GoAdoption.ts"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisFailure } from "./RedisFailure.ts"
import { command } from "./RedisLink.ts"
import { intentFrom, intentLife, intentText } from "./StoredIntents.ts"
import { storedSession } from "./StoredSessions.ts"
import {
  bytesOf,
  fencedReply,
  fieldsOf,
  integerOf,
  itemsOf,
  runFenced,
  StoredSessionDamaged,
  textOf,
  unavailable,
  utf8Of
} from "./StoreReplies.ts"
import { makeStreamArrivals } from "./StreamArrivals.ts"
import type { StreamLosses } from "./StreamLosses.ts"
import { acknowledgeBy, makeSupplierCommits } from "./SupplierCommits.ts"
import { makeSupplierStreams } from "./SupplierStreams.ts"

/** Entries set aside for each supplier; the oldest is dropped beyond it. */
export const SET_ASIDE_LIMIT = 1_000

/** Nodes read, written or deleted in one call. */
const NODE_CHUNK = 1_000

/** What the store has to know besides its connections. */
export interface SupplierStoreSettings {
  /** Expected time between blocks: intents outlive their window by far, whatever it is. */
  readonly blockTime: Duration.Duration
  /** Replicas that are waited for after a seal, for a second at most (`WAIT`); 0: none. */
  readonly sealReplicas: number
}

/** Settings of the store; blocks of a minute unless a layer provides others. */
export const SupplierStoreSettings = Context.Reference<SupplierStoreSettings>(
  "relaymill/adapters/redis/SupplierStoreSettings",
  { defaultValue: () => ({ blockTime: Duration.minutes(1), sealReplicas: 0 }) }
)

const make = Effect.gen(function* () {
  const connections = yield* RedisConnections
  const { commands, names, supports, topology } = connections
  const adopt = (supplier: string) => Effect.provideService(adoptGoSessions(supplier), RedisConnections, connections)
  const { blockTime, sealReplicas } = yield* SupplierStoreSettings
  const sha256 = yield* BulkSha256
  const ids = topology === "cluster" ? twoStreams : singleStream
  const arrivals = yield* makeStreamArrivals
  const streams = yield* makeSupplierStreams(arrivals)
  const commits = yield* makeSupplierCommits(ids, sealReplicas)
  /** Live roots that somebody else wrote, by record key: the next commit of the session accepts them. */
  const foreignRoots = new Map<string, Uint8Array>()
  yield* fillGauge("ha_miner_stream_readers", "Leases for which relay streams are read", streams.size)
  yield* fillGauge("ha_miner_streams_watched", "Idle relay streams that share the wake-up connection", arrivals.size)
  yield* fillGauge(
    "ha_miner_foreign_tries",
    "Sessions whose trie was last written by somebody else",
    () => foreignRoots.size
  )

  const trieKeys = (supplier: string, session: string) =>
    (["nodes", "live_root", "root", "stats"] as const).map((key) => names.trie(supplier, session, key))

  const fencedIn = (lease: Lease, operation: string, call: Effect.Effect<unknown, RedisFailure>) =>
    Effect.asVoid(runFenced(lease, operation, call))

  const read = (supplier: string, session: SessionId) =>
    Effect.gen(function* () {
      const [, , , , , replies] = yield* commands.pipeline([
        command("multi"),
        command("hgetall", names.version(supplier, session)),
        command("lrange", names.log(supplier, session), 0, -1),
        command("lrange", names.tail(supplier, session), 0, -1),
        command("get", names.trie(supplier, session, "live_root")),
        command("exec")
      ])
      return itemsOf(yield* Effect.fromResult(replies ?? Result.succeed([])))
    })

  /** Reads several sections of a hash of nodes. */
  const scanNodes = (key: string, each: (field: string, encoding: Uint8Array) => void) =>
    Effect.gen(function* () {
      let cursor = "0"
      do {
        const [next, page] = itemsOf(yield* commands.callBytes("hscan", key, cursor, "COUNT", NODE_CHUNK))
        const items = itemsOf(page)
        for (let i = 0; i + 1 < items.length; i += 2) {
          const encoding = bytesOf(items[i + 1])
          if (encoding !== undefined) each(textOf(items[i]), encoding)
        }
        cursor = textOf(next)
      } while (cursor !== "0" && cursor !== "")
    })

  /** A leaf whose encoding and digest fit: a damaged one would spoil the trie that is built from it. */
  const leafOf = (field: string, encoding: Uint8Array): StoredNode | undefined => {
    if (encoding[0] !== LEAF_TAG || encoding.length < LEAF_OVERHEAD || field.length !== 96) return undefined
    const digest = digestOf(encoding, sha256)
    return nodeField(digest) === field ? { digest, encoding } : undefined
  }

  return SupplierStore.of({
    deliveries: streams.deliveries,
    redeliver: streams.redeliver,
    backlog: streams.backlog,
    // The first look of a new owner: what a Go miner left unfinished is then ours.
    sessions: (supplier) =>
      Effect.gen(function* () {
        yield* adopt(supplier)
        const members = itemsOf(yield* commands.call("smembers", names.sessions(supplier))).map(utf8Of)
        return members.sort().map((id) => SessionId.make(id))
      }).pipe(Effect.mapError(unavailable("sessions"))),
    load: Effect.fnUntraced(function* (supplier, session) {
      const key = names.version(supplier, session)
      const [record, log, tail, live] = yield* Effect.mapError(read(supplier, session), unavailable("load"))
      const found = [record, log, tail, live].find((part) => part instanceof Error)
      const fields = fieldsOf(record)
      const liveRoot = bytesOf(live)
      const stored =
        found === undefined
          ? storedSession(session, { record: fields, log: itemsOf(log), tail: itemsOf(tail), liveRoot })
          : Result.fail({ part: "record" as const, reason: found.message })
      if (Result.isFailure(stored)) {
        const { part, reason } = stored.failure
        return yield* unavailable("load")(
          new StoredSessionDamaged({
            supplier,
            session,
            key: part === "record" ? key : names.log(supplier, session),
            reason
          })
        )
      }
      const written = bytesOf(fields.get("live"))
      if (fields.size > 0 && !bytesEqual(liveRoot ?? NOTHING, written ?? NOTHING)) {
        foreignRoots.set(key, liveRoot ?? NOTHING)
        yield* Effect.logError(
          "the trie of a session was written by somebody else: is a Go miner running for this supplier?"
        ).pipe(Effect.annotateLogs({ supplier, session }))
      } else foreignRoots.delete(key)
      return stored.success
    }),
    readNodes: (supplier, session, digests) =>
      Effect.gen(function* () {
        const key = names.trie(supplier, session, "nodes")
        const encodings: Array<Uint8Array | undefined> = []
        for (let from = 0; from < digests.length; from += NODE_CHUNK) {
          const reply = yield* commands.callBytes(
            "hmget",
            key,
            ...digests.slice(from, from + NODE_CHUNK).map(nodeField)
          )
          for (const value of itemsOf(reply)) encodings.push(bytesOf(value))
        }
        return encodings
      }).pipe(Effect.mapError(unavailable("readNodes"))),
    readLeaves: (supplier, session) =>
      Effect.gen(function* () {
        const leaves = new Map<string, StoredNode>()
        let damaged = 0
        yield* scanNodes(names.trie(supplier, session, "nodes"), (field, encoding) => {
          if (encoding[0] !== LEAF_TAG) return
          const leaf = leafOf(field, encoding)
          if (leaf === undefined) damaged++
          else leaves.set(field, leaf)
        })
        if (damaged > 0) {
          yield* Effect.logError("stored leaves do not fit their digests and are left out").pipe(
            Effect.annotateLogs({ supplier, session, leaves: damaged })
          )
        }
        return [...leaves.values()]
      }).pipe(Effect.mapError(unavailable("readLeaves"))),
    commit: (lease, commit) => {
      const key = names.version(lease.supplier, commit.session)
      return Effect.map(commits.commit(lease, commit, foreignRoots.get(key)), () => {
        foreignRoots.delete(key)
        streams.settled(lease, commit.acknowledged.length)
      })
    },
    writeNodes: Effect.fnUntraced(function* (lease, session, nodes) {
      const { supplier } = lease
      const keys = [names.fence(supplier), names.version(supplier, session), names.trie(supplier, session, "nodes")]
      const parts = slices(nodes, { items: NODE_CHUNK, bytes: SLICE_BYTES }, ({ encoding }) => encoding.length)
      for (const part of parts.length === 0 ? [[]] : parts) {
        const args = part.flatMap(({ digest, encoding }) => [nodeField(digest), encoding])
        yield* fencedIn(lease, "writeNodes", commands.run(writeNodesScript, keys, [lease.nonce, ...args]))
      }
    }),
    deleteNodes: Effect.fnUntraced(function* (lease, session, digests) {
      const keys = [names.fence(lease.supplier), names.trie(lease.supplier, session, "nodes")]
      for (let from = 0; from === 0 || from < digests.length; from += 4 * NODE_CHUNK) {
        const fields = digests.slice(from, from + 4 * NODE_CHUNK).map(nodeField)
        yield* fencedIn(lease, "deleteNodes", commands.run(deleteNodesScript, keys, [lease.nonce, ...fields]))
      }
    }),
    setAside: Effect.fnUntraced(function* (lease, deliveries, reason) {
      const { supplier } = lease
      const by = yield* acknowledgeBy(supports)
      const entries = (all: ReadonlyArray<Delivery>) =>
        all.flatMap(({ id, data }) => [ids.decode(id).entryId, id, data])
      const run = (all: ReadonlyArray<Delivery>, isOwn: boolean) =>
        runFenced(
          lease,
          "setAside",
          commands.run(
            setAsideScript,
            [names.fence(supplier), names.relays(supplier), names.dead(supplier)],
            [lease.nonce, names.group, by, SET_ASIDE_LIMIT, reason, isOwn ? 1 : 0, ...entries(all)]
          )
        )
      const own = deliveries.filter(({ id }) => ids.decode(id).origin === "own")
      for (let from = 0; from === 0 || from < own.length; from += NODE_CHUNK) {
        const [moved] = yield* run(own.slice(from, from + NODE_CHUNK), true)
        streams.settled(lease, integerOf(moved))
      }
      // Go's stream is in another slot: what is pending there is looked at first, and acknowledged last.
      const go = deliveries.filter(({ id }) => ids.decode(id).origin === "go")
      if (go.length === 0) return
      const stream = names.stream(supplier)
      const held = yield* Effect.mapError(
        commands.pipeline(
          go.map(({ id }) => {
            const { entryId } = ids.decode(id)
            return command("xpending", stream, names.group, entryId, entryId, 1)
          })
        ),
        unavailable("setAside")
      )
      const pending = go.filter((_, index) => {
        const reply = held[index]
        return reply !== undefined && Result.isSuccess(reply) && itemsOf(reply.success).length > 0
      })
      if (pending.length === 0) return
      yield* run(pending, false)
      const entryIds = pending.map(({ id }) => ids.decode(id).entryId)
      yield* Effect.mapError(
        commands.pipeline([command("xack", stream, names.group, ...entryIds), command("xdel", stream, ...entryIds)]),
        unavailable("setAside")
      )
    }),
    saveIntent: Effect.fnUntraced(function* (lease, intent) {
      const { supplier } = lease
      const reply = yield* Effect.mapError(
        commands.run(
          saveIntentScript,
          [
            names.fence(supplier),
            names.intent(supplier, intent.sessionEnd),
            names.intents(supplier),
            ...intent.sessions.map(({ session }) => names.version(supplier, session))
          ],
          [
            lease.nonce,
            intent.txHash,
            intent.sessionEnd,
            Math.ceil(Duration.toMillis(intentLife(intent, blockTime))),
            intentText(intent),
            ...intent.sessions.map(({ root }) => root)
          ]
        ),
        unavailable("saveIntent")
      )
      const [code, position] = itemsOf(reply)
      if (textOf(code) !== "refused") return yield* Effect.asVoid(fencedReply(lease, "saveIntent")(reply))
      const session = intent.sessions[integerOf(position)]?.session ?? ""
      return yield* new IntentRefused({ supplier, session })
    }),
    intents: (supplier) =>
      Effect.gen(function* () {
        const index = fieldsOf(yield* commands.callBytes("hgetall", names.intents(supplier)))
        const ends = new Set([...index].flatMap(([hash, end]) => (hash === "#" ? [] : [textOf(end)])))
        const found: Array<{ readonly place: number; readonly intent: TxIntent }> = []
        for (const end of ends) {
          const saved = fieldsOf(yield* commands.callBytes("hgetall", names.intent(supplier, BigInt(end))))
          for (const [hash, value] of saved) {
            const text = utf8Of(value)
            const space = text.indexOf(" ")
            const intent = intentFrom(text.slice(space + 1))
            if (Result.isSuccess(intent)) found.push({ place: Number(text.slice(0, space)), intent: intent.success })
            else {
              yield* Effect.logError("a saved transaction cannot be read and is passed over").pipe(
                Effect.annotateLogs({ supplier, hash, sessionEnd: end })
              )
            }
          }
        }
        return found.sort((a, b) => a.place - b.place).map(({ intent }) => intent)
      }).pipe(Effect.mapError(unavailable("intents"))),
    dropIntent: Effect.fnUntraced(function* (lease, txHash) {
      const { supplier } = lease
      const end = textOf(
        yield* Effect.mapError(commands.callBytes("hget", names.intents(supplier), txHash), unavailable("dropIntent"))
      )
      const keys = [
        names.fence(supplier),
        names.intent(supplier, /^\d+$/.test(end) ? BigInt(end) : 0n),
        names.intents(supplier)
      ]
      yield* fencedIn(lease, "dropIntent", commands.run(dropIntentScript, keys, [lease.nonce, txHash]))
    }),
    dropNodes: (lease, session) => {
      const { supplier } = lease
      const record = names.version(supplier, session)
      const keys = [names.fence(supplier), record, names.tail(supplier, session), ...trieKeys(supplier, session)]
      return Effect.map(fencedIn(lease, "dropNodes", commands.run(dropNodesScript, keys, [lease.nonce])), () => {
        foreignRoots.delete(record)
      })
    },
    forget: (lease, session) => {
      const { supplier } = lease
      const record = names.version(supplier, session)
      const keys = [
        names.fence(supplier),
        names.sessions(supplier),
        record,
        names.log(supplier, session),
        names.tail(supplier, session),
        ...trieKeys(supplier, session)
      ]
      return Effect.map(fencedIn(lease, "forget", commands.run(forgetScript, keys, [lease.nonce, session])), () => {
        foreignRoots.delete(record)
      })
    }
  })
})

const NOTHING = new Uint8Array(0)

/** Over these connections; losses of streams are counted by `StreamLosses`. */
export const layer: Layer.Layer<SupplierStore, never, RedisConnections | StreamLosses> = Layer.effect(
  SupplierStore,
  make
)
