/** The demo's verdict: what ends it, and with which sentence. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as EntropySeeded from "../../../adapters/memory/EntropySeeded.ts"
import * as LeasesMemory from "../../../adapters/memory/LeasesMemory.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import * as SupplierStoreMemory from "../../../adapters/memory/SupplierStoreMemory.ts"
import { picture } from "../../../domain/demo/DemoProgress.ts"
import { DemoTraffic, makeDemoRun, Screen } from "../../../domain/demo/RunDemo.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { Leases } from "../../../domain/ports/Leases.ts"
import { SupplierKeys } from "../../../domain/ports/SupplierKeys.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../../domain/protocol/Identifiers.ts"
import { SessionEvent } from "../../../domain/session/SessionEvent.ts"
import { testKey } from "../../support/RelayBuilder.ts"

const key = testKey("demo supplier")
const lines: Array<string> = []
const block = { height: 3n, hash: new Uint8Array(32), timeUnixNano: 0n }

const world = Layer.mergeAll(
  SupplierStoreMemory.layer,
  LeasesMemory.layer,
  SupplierKeysMemory.layer([Redacted.make(key.privateKey)]),
  Layer.succeed(Blocks, {
    latest: Effect.succeed(block),
    peek: () => block,
    at: () => Effect.succeedNone,
    changes: Stream.never
  }),
  Layer.succeed(DemoTraffic, {
    counters: Effect.succeed({ sent: 5, verified: 4, refused: 1, failed: 0, lastProblem: "relay was served before" }),
    stop: Effect.void
  }),
  Layer.succeed(Screen, {
    line: (text) => Effect.sync(() => void lines.push(text)),
    picture: () => Effect.void
  })
).pipe(Layer.provide(EntropySeeded.layer), Layer.provideMerge(MemoryStores.layer))

const opened = (sessionId: string): SessionEvent =>
  SessionEvent.cases.SessionOpened.make({
    supplier: key.address,
    application: "pokt1application",
    service: "demo-eth",
    sessionId,
    startHeight: 1n,
    endHeight: 6n,
    computeUnitsPerRelay: 100n
  })

/** Stores a session with these events. */
const record = Effect.fnUntraced(function* (session: string, events: ReadonlyArray<SessionEvent>) {
  const leases = yield* Leases
  const store = yield* SupplierStore
  const [supplier] = yield* SupplierKeys.use((keys) => keys.held)
  const lease = Option.getOrThrow(yield* leases.acquire(supplier!, "test"))
  yield* store.commit(lease, {
    session: SessionId.make(session),
    expectedVersion: 0,
    leaves: [],
    root: new Uint8Array(48),
    count: 0n,
    sum: 0n,
    events: [opened(session), ...events],
    checkpoint: Option.none(),
    acknowledged: []
  })
  yield* leases.release(lease)
})

describe("RunDemo", () => {
  it.effect("ends well with the first settlement", () =>
    Effect.gen(function* () {
      yield* record("aa", [
        SessionEvent.cases.Settled.make({ claimed: 900n, paid: 840n, overserviced: 60n, height: 12n })
      ])
      const run = yield* makeDemoRun("http://here")
      yield* run.watch(true)
      const progress = yield* run.look
      assert.deepStrictEqual([progress.settled, progress.unpaid, progress.earned], [1, 0, 840n])
    }).pipe(Effect.provide(world))
  )

  it.effect("fails with the reason of the first session that did not earn", () =>
    Effect.gen(function* () {
      yield* record("bb", [
        SessionEvent.cases.Expired.make({ reason: "PROOF_MISSING", slashed: 320_000_000n, height: 12n })
      ])
      const run = yield* makeDemoRun("http://here")
      const exit = yield* Effect.exit(run.watch(true))
      assert.isTrue(Exit.isFailure(exit))
      const error = yield* Effect.flip(run.watch(true))
      assert.match(error.message, /^bb demo-eth …\w{6} expired \(PROOF_MISSING\), slashed 320000000 uPOKT$/)
    }).pipe(Effect.provide(world))
  )

  it.effect("fails when no session is settled in time, with what the gateway saw last", () =>
    Effect.gen(function* () {
      const run = yield* makeDemoRun("http://here")
      const watching = yield* Effect.forkChild(Effect.flip(run.watch(true)))
      yield* TestClock.adjust("61 seconds")
      const error = yield* Fiber.join(watching)
      assert.strictEqual(
        error.message,
        "no session was settled within 1m; 4 relays were verified, last problem: relay was served before"
      )
    }).pipe(Effect.provide(world))
  )

  it.effect("draws no more rows than the terminal has, the newest sessions last", () =>
    Effect.gen(function* () {
      for (let i = 10; i < 60; i++) yield* record(`${i}`, [])
      const run = yield* makeDemoRun("http://here")
      const progress = yield* run.look
      for (const rows of [10, 24, 50]) {
        const drawn = picture(progress, { columns: 79, rows })
        assert.isBelow(drawn.length, rows)
        assert.isTrue(drawn.every((line) => line.length <= 79))
        assert.include(drawn.at(-2), "59 demo-eth")
        assert.match(drawn.at(-1) ?? "", /^… and \d+ earlier$/)
      }
    }).pipe(Effect.provide(world))
  )
})
