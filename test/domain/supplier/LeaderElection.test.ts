/** One leader among replicas: it outlives single errors of the store, and stops before another one can begin. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Layer, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as LeadershipMemory from "../../../adapters/memory/LeadershipMemory.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import { Leadership, LeadershipUnavailable } from "../../../domain/ports/Leadership.ts"
import { HEARTBEAT, LEADER_TTL, startLeaderElection } from "../../../domain/supplier/LeaderElection.ts"

const world = Effect.map(
  Layer.build(LeadershipMemory.layer.pipe(Layer.provideMerge(Layer.fresh(MemoryStores.layer)))),
  (context) => Context.get(context, Leadership)
)

/** A replica whose work counts how often it began, and whether it runs. */
const replica = Effect.fnUntraced(function* (
  name: string,
  leadership: Leadership["Service"],
  run: Effect.Effect<unknown, unknown> = Effect.never
) {
  const scope = yield* Scope.make()
  const work = { begun: 0, running: 0 }
  const counted = Effect.acquireUseRelease(
    Effect.sync(() => {
      work.begun++
      work.running++
    }),
    () => run,
    () => Effect.sync(() => work.running--)
  )
  const election = yield* startLeaderElection({ replica: name, heartbeat: HEARTBEAT }, [
    { name: "counted", run: counted }
  ]).pipe(Effect.provideService(Leadership, leadership), Scope.provide(scope))
  yield* TestClock.adjust("10 millis")
  return { work, election, crash: Scope.close(scope, Exit.void) }
})

const away = (operation: LeadershipUnavailable["operation"]) =>
  Effect.fail(new LeadershipUnavailable({ operation, cause: "away" }))

const pass = (seconds: number) =>
  Effect.forEach(Array.from({ length: seconds * 2 }), () => TestClock.adjust("500 millis"), { discard: true })

describe("the election", () => {
  it("lasts 30 s and is renewed every 10 s, as in Go", () => {
    assert.deepStrictEqual([LEADER_TTL, HEARTBEAT].map(Duration.toSeconds), [30, 10])
  })

  it.effect("lets one of two lead at once, and the other when the first one stops in order", () =>
    Effect.gen(function* () {
      const leadership = yield* world
      const a = yield* replica("a", leadership)
      const b = yield* replica("b", leadership)
      assert.deepStrictEqual([a.work.running, b.work.running], [1, 0])
      yield* pass(120)
      assert.deepStrictEqual(a.work, { begun: 1, running: 1 })
      yield* a.election.resign
      assert.isTrue(Option.isNone(yield* leadership.leader))
      yield* pass(11)
      assert.deepStrictEqual([a.work.running, b.work.running], [0, 1])
      assert.isTrue(yield* b.election.isLeader)
      yield* pass(60)
      assert.strictEqual(a.work.begun, 1)
    })
  )

  it.effect("passes on when the leader is killed, within its life and a heartbeat", () =>
    Effect.gen(function* () {
      const leadership = yield* world
      const a = yield* replica("a", leadership)
      const b = yield* replica("b", leadership)
      yield* pass(25)
      yield* a.crash
      yield* pass(41)
      assert.strictEqual(b.work.running, 1)
    })
  )

  it.effect("goes on leading through errors of the store that end in time", () =>
    Effect.gen(function* () {
      const leadership = yield* world
      let isAway = false
      const a = yield* replica("a", {
        ...leadership,
        renew: (name) => Effect.suspend(() => (isAway ? away("renew") : leadership.renew(name)))
      })
      // One renewal fails, then one that hangs without an answer.
      yield* pass(5)
      isAway = true
      yield* pass(10)
      isAway = false
      yield* pass(60)
      assert.deepStrictEqual(a.work, { begun: 1, running: 1 })
    })
  )

  it.effect("stops its work before anybody else can lead, when renewals are not confirmed", () =>
    Effect.gen(function* () {
      const leadership = yield* world
      let isAway = false
      const a = yield* replica("a", {
        ...leadership,
        renew: (name) =>
          Effect.suspend(() =>
            isAway ? Effect.andThen(leadership.renew(name), away("renew")) : leadership.renew(name)
          )
      })
      yield* pass(10)
      isAway = true
      // The last renewal known to have worked was sent at 10 s at the latest; 5 s of the 30 s are margin.
      yield* pass(23)
      assert.strictEqual(a.work.running, 1)
      yield* pass(3)
      assert.strictEqual(a.work.running, 0)
      assert.isFalse(yield* a.election.isLeader)
      isAway = false
      yield* pass(11)
      // Its own leadership was kept alive by calls whose answers were lost.
      assert.deepStrictEqual(a.work, { begun: 2, running: 1 })
    })
  )

  it.effect("stops in time although a renewal hangs for ever", () =>
    Effect.gen(function* () {
      const leadership = yield* world
      const a = yield* replica("a", { ...leadership, renew: () => Effect.never })
      const b = yield* replica("b", leadership)
      yield* pass(26)
      assert.deepStrictEqual([a.work.running, b.work.running], [0, 0])
      // Whoever comes first leads then: one of them.
      yield* pass(15)
      assert.strictEqual(a.work.running + b.work.running, 1)
    })
  )

  it.effect("stops at once when another replica has taken it", () =>
    Effect.gen(function* () {
      const leadership = yield* world
      const a = yield* replica("a", leadership)
      yield* leadership.release("a")
      yield* leadership.acquire("b")
      yield* pass(11)
      assert.strictEqual(a.work.running, 0)
    })
  )

  it.effect("does not lead by an acquisition whose answer took longer than its life", () =>
    Effect.gen(function* () {
      const leadership = yield* world
      const a = yield* replica("a", {
        ...leadership,
        acquire: (name) => Effect.delay(leadership.acquire(name), "9 seconds"),
        ttl: Duration.seconds(10)
      })
      yield* pass(30)
      assert.strictEqual(a.work.begun, 0)
    })
  )

  it.effect("begins work again that failed, and leaves the rest alone", () =>
    Effect.gen(function* () {
      const leadership = yield* world
      const a = yield* replica("a", leadership, Effect.die("broken"))
      yield* pass(11)
      assert.deepStrictEqual(a.work, { begun: 3, running: 0 })
      assert.isTrue(yield* a.election.isLeader)
    })
  )
})
