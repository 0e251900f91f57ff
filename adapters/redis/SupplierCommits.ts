/** Commits of sessions: cut into slices that one pipeline carries, and decided when the reply is lost. */
import { Effect, Metric, Option, Result, Schedule } from "effect"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import { CommitRefused, type SessionCommit, type StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import { slices } from "../../domain/mining/Slices.ts"
import { commitArguments, type CommitFacts, commitScript, SLICE_BYTES, SLICE_LEAVES } from "./CommitScript.ts"
import type { DeliveryIds } from "./DeliveryIds.ts"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisFailure, RedisFailureKind } from "./RedisFailure.ts"
import { command, scriptCommand } from "./RedisLink.ts"
import { eventText, recordFields, sealedRootOf } from "./StoredSessions.ts"
import { fencedReply, integerOf, itemsOf, StoredSessionDamaged, textOf, unavailable, utf8Of } from "./StoreReplies.ts"

/** Failures after which a script may have run: nothing was heard of it. */
const IN_DOUBT: ReadonlySet<RedisFailureKind> = new Set(["unavailable", "timeout", "unexpected"])

/** Pauses between attempts to learn what became of a commit, and how many there are. */
const doubtRetry = { schedule: Schedule.spaced("100 millis"), times: 20 }

/** What a commit becomes on its way. */
export interface SupplierCommits {
  /** `accepted` is a foreign live root that was found when the session was loaded. */
  readonly commit: (
    lease: Lease,
    commit: SessionCommit,
    accepted: Uint8Array | undefined
  ) => Effect.Effect<void, LeaseLost | CommitRefused | StoreUnavailable>
}

/** Longest wait for replicas to have a seal, milliseconds: a root that is claimed should outlive a failover. */
const REPLICA_WAIT = 1_000

const sealsBehind = Metric.counter("relaymill_redis_seals_not_replicated_total", {
  description: "Seals that fewer replicas than configured had within a second",
  incremental: true
})

/** Commits over `ids`' streams; after a seal `sealReplicas` replicas are waited for. */
export const makeSupplierCommits = Effect.fnUntraced(function* (
  ids: DeliveryIds,
  sealReplicas: number
): Effect.fn.Return<SupplierCommits, never, RedisConnections> {
  const { commands, commits, names, supports } = yield* RedisConnections
  let counter = 0

  const factsOf = (
    lease: Lease,
    commit: SessionCommit,
    own: ReadonlyArray<string>,
    accepted: Uint8Array | undefined,
    acknowledgeBy: CommitFacts["acknowledgeBy"]
  ): CommitFacts => ({
    nonce: lease.nonce,
    expectedVersion: commit.expectedVersion,
    leaves: commit.leaves.length,
    covered: Option.match(commit.checkpoint, { onNone: () => -1, onSome: ({ tailCovered }) => tailCovered }),
    liveRoot: Option.match(commit.checkpoint, { onNone: () => NOTHING, onSome: ({ liveRoot }) => liveRoot }),
    root: commit.root,
    count: commit.count,
    sum: commit.sum,
    sealedRoot: sealedRootOf(commit) ?? NOTHING,
    accepted,
    group: names.group,
    session: commit.session,
    acknowledgeBy,
    events: commit.events.map(eventText),
    fields: recordFields(commit.events),
    acknowledged: own,
    id: `${lease.nonce}:${++counter}`
  })

  const keysOf = (supplier: string, session: string): ReadonlyArray<string> => [
    names.fence(supplier),
    names.version(supplier, session),
    names.log(supplier, session),
    names.tail(supplier, session),
    names.trie(supplier, session, "nodes"),
    names.trie(supplier, session, "live_root"),
    names.relays(supplier),
    names.sessions(supplier)
  ]

  const refused = (lease: Lease, commit: SessionCommit, reason: CommitRefused["reason"], storedVersion: number) =>
    Effect.fail(
      new CommitRefused({
        supplier: lease.supplier,
        session: commit.session,
        reason,
        expectedVersion: commit.expectedVersion,
        storedVersion
      })
    )

  /** What a slice replied. */
  const decide = (lease: Lease, commit: SessionCommit, reply: unknown) => {
    const [code, fact] = itemsOf(reply)
    const reason = textOf(code)
    switch (reason) {
      case "version":
      case "sealed":
      case "foreign_root":
      case "tail":
        return refused(lease, commit, reason, integerOf(fact))
      case "damaged":
        return Effect.fail(
          unavailable("commit")(
            new StoredSessionDamaged({
              supplier: lease.supplier,
              session: commit.session,
              key: utf8Of(fact),
              reason: "it holds less than was committed"
            })
          )
        )
      default:
        return Effect.asVoid(fencedReply(lease, "commit")(reply))
    }
  }

  /** Nothing was heard of the commit: its id in the record says whether it took effect. */
  const resolve = (lease: Lease, commit: SessionCommit, id: string, failure: RedisFailure) =>
    Effect.gen(function* () {
      const [fence, record] = yield* commands
        .pipeline([
          command("get", names.fence(lease.supplier)),
          command("hmget", names.version(lease.supplier, commit.session), "version", "commit")
        ])
        .pipe(
          Effect.flatMap((replies) => Effect.forEach(replies, Effect.fromResult)),
          Effect.retry({ ...doubtRetry, while: ({ kind }) => IN_DOUBT.has(kind) }),
          Effect.mapError(() => unavailable("commit")(failure))
        )
      const [version, committed] = itemsOf(record)
      if (textOf(fence) !== lease.nonce) {
        return yield* new LeaseLost({ supplier: lease.supplier, owner: lease.owner })
      }
      if (textOf(committed) === id) return
      if (integerOf(version) !== commit.expectedVersion) {
        return yield* refused(lease, commit, "version", integerOf(version))
      }
      // It may still be on its way: then it takes effect later or is refused by its version.
      return yield* unavailable("commit")(failure)
    })

  /** The seal is in force either way; an operator hears that a failover now could lose it. */
  const noteReplicas = (
    lease: Lease,
    commit: SessionCommit,
    reply: Result.Result<unknown, RedisFailure> | undefined
  ) => {
    const replicas = reply !== undefined && Result.isSuccess(reply) ? integerOf(reply.success) : 0
    if (replicas >= sealReplicas) return Effect.void
    return Effect.logWarning("seal is not on enough replicas of Redis yet").pipe(
      Effect.annotateLogs({ supplier: lease.supplier, session: commit.session, replicas, wanted: sealReplicas }),
      Effect.andThen(Metric.update(sealsBehind, 1))
    )
  }

  return {
    commit: Effect.fnUntraced(function* (lease, commit, accepted) {
      const acknowledged = commit.acknowledged.map(ids.decode)
      const own = acknowledged.flatMap(({ origin, entryId }) => (origin === "own" ? [entryId] : []))
      const go = acknowledged.flatMap(({ origin, entryId }) => (origin === "go" ? [entryId] : []))
      const by = own.length === 0 ? "xack" : yield* acknowledgeBy(supports)
      const facts = factsOf(lease, commit, own, accepted, by)
      const keys = keysOf(lease.supplier, commit.session)
      const parts = slices(
        commit.leaves,
        { items: SLICE_LEAVES, bytes: SLICE_BYTES },
        ({ encoding }) => encoding.length
      )
      let offset = 0
      const calls = (parts.length === 0 ? [[]] : parts).map((leaves, index) => {
        const call = scriptCommand(
          commitScript,
          keys,
          commitArguments(facts, leaves, offset, index >= parts.length - 1)
        )
        offset += leaves.length
        return call
      })
      const waits = sealReplicas > 0 && facts.sealedRoot !== NOTHING
      const wait = waits ? [command("wait", sealReplicas, REPLICA_WAIT)] : []
      const replies = yield* Effect.result(commits.pipeline([...calls, ...wait]))
      if (Result.isFailure(replies)) return yield* resolve(lease, commit, facts.id, replies.failure)
      // The first slice that did not take effect says why; the ones after it did not take effect either.
      for (const reply of replies.success.slice(0, calls.length)) {
        if (Result.isFailure(reply)) {
          return IN_DOUBT.has(reply.failure.kind)
            ? yield* resolve(lease, commit, facts.id, reply.failure)
            : yield* unavailable("commit")(reply.failure)
        }
        yield* decide(lease, commit, reply.success)
      }
      if (waits) yield* noteReplicas(lease, commit, replies.success[calls.length])
      // Go's stream is in another slot. A crash before this delivers its entries again, and the trie knows them.
      if (go.length > 0) {
        const stream = names.stream(lease.supplier)
        yield* Effect.ignore(
          commands.pipeline([command("xack", stream, names.group, ...go), command("xdel", stream, ...go)])
        )
      }
    })
  }
})

const NOTHING = new Uint8Array(0)

/** How entries are acknowledged: one command where every server knows it (Redis 8.2), else two. */
export const acknowledgeBy = (supports: RedisConnections["Service"]["supports"]) =>
  Effect.map(
    Effect.orElseSucceed(supports("xackdel"), () => false),
    (known) => (known ? "xackdel" : "xack")
  )
