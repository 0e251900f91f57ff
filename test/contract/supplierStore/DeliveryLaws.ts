/** Deliveries: order, waiting, redelivery, take-over, acknowledgement; nothing is lost, nothing settled comes again. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { Leases } from "../../../domain/ports/Leases.ts"
import { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { compareLogId, SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { decodeMinedRelay, encodeMinedRelay } from "../../../domain/relay/MinedRelay.ts"
import { aLeaf, alice, anEntry, aRelay, aTally, bob, renewOne } from "../StoreFixtures.ts"
import {
  acquire,
  append,
  assertDone,
  assertWaits,
  commit,
  handOver,
  idsOf,
  LONG,
  SHORT,
  storeTest,
  type StoreWorld,
  takeAll,
  takeNow,
  takeOver
} from "../SupplierStoreWorld.ts"
import { beyond } from "../Timing.ts"

export const deliveryLaws = (world: StoreWorld): void => {
  const test = storeTest(world)
  const { pass, settle } = world.timing

  describe("deliveries", () => {
    test("hands out entries oldest first, at most as many as asked for, each once", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const ids = yield* append(0, 5)
        const taken = [yield* takeNow(lease, 2), yield* takeNow(lease, 2), yield* takeNow(lease, 2)]
        assert.deepStrictEqual(taken.map(idsOf), [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)])
        assert.deepStrictEqual(idsOf(yield* takeNow(lease)), [])
      }))

    test("hands out the relay as it was appended", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* append(3, 4)
        const [delivery] = yield* takeNow(lease)
        assert.deepStrictEqual(decodeMinedRelay(delivery!.data), decodedRelay(3))
      }))

    test("keeps suppliers apart", () =>
      Effect.gen(function* () {
        const ofAlice = yield* acquire(alice)
        const ofBob = yield* acquire(bob)
        const ids = yield* append(0, 2, bob)
        assert.deepStrictEqual(idsOf(yield* takeNow(ofAlice)), [])
        assert.deepStrictEqual(idsOf(yield* takeNow(ofBob)), ids)
      }))

    test("waits for the first entry and returns as soon as it comes", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const waiting = yield* Effect.forkChild(store.deliveries(lease, 10, LONG))
        yield* settle
        yield* assertWaits(waiting)
        const ids = yield* append(0, 1)
        yield* settle
        yield* assertDone(waiting)
        assert.deepStrictEqual(idsOf(yield* Fiber.join(waiting)), ids)
      }))

    test("is empty after the wait when nothing came, not before", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const waiting = yield* Effect.forkChild(store.deliveries(lease, 10, SHORT))
        yield* settle
        yield* assertWaits(waiting)
        yield* pass(beyond(SHORT))
        assert.deepStrictEqual(idsOf(yield* Fiber.join(waiting)), [])
      }))

    test("does not end early for entries of another supplier", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const waiting = yield* Effect.forkChild(store.deliveries(lease, 10, LONG))
        yield* settle
        yield* append(0, 1, bob)
        yield* settle
        yield* assertWaits(waiting)
        yield* append(1, 2)
        assert.lengthOf(yield* Fiber.join(waiting), 1)
      }))

    test("gives each entry to one of two calls; the other goes on waiting", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const calls = [
          yield* Effect.forkChild(store.deliveries(lease, 1, LONG)),
          yield* Effect.forkChild(store.deliveries(lease, 1, LONG))
        ]
        yield* settle
        const [one] = yield* append(0, 1)
        yield* settle
        assert.lengthOf(
          calls.filter((call) => call.pollUnsafe() !== undefined),
          1
        )
        const [other] = yield* append(1, 2)
        const taken = yield* Effect.forEach(calls, Fiber.join)
        assert.deepStrictEqual(taken.flatMap(idsOf).sort(compareLogId), [one, other])
      }))

    test("loses nothing when a call is interrupted while it waits", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const waiting = yield* Effect.forkChild(store.deliveries(lease, 10, LONG))
        yield* settle
        yield* Fiber.interrupt(waiting)
        const ids = yield* append(0, 3)
        yield* settle
        yield* store.redeliver(lease)
        assert.deepStrictEqual(idsOf(yield* takeAll(lease)), ids)
      }))

    test("loses nothing when a call is interrupted while entries come in", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const leases = yield* Leases
        const lease = yield* acquire()
        for (let round = 0; round < 20; round++) {
          yield* renewOne(leases, lease)
          const waiting = yield* Effect.forkChild(store.deliveries(lease, 10, LONG))
          if (round % 2 === 0) yield* settle
          const [ids] = yield* Effect.all([append(0, 2), Fiber.interrupt(waiting)], { concurrency: "unbounded" })
          yield* store.redeliver(lease)
          assert.deepStrictEqual(idsOf(yield* takeAll(lease)), ids)
          yield* store.setAside(lease, yield* redelivered(lease), "poison")
        }
      }))

    test("after redeliver hands out again what is not acknowledged, before anything new", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const ids = yield* append(0, 4)
        yield* takeNow(lease, 3)
        yield* commit(lease, { acknowledged: [ids[1]!] })
        yield* store.redeliver(lease)
        assert.deepStrictEqual(idsOf(yield* takeNow(lease, 1)), [ids[0]!])
        assert.deepStrictEqual(idsOf(yield* takeNow(lease)), [ids[2]!, ids[3]!])
        yield* store.redeliver(lease)
        assert.deepStrictEqual(idsOf(yield* takeNow(lease)), [ids[0]!, ids[2]!, ids[3]!])
      }))

    test("passes over what was acknowledged between redeliver and the next call", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const ids = yield* append(0, 3)
        yield* takeNow(lease)
        yield* store.redeliver(lease)
        yield* commit(lease, { acknowledged: [ids[0]!, ids[2]!] })
        assert.deepStrictEqual(idsOf(yield* takeNow(lease)), [ids[1]!])
      }))

    for (const how of ["released", "expired"] as const) {
      test(`gives the next owner first what the last one left unacknowledged, oldest first (lease ${how})`, () =>
        Effect.gen(function* () {
          const lease = yield* acquire()
          const ids = yield* append(0, 6)
          yield* takeNow(lease, 4)
          yield* commit(lease, { acknowledged: [ids[1]!] })
          const next = how === "released" ? yield* handOver(lease) : yield* takeOver(lease, world.timing)
          const [fresh] = yield* append(6, 7)
          assert.deepStrictEqual(idsOf(yield* takeNow(next, 2)), [ids[0]!, ids[2]!])
          assert.deepStrictEqual(idsOf(yield* takeAll(next)), [ids[3]!, ids[4]!, ids[5]!, fresh!])
        }))
    }

    test("gives it also to the same replica when it acquires again", () =>
      Effect.gen(function* () {
        const lease = yield* acquire(alice, "replica-1")
        const ids = yield* append(0, 2)
        yield* takeNow(lease)
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease, "replica-1"))), ids)
      }))

    test("passes it on through any number of owners", () =>
      Effect.gen(function* () {
        let lease = yield* acquire()
        const ids = yield* append(0, 9)
        for (let owner = 0; owner < 6; owner++) {
          yield* takeNow(lease, owner)
          lease = yield* handOver(lease, `replica-${owner}`)
        }
        assert.deepStrictEqual(idsOf(yield* takeAll(lease)), ids)
      }))

    test("never hands out again what a commit acknowledged", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const ids = yield* append(0, 3)
        yield* takeNow(lease)
        yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), acknowledged: ids })
        yield* store.redeliver(lease)
        assert.deepStrictEqual(idsOf(yield* takeAll(lease)), [])
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease))), [])
      }))

    test("accepts an acknowledgement twice", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const ids = yield* append(0, 2)
        yield* takeNow(lease)
        yield* commit(lease, { acknowledged: [ids[0]!, ids[0]!] })
        yield* commit(lease, { expectedVersion: 1, acknowledged: [ids[0]!] })
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease))), [ids[1]!])
      }))

    test("acknowledges for the next owner what an earlier one had taken", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const ids = yield* append(0, 2)
        yield* takeNow(lease)
        const next = yield* handOver(lease)
        yield* takeNow(next)
        yield* commit(next, { acknowledged: ids })
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(next))), [])
      }))

    test("ends with the lease: an owner that lost it gets nothing, the next one gets all", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const leases = yield* Leases
        const lease = yield* acquire()
        const waiting = yield* Effect.forkChild(Effect.flip(store.deliveries(lease, 10, beyond(leases.ttl))))
        yield* settle
        const next = yield* takeOver(lease, world.timing)
        const ids = yield* append(0, 2)
        yield* pass(beyond(SHORT))
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "LeaseLost")
        assert.deepStrictEqual(idsOf(yield* store.deliveries(next, 10, LONG)), ids)
      }))

    test("goes through a long log to its end, whatever was settled on the way", () =>
      Effect.gen(function* () {
        const leases = yield* Leases
        const lease = yield* acquire()
        const ids = yield* append(0, 2_500)
        const seen: Array<string> = []
        for (let version = 0; seen.length < 4_000; version++) {
          yield* renewOne(leases, lease)
          const taken = idsOf(yield* takeNow(lease, 500))
          seen.push(...taken)
          yield* commit(lease, { expectedVersion: version, acknowledged: taken.slice(0, 400) })
          if (version < 3) ids.push(...(yield* append(2_500 + version * 500, 3_000 + version * 500)))
        }
        assert.deepStrictEqual(seen, ids)
        const left = ids.filter((_, index) => index % 500 >= 400)
        assert.deepStrictEqual(idsOf(yield* takeNow(yield* handOver(lease), 4_000)), left)
      }))

    test("loses and doubles nothing while relays come in and go out at once", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const log = yield* RelayLog
        const lease = yield* acquire()
        const seen: Array<string> = []
        const reader = Effect.gen(function* () {
          while (seen.length < 60) seen.push(...idsOf(yield* store.deliveries(lease, 4, SHORT)))
        })
        const writers = Effect.forEach(
          [0, 1, 2],
          (writer) =>
            Effect.forEach(
              Array.from({ length: 20 }, (_, n) => anEntry(writer * 20 + n)),
              log.append
            ),
          { concurrency: "unbounded" }
        )
        const [, ids] = yield* Effect.all([reader, writers], { concurrency: "unbounded" })
        assert.deepStrictEqual(seen, ids.flat().sort(compareLogId))
      }))
  })

  describe("backlog", () => {
    test("shows no ids before the first entry", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        assert.deepStrictEqual(yield* store.backlog(yield* acquire()), {
          lastGenerated: "0-0",
          lastDelivered: "0-0",
          oldestPending: Option.none(),
          lowestSpooledSessionEnd: Option.none()
        })
      }))

    test("follows entries in, out, and acknowledged in any order", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const [a, b, c, d] = yield* append(0, 4)
        yield* marksAre(lease, d!, "0-0", undefined)
        yield* takeNow(lease, 3)
        yield* marksAre(lease, d!, c!, a)
        yield* commit(lease, { acknowledged: [b!] })
        yield* marksAre(lease, d!, c!, a)
        yield* commit(lease, { expectedVersion: 1, acknowledged: [a!] })
        yield* marksAre(lease, d!, c!, c)
        yield* commit(lease, { expectedVersion: 2, acknowledged: [c!] })
        yield* marksAre(lease, d!, c!, undefined)
        const [e] = yield* append(4, 5)
        yield* marksAre(lease, e!, c!, undefined)
        yield* takeNow(lease)
        yield* marksAre(lease, e!, e!, d)
      }))

    test("does not change with redelivery or a new owner", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const [a, b, c] = yield* append(0, 3)
        yield* takeNow(lease, 2)
        yield* store.redeliver(lease)
        yield* marksAre(lease, c!, b!, a)
        const next = yield* handOver(lease)
        yield* marksAre(next, c!, b!, a)
        yield* takeNow(next, 1)
        yield* marksAre(next, c!, b!, a)
        yield* commit(next, { acknowledged: [a!] })
        yield* marksAre(next, c!, b!, b)
      }))

    test("counts as pending what an interrupted owner holds", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const [a, b] = yield* append(0, 2)
        yield* takeNow(lease)
        yield* marksAre(yield* takeOver(lease, world.timing), b!, b!, a)
      }))

    test("keeps suppliers apart", () =>
      Effect.gen(function* () {
        const lease = yield* acquire(alice)
        yield* append(0, 2, bob)
        yield* takeNow(yield* acquire(bob))
        yield* marksAre(lease, "0-0", "0-0", undefined)
      }))
  })
}

const decodedRelay = (n: number) => decodeMinedRelay(encodeMinedRelay(aRelay(n)))

const redelivered = Effect.fnUntraced(function* (lease: Parameters<typeof takeNow>[0]) {
  const store = yield* SupplierStore
  yield* store.redeliver(lease)
  return yield* takeAll(lease)
})

const marksAre = Effect.fnUntraced(function* (
  lease: Parameters<typeof takeNow>[0],
  lastGenerated: string,
  lastDelivered: string,
  oldestPending: string | undefined
) {
  const store = yield* SupplierStore
  assert.deepStrictEqual(yield* store.backlog(lease), {
    lastGenerated,
    lastDelivered,
    oldestPending: Option.fromUndefinedOr(oldestPending),
    lowestSpooledSessionEnd: Option.none()
  })
})
