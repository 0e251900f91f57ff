/** What every `Leases` must do. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, type Layer, Option } from "effect"
import { type Lease, Leases } from "../../domain/ports/Leases.ts"
import { SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { alice, bob, renewOne } from "./StoreFixtures.ts"
import { beyond, type Timing } from "./Timing.ts"

/** One adapter under test. The layer gives a fresh and empty store each time it is built. */
export interface LeasesWorld {
  readonly name: string
  readonly layer: Layer.Layer<Leases>
  readonly timing: Timing
}

/** Registers the suite for one adapter. */
export const leasesContract = ({ name, layer, timing }: LeasesWorld): void => {
  const { it, pass } = timing
  const test = <E>(title: string, body: (leases: Leases["Service"]) => Effect.Effect<void, E>) =>
    it(title, () => Effect.provide(Leases.use(body), layer))
  const passPart = (leases: Leases["Service"], part: number) => pass(Duration.times(leases.ttl, part))
  const isLost = Effect.fnUntraced(function* (leases: Leases["Service"], lease: Lease) {
    const error = yield* Effect.flip(renewOne(leases, lease))
    assert.deepInclude(error, { _tag: "LeaseLost", supplier: lease.supplier, owner: lease.owner })
  })

  describe(`Leases, ${name}`, () => {
    test("gives a free supplier to who asks first, with all facts of the acquisition", (leases) =>
      Effect.gen(function* () {
        const lease = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
        assert.deepInclude(lease, { supplier: alice, owner: "replica-1" })
        assert.isAtLeast(lease.nonce.length, 16)
      }))

    test("gives a held supplier to nobody, its owner included", (leases) =>
      Effect.gen(function* () {
        yield* leases.acquire(alice, "replica-1")
        assert.isTrue(Option.isNone(yield* leases.acquire(alice, "replica-2")))
        assert.isTrue(Option.isNone(yield* leases.acquire(alice, "replica-1")))
      }))

    test("holds suppliers apart", (leases) =>
      Effect.gen(function* () {
        const ofAlice = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
        const ofBob = Option.getOrThrow(yield* leases.acquire(bob, "replica-2"))
        yield* leases.release(ofAlice)
        yield* renewOne(leases, ofBob)
        yield* isLost(leases, ofAlice)
      }))

    test("gives each acquisition another nonce and a higher epoch", (leases) =>
      Effect.gen(function* () {
        const seen: Array<Lease> = []
        for (let n = 0; n < 20; n++) {
          const lease = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
          yield* leases.release(lease)
          seen.push(lease)
        }
        assert.strictEqual(new Set(seen.map(({ nonce }) => nonce)).size, 20)
        for (const [n, lease] of seen.entries()) if (n > 0) assert.isAbove(lease.epoch, seen[n - 1]!.epoch)
      }))

    test("gives one of many that ask at once", (leases) =>
      Effect.gen(function* () {
        const asked = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, n) => `replica-${n}`),
          (owner) => leases.acquire(alice, owner),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(asked.filter(Option.isSome), 1)
      }))

    test("ends after its life", (leases) =>
      Effect.gen(function* () {
        yield* leases.acquire(alice, "replica-1")
        yield* passPart(leases, 0.5)
        assert.isTrue(Option.isNone(yield* leases.acquire(alice, "replica-2")))
        yield* pass(beyond(leases.ttl))
        assert.isTrue(Option.isSome(yield* leases.acquire(alice, "replica-2")))
      }))

    test("lives a full life from each renewal", (leases) =>
      Effect.gen(function* () {
        const lease = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
        for (let renewal = 0; renewal < 4; renewal++) {
          yield* passPart(leases, 0.6)
          yield* renewOne(leases, lease)
        }
        yield* passPart(leases, 0.6)
        assert.isTrue(Option.isNone(yield* leases.acquire(alice, "replica-2")))
        yield* pass(beyond(leases.ttl))
        assert.isTrue(Option.isSome(yield* leases.acquire(alice, "replica-2")))
      }))

    test("cannot be renewed after its end, even if nobody took it", (leases) =>
      Effect.gen(function* () {
        const lease = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
        yield* pass(beyond(leases.ttl))
        yield* isLost(leases, lease)
        assert.isTrue(Option.isSome(yield* leases.acquire(alice, "replica-2")))
      }))

    test("cannot be renewed once another holds it, and that one's life stays as it was", (leases) =>
      Effect.gen(function* () {
        const lost = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
        yield* pass(beyond(leases.ttl))
        yield* leases.acquire(alice, "replica-2")
        yield* passPart(leases, 0.6)
        yield* isLost(leases, lost)
        yield* passPart(leases, 0.6)
        assert.isTrue(Option.isSome(yield* leases.acquire(alice, "replica-3")))
      }))

    test("renews many at the same time, each with its own answer", (leases) =>
      Effect.gen(function* () {
        const suppliers = Array.from({ length: 40 }, (_, n) => SupplierAddress.make(`pokt1renewed${n}`))
        const held = yield* Effect.forEach(suppliers, (supplier) => leases.acquire(supplier, "replica-1"))
        const all = held.map((lease) => Option.getOrThrow(lease))
        const lost = all.filter((_, n) => n % 7 === 3)
        for (const lease of lost) yield* leases.release(lease)
        const outcomes = yield* leases.renew(all)
        assert.deepStrictEqual(
          all.filter((_, n) => outcomes[n]?._tag === "Failure"),
          lost
        )
        for (const lease of lost) yield* isLost(leases, lease)
      }))

    test("can be acquired by others at once when released, and is lost to its owner", (leases) =>
      Effect.gen(function* () {
        const lease = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
        yield* leases.release(lease)
        yield* isLost(leases, lease)
        assert.isTrue(Option.isSome(yield* leases.acquire(alice, "replica-2")))
      }))

    test("may be released when it is lost: that is no error and takes nothing from its new owner", (leases) =>
      Effect.gen(function* () {
        const lost = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
        yield* pass(beyond(leases.ttl))
        yield* leases.release(lost)
        const next = Option.getOrThrow(yield* leases.acquire(alice, "replica-2"))
        yield* leases.release(lost)
        yield* renewOne(leases, next)
        yield* leases.release(next)
        yield* leases.release(next)
      }))

    test("knows an acquisition by its nonce, not by its owner or epoch", (leases) =>
      Effect.gen(function* () {
        const lease = Option.getOrThrow(yield* leases.acquire(alice, "replica-1"))
        yield* isLost(leases, { ...lease, nonce: `${lease.nonce.slice(1)}0` })
        yield* leases.release({ ...lease, nonce: "" })
        yield* renewOne(leases, { ...lease, owner: "renamed", epoch: 99 })
      }))

    test("moves a supplier between two replicas that both want it, never to both", (leases) =>
      Effect.gen(function* () {
        const suppliers = [1, 2, 3].map((n) => SupplierAddress.make(`pokt1supplier${n}`))
        const held = new Map<string, string>()
        const replica = (owner: string) =>
          Effect.forEach(
            Array.from({ length: 30 }, (_, n) => suppliers[n % suppliers.length]!),
            (supplier) =>
              Effect.gen(function* () {
                const lease = yield* leases.acquire(supplier, owner)
                if (Option.isNone(lease)) return
                assert.isUndefined(held.get(supplier))
                held.set(supplier, owner)
                yield* Effect.yieldNow
                held.delete(supplier)
                yield* leases.release(lease.value)
              })
          )
        yield* Effect.all([replica("replica-1"), replica("replica-2")], { concurrency: "unbounded" })
      }))

    describe("replicas", () => {
      test("are none before one is announced", (leases) =>
        Effect.gen(function* () {
          yield* leases.acquire(alice, "replica-1")
          assert.deepStrictEqual(yield* leases.replicas, [])
        }))

      test("are those announced, ascending, each once", (leases) =>
        Effect.gen(function* () {
          for (const owner of ["c", "a", "b", "a"]) yield* leases.announce(owner)
          assert.deepStrictEqual(yield* leases.replicas, ["a", "b", "c"])
        }))

      test("are gone at once when they withdraw, may come back, and keep their leases meanwhile", (leases) =>
        Effect.gen(function* () {
          const lease = Option.getOrThrow(yield* leases.acquire(alice, "a"))
          yield* leases.announce("a")
          yield* leases.announce("b")
          yield* leases.withdraw("a")
          yield* leases.withdraw("a")
          yield* leases.withdraw("never announced")
          assert.deepStrictEqual(yield* leases.replicas, ["b"])
          yield* renewOne(leases, lease)
          yield* leases.announce("a")
          assert.deepStrictEqual(yield* leases.replicas, ["a", "b"])
        }))

      test("are gone one life after their last announcement", (leases) =>
        Effect.gen(function* () {
          yield* leases.announce("a")
          yield* leases.announce("b")
          yield* passPart(leases, 0.6)
          yield* leases.announce("b")
          yield* passPart(leases, 0.6)
          assert.deepStrictEqual(yield* leases.replicas, ["b"])
          yield* pass(beyond(leases.ttl))
          assert.deepStrictEqual(yield* leases.replicas, [])
        }))
    })
  })
}
