/**
 * One look at all live sessions of a supplier at a committed height: seal, claim, prove, settle what is due. Level
 * triggered and idempotent: it may skip heights, run twice at one, or be cut off anywhere.
 */
import { Effect, Option } from "effect"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import type { Block, ChainUnavailable } from "../ports/Blocks.ts"
import type { ChainQuery } from "../ports/ChainQuery.ts"
import { type Backlog, type StoreUnavailable, SupplierStore, type TxIntent } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import { takesRelays } from "../session/SessionState.ts"
import { rememberTimeout } from "../tx/TxTimeout.ts"
import { type ClaimsOnChain, confirmGroup, readClaims } from "./ClaimsOnChain.ts"
import { sealSessions } from "./SealSessions.ts"
import { liveBySessionEnd, refreshed, type SessionGroup } from "./SessionGroup.ts"
import { sessionHeights } from "./SessionTerms.ts"
import { settleGroup } from "./Settlement.ts"
import { isolated } from "./Submission.ts"
import { countFailedStep, forgetOthers, type Obstacle, SubmissionMemory } from "./SubmissionMemory.ts"
import { submitClaims } from "./SubmitClaims.ts"
import { requireProofs, submitProofs } from "./SubmitProofs.ts"

/** What a look leaves to do before the next block. */
export interface LookOutcome {
  /** Sessions that wait for the log within this block. */
  readonly waiting: number
  /** Steps that failed and are repeated. */
  readonly failed: number
}

const NOTHING_LEFT: LookOutcome = { waiting: 0, failed: 0 }

/** Whether a look would find anything: sessions, or transactions of an earlier owner that may be under way. */
export const hasWork = Effect.gen(function* () {
  const { hasIntents } = yield* SubmissionMemory
  return hasIntents || !(yield* SessionLedger.use(({ isEmpty }) => isEmpty))
})

/** Runs the look. */
export const advanceSessions = Effect.fnUntraced(function* (block: Block) {
  if (!(yield* hasWork)) return NOTHING_LEFT
  const { lease } = yield* SessionLedger
  const memory = yield* SubmissionMemory
  const store = yield* SupplierStore
  memory.failedSteps = 0
  const known = yield* SessionLedger.use((ledger) => ledger.known)
  // Nothing is decided about them now: they are read again within the block, also those that come back in this look.
  if (known.doubted.size > 0) yield* countFailedStep
  const look: Look = {
    block,
    backlog: yield* Effect.cached(store.backlog(lease)),
    claims: yield* Effect.cached(readClaims(block.height).pipe(Effect.tapError(claimsUnread))),
    intents: yield* Effect.cached(
      // Before anything is built: what an earlier owner sent may end with any group. Nobody else saves any now.
      Effect.suspend(() => (memory.hasIntents ? store.intents(lease.supplier) : Effect.succeed([]))).pipe(
        Effect.tap((intents) =>
          Effect.sync(() => {
            memory.hasIntents = intents.length > 0
            for (const { timeoutUnixNano } of intents) {
              memory.timeouts = rememberTimeout(memory.timeouts, lease.supplier, timeoutUnixNano)
            }
          })
        )
      )
    )
  }
  let waiting = 0
  const unread = new Map<SessionId, Obstacle>()
  for (const ending of liveBySessionEnd(known)) {
    if (block.height < ending.sessionEnd) continue
    yield* Effect.gen(function* () {
      const group: SessionGroup = { ...ending, heights: yield* sessionHeights(ending.sessionEnd) }
      waiting += yield* sealSessions(group, look.backlog, block)
      yield* advanceGroup(yield* refreshed(group), look)
    }).pipe(
      Effect.tapErrorTag("ChainUnavailable", ({ message }) =>
        Effect.sync(() => {
          for (const { session } of ending.sessions) unread.set(session, { reason: "no_chain", detail: message })
        })
      ),
      isolated("advance", { height: block.height })
    )
  }
  yield* tidy(look, unread).pipe(isolated("tidy", { height: block.height }))
  const outcome: LookOutcome = { waiting, failed: memory.failedSteps }
  return outcome
})

/** What is read at most once in a look, when the first group asks for it. */
interface Look {
  readonly block: Block
  readonly backlog: Effect.Effect<Backlog, StoreUnavailable>
  readonly claims: Effect.Effect<ClaimsOnChain, ChainUnavailable, ChainQuery | SessionLedger | SubmissionMemory>
  readonly intents: Effect.Effect<ReadonlyArray<TxIntent>, StoreUnavailable>
}

/** Nothing is confirmed without them, so the look is repeated; what can be sent without them is sent. */
const claimsUnread = (unavailable: ChainUnavailable) =>
  Effect.andThen(Effect.logWarning("claims on chain are read again at the next look", unavailable), countFailedStep)

/** From its sealed sessions on: what the chain shows, then what is due, in the order in which one leads to the other. */
const advanceGroup = Effect.fnUntraced(function* (group: SessionGroup, look: Look) {
  const { block } = look
  if (block.height >= group.heights.settlement) return yield* settleGroup(group, block)
  if (group.sessions.every(({ state }) => takesRelays(state))) return
  const claims = yield* Effect.option(look.claims)
  const intents = yield* look.intents
  if (Option.isSome(claims)) yield* confirmGroup(group, claims.value, block)
  yield* submitClaims(yield* refreshed(group), claims, intents, block)
  if (Option.isSome(claims)) yield* requireProofs(yield* refreshed(group), claims.value, block)
  yield* submitProofs(yield* refreshed(group), claims, intents, block)
})

/** Drops transactions of sessions that are known to have all ended, notes about them, and sessions past their retention. */
const tidy = Effect.fnUntraced(function* ({ block, intents }: Look, unread: ReadonlyMap<SessionId, Obstacle>) {
  const ledger = yield* SessionLedger
  const store = yield* SupplierStore
  const memory = yield* SubmissionMemory
  const { submission } = yield* MinerSettings
  const { live, doubted } = yield* ledger.known
  // Since this look began: they are read again within the block.
  if (doubted.size > 0) yield* countFailedStep
  const kept = new Set([...live.map(({ session }) => session), ...doubted])
  yield* forgetOthers(kept)
  const inTheWay = new Map([...memory.obstacles, ...unread])
  yield* memory.chain.obstacles.set(ledger.lease.supplier, [...inTheWay.values()])
  for (const { txHash, sessions } of yield* intents) {
    if (sessions.some(({ session }) => kept.has(session))) continue
    yield* store.dropIntent(ledger.lease, txHash)
    memory.sentAt.delete(txHash)
  }
  for (const [session, endedAt] of yield* ledger.ended) {
    if (endedAt + submission.retentionBlocks < block.height && !doubted.has(session)) yield* ledger.forget(session)
  }
})
