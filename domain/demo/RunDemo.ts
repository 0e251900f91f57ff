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
import { unopened } from "../session/SessionState.ts"

/** Pause between two looks; the picture changes about as often as an eye follows. */
const LOOK_EVERY = Duration.millis(250)
/** A session of the demo chain is settled 13 s after its first relay; thrice that is a failure. */
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

export interface DemoRun {
  /** Runs until the first settlement (`once`), or for ever. */
  readonly watch: (once: boolean) => Effect.Effect<void, DemoFailed>
  /** Takes in what happened since and returns the whole. */
  readonly look: Effect.Effect<DemoProgress>
}

/** Starts from an empty progress. `endpoint` is where relays are served. */
export const makeDemoRun = (
  endpoint: string
): Effect.Effect<DemoRun, never, Blocks | DemoTraffic | Screen | SupplierKeys | SupplierStore> =>
  Effect.gen(function* () {
    const blocks = yield* Blocks
    const traffic = yield* DemoTraffic
    const screen = yield* Screen
    const keys = yield* SupplierKeys
    const store = yield* SupplierStore
    let progress = emptyProgress(endpoint)
    /** Events taken in, by `supplier|session`. */
    const seen = new Map<string, number>()

    const take = Effect.fnUntraced(function* (key: string, events: ReadonlyArray<SessionEvent>) {
      const known = seen.get(key) ?? 0
      for (const event of events.slice(known)) {
        progress = withEvent(progress, key, event)
        const line = tell(progress.sessions.get(key) ?? unopened, event)
        if (line !== undefined) yield* screen.line(line)
      }
      seen.set(key, events.length)
    })

    const look = Effect.gen(function* () {
      const tallies = new Map<string, { readonly count: bigint; readonly sum: bigint }>()
      for (const supplier of yield* keys.held) {
        for (const session of yield* store.sessions(supplier)) {
          const stored = yield* store.load(supplier, session)
          if (stored._tag === "None") continue
          const key = `${supplier}|${session}`
          tallies.set(key, stored.value)
          yield* take(key, stored.value.events)
        }
      }
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
        if (once && unpaid > 0) return yield* new DemoFailed({ reason: "a session ended without pay, see above" })
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
