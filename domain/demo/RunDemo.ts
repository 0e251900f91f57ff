/**
 * The demo as a program: watches the sessions of this process's suppliers until told to stop, tells what happens, and
 * ends with the first settlement if that was asked for.
 */
import { Clock, Context, Duration, Effect, Schema } from "effect"
import { Blocks } from "../ports/Blocks.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import { SupplierStore } from "../ports/SupplierStore.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import { type DemoProgress, emptyProgress, type GatewayCounters, tell, withEvent } from "./DemoProgress.ts"
import { hasEnded, replay, unopened } from "../session/SessionState.ts"

/** Pause between two looks; the picture changes about as often as an eye follows. */
const LOOK_EVERY = Duration.millis(250)
/** The first session of the demo chain is settled in its twelfth second; a busy machine gets five times as long. */
const FIRST_SETTLEMENT_WITHIN = Duration.seconds(60)

/** Sends real relays and verifies the answers. */
export class DemoTraffic extends Context.Service<
  DemoTraffic,
  {
    readonly counters: Effect.Effect<GatewayCounters>
    /** Sends no further relay and waits for those under way. */
    readonly stop: Effect.Effect<void>
  }
>()("relaymill/domain/demo/DemoTraffic") {}

/** Where progress is shown. */
export class Screen extends Context.Service<
  Screen,
  {
    /** A line that stays. */
    readonly line: (text: string) => Effect.Effect<void>
    /** The present picture; redrawn in place on a terminal, left out elsewhere. */
    readonly picture: (progress: DemoProgress) => Effect.Effect<void>
  }
>()("relaymill/domain/demo/Screen") {}

/** The first session that ended did not earn, or none ended in time. */
export class DemoFailed extends Schema.TaggedError<DemoFailed>()("DemoFailed", { reason: Schema.String }) {
  override get message(): string {
    return this.reason
  }
}

/** A demo under way. Both methods read the same progress; `look` may be called while `watch` runs. */
export interface DemoRun {
  /** Runs until the first settlement (`once`), or for ever. */
  readonly watch: (once: boolean) => Effect.Effect<void, DemoFailed>
  /** Takes in what happened since and returns the whole. */
  readonly look: Effect.Effect<DemoProgress>
}

/**
 * Starts from an empty progress. `endpoint` is where relays are served. `goesOn`: the stores are of an earlier demo, whose
 * ended sessions were told and counted there.
 */
export const makeDemoRun = (
  endpoint: string,
  goesOn = false
): Effect.Effect<DemoRun, never, Blocks | DemoTraffic | Screen | SupplierKeys | SupplierStore> =>
  Effect.gen(function* () {
    const blocks = yield* Blocks
    const traffic = yield* DemoTraffic
    const screen = yield* Screen
    const keys = yield* SupplierKeys
    const store = yield* SupplierStore
    let progress = emptyProgress(endpoint)
    /** Events taken in of the sessions that the store lists, by `supplier|session`; `ended` ones are not read again. */
    let seen: ReadonlyMap<string, { readonly events: number; readonly ended: boolean }> = new Map()
    let firstUnpaid: string | undefined

    const passOverEnded = Effect.gen(function* () {
      const ended = new Map<string, { readonly events: number; readonly ended: boolean }>()
      for (const supplier of yield* keys.held) {
        for (const session of yield* store.sessions(supplier)) {
          const stored = yield* store.load(supplier, session)
          if (stored._tag === "None" || !hasEnded(replay(stored.value.events))) continue
          ended.set(`${supplier}|${session}`, { events: stored.value.events.length, ended: true })
        }
      }
      seen = ended
      // A store that does not answer now: its sessions are told again.
    }).pipe(Effect.ignore)
    if (goesOn) yield* passOverEnded

    const take = Effect.fnUntraced(function* (key: string, events: ReadonlyArray<SessionEvent>) {
      for (const event of events.slice(seen.get(key)?.events ?? 0)) {
        const unpaid = progress.unpaid
        progress = withEvent(progress, key, event)
        const line = tell(progress.sessions.get(key) ?? unopened, event)
        if (line !== undefined) yield* screen.line(line)
        if (progress.unpaid > unpaid) firstUnpaid ??= line
      }
      return { events: events.length, ended: hasEnded(replay(events)) }
    })

    const look = Effect.gen(function* () {
      const tallies = new Map(progress.tallies)
      const listed = new Map<string, { readonly events: number; readonly ended: boolean }>()
      for (const supplier of yield* keys.held) {
        for (const session of yield* store.sessions(supplier)) {
          const key = `${supplier}|${session}`
          const known = seen.get(key)
          if (known?.ended === true) {
            listed.set(key, known)
            continue
          }
          const stored = yield* store.load(supplier, session)
          if (stored._tag === "None") continue
          tallies.set(key, stored.value)
          listed.set(key, yield* take(key, stored.value.events))
        }
      }
      seen = listed
      for (const key of tallies.keys()) if (!progress.sessions.has(key)) tallies.delete(key)
      const block = yield* Effect.option(blocks.latest)
      progress = {
        ...progress,
        tallies,
        gateway: yield* traffic.counters,
        height: block._tag === "Some" ? block.value.height : progress.height
      }
      yield* screen.picture(progress)
      return progress
      // A store that does not answer shows the last picture a little longer.
    }).pipe(Effect.catch(() => Effect.sync(() => progress)))

    const watch = Effect.fnUntraced(function* (once: boolean) {
      const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(FIRST_SETTLEMENT_WITHIN)
      while (true) {
        const { settled, unpaid, gateway } = yield* look
        if (once && settled > 0) return
        if (once && unpaid > 0) return yield* new DemoFailed({ reason: firstUnpaid ?? "a session ended without pay" })
        if (once && (yield* Clock.currentTimeMillis) > deadline) {
          return yield* new DemoFailed({
            reason: `no session was settled within ${Duration.format(FIRST_SETTLEMENT_WITHIN)}; ${gateway.verified} relays were verified${gateway.lastProblem === undefined ? "" : `, last problem: ${gateway.lastProblem}`}`
          })
        }
        yield* Effect.sleep(LOOK_EVERY)
      }
    })

    return { watch, look }
  })
