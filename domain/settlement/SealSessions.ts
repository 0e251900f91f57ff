/**
 * Makes the roots of sessions final once nothing of them can be under way: everything in the log at the first look is
 * folded, and no relayer announces relays of such a session in its spool. It never waits so long that the claim would be
 * in danger (`SubmissionTiming`); what comes after that is counted as late.
 */
import { Clock, Effect, Option, Result } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { METER_CLEANUP, meterName } from "../meter/MeterCleanup.ts"
import { checkpointChange, deleteOrphans } from "../mining/Checkpoint.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { isCheckpointed, type SessionChange, type SessionCopy } from "../mining/SessionCopy.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { SessionTries } from "../mining/SessionTries.ts"
import type { Block } from "../ports/Blocks.ts"
import { Broadcast } from "../ports/Broadcast.ts"
import { type Backlog, compareLogId, type StoreUnavailable } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import { decide } from "../session/SessionDecider.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import { evolve, takesRelays } from "../session/SessionState.ts"
import type { SessionGroup } from "./SessionGroup.ts"
import { isolated } from "./Submission.ts"
import { type SealMark, SubmissionMemory } from "./SubmissionMemory.ts"
import { sealWait } from "./SubmissionTiming.ts"

/**
 * Seals what is due of a group. `backlog` is read once for a whole look. Returns the sessions that still wait within this
 * block.
 */
export const sealSessions = Effect.fnUntraced(function* (
  group: SessionGroup,
  backlog: Effect.Effect<Backlog, StoreUnavailable>,
  block: Block
) {
  const wait = sealWait(group.heights.claim, block.height)
  const open = group.sessions.filter(({ state }) => takesRelays(state))
  if (wait === "not_due" || open.length === 0) return 0
  let waiting = 0
  for (const { session } of open) {
    yield* Effect.gen(function* () {
      if (wait === "nothing" || (yield* isFolded(session, group.sessionEnd, yield* backlog, wait === "briefly"))) {
        yield* seal(session, block.height)
      } else waiting++
    }).pipe(isolated("seal", { session, height: block.height }))
  }
  return waiting
})

/** Is everything folded that can still be under way for the session, or was that waited for long enough? */
const isFolded = Effect.fnUntraced(function* (
  session: SessionId,
  sessionEnd: bigint,
  backlog: Backlog,
  isBrief: boolean
) {
  const { submission } = yield* MinerSettings
  const memory = yield* SubmissionMemory
  const now = yield* Clock.monotonicTimeNanos
  const known = memory.marks.get(session)
  const isAwaited =
    isSpooled(backlog, sessionEnd) ||
    now - memory.storeAwayAt < nanosOf(submission.sealAfterReconnect) ||
    (!isBrief && now - (known?.takenAt ?? now) < settleNanos(submission))
  const mark = nextMark(known, backlog, isAwaited, now)
  memory.marks.set(session, mark)
  if (isBrief && now - mark.takenAt >= brieflyNanos(submission)) return true
  return !isAwaited && isLogFolded(backlog, mark)
})

/**
 * The position of the log up to which everything has to be folded. It stays where it was first seen, but only from the
 * first look on at which no relayer was waited for: what a spool held is appended before its announcement is withdrawn.
 */
export const nextMark = (
  mark: SealMark | undefined,
  backlog: Pick<Backlog, "lastGenerated">,
  isAwaited: boolean,
  now: bigint
): SealMark =>
  mark === undefined || mark.wasAwaited
    ? { id: backlog.lastGenerated, takenAt: mark?.takenAt ?? now, wasAwaited: isAwaited }
    : { ...mark, wasAwaited: isAwaited }

/** Does some relayer hold relays of such a session in its spool? */
export const isSpooled = ({ lowestSpooledSessionEnd }: Backlog, sessionEnd: bigint): boolean =>
  Option.isSome(lowestSpooledSessionEnd) && lowestSpooledSessionEnd.value <= sessionEnd

/** Is the log delivered up to the mark, and nothing up to it pending anywhere? */
export const isLogFolded = (backlog: Backlog, mark: Pick<SealMark, "id">): boolean =>
  compareLogId(backlog.lastDelivered, mark.id) >= 0 &&
  Option.match(backlog.oldestPending, { onNone: () => true, onSome: (oldest) => compareLogId(oldest, mark.id) > 0 })

/**
 * Relayers serve until they see the block after a session's grace, and miners may see it first: relays that are answered
 * meanwhile, or are on their way into the log, come within this time.
 */
const settleNanos = ({ blockTime }: MinerSettings["submission"]): bigint => {
  const share = nanosOf(blockTime) / 5n
  return share < LONGEST_SETTLE ? share : LONGEST_SETTLE
}

/** The spread of a block among the processes of a fleet, nanoseconds. */
const LONGEST_SETTLE = 2_000_000_000n

/** Within one block there is little time: at most two fifths of it. */
const brieflyNanos = (settings: MinerSettings["submission"]): bigint => {
  const share = (nanosOf(settings.blockTime) * 2n) / 5n
  const patience = nanosOf(settings.sealPatience)
  return patience < share ? patience : share
}

/** Stores all nodes and the final root in one commit; an empty session ends with it. */
const seal = Effect.fnUntraced(function* (session: SessionId, height: bigint) {
  const ledger = yield* SessionLedger
  const orphans = yield* ledger.change(session, (copy) => sealChange(copy, height))
  yield* deleteOrphans(session, orphans)
  // Relayers give back what they hold of its meter; without the message they do so when its grace has ended for them.
  yield* Effect.ignore(
    Broadcast.use((broadcast) => broadcast.publish(METER_CLEANUP, meterName(session, ledger.lease.supplier)))
  )
})

type Sealed = readonly [change: SessionChange, orphans: ReadonlyArray<Uint8Array>]

const sealChange = Effect.fnUntraced(function* (copy: SessionCopy, height: bigint) {
  const nothing: Sealed = [{}, []]
  if (!takesRelays(copy.state)) return nothing
  if (isCheckpointed(copy)) return [{ events: sealEvents(copy, copy.tally, height) }, []] satisfies Sealed
  const trie = yield* SessionTries.use((tries) => tries.ready(copy, []))
  const stored = yield* checkpointChange(copy, trie)
  return [{ ...stored, events: sealEvents(copy, stored.tally, height) }, trie.takeDeletes()] satisfies Sealed
})

const sealEvents = (copy: SessionCopy, tally: SessionCopy["tally"], height: bigint): ReadonlyArray<SessionEvent> => {
  const sealed = Result.getOrElse(decide(copy.state, { _tag: "Seal", tally, height }), () => [])
  if (tally.count > 0n) return sealed
  const state = sealed.reduce(evolve, copy.state)
  const detail = state.late.count > 0n ? `all of its ${state.late.count} relays came too late` : "no relay in its trie"
  return [...sealed, ...Result.getOrElse(decide(state, { _tag: "Skip", reason: "empty", detail, height }), () => [])]
}
