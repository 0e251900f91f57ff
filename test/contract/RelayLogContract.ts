/** What every `RelayLog` must do. What comes out is looked at through the `SupplierStore` over the same state. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, type Layer, Option, Tracer } from "effect"
import type { Leases } from "../../domain/ports/Leases.ts"
import { RelayLog } from "../../domain/ports/RelayLog.ts"
import { compareLogId, SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { decodeMinedRelay, encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { alice, anEntry, aRelay, aTraced, bob } from "./StoreFixtures.ts"
import { acquire, append, commit, idsOf, takeAll, takeNow } from "./SupplierStoreWorld.ts"
import { beyond, type Timing } from "./Timing.ts"

type LogPorts = RelayLog | SupplierStore | Leases

/** One adapter under test. Layers give fresh and empty stores each time they are built. */
export interface RelayLogWorld {
  readonly name: string
  readonly layer: Layer.Layer<LogPorts>
  /** A log of few entries for each supplier. */
  readonly small: { readonly layer: Layer.Layer<LogPorts>; readonly limit: number }
  /** Life of a spool announcement. */
  readonly announcementLife: Duration.Duration
  readonly timing: Timing
}

/** Registers the suite for one adapter. */
export const relayLogContract = ({ name, layer, small, announcementLife, timing }: RelayLogWorld): void => {
  const { it, pass } = timing
  const test = <E>(title: string, body: Effect.Effect<void, E, LogPorts>) =>
    it(title, () => Effect.provide(body, layer))

  describe(`RelayLog, ${name}`, () => {
    test(
      "returns ids that ascend, for quick appends and slow ones",
      Effect.gen(function* () {
        const ids = [...(yield* append(0, 50))]
        yield* pass(Duration.millis(20))
        ids.push(...(yield* append(50, 53)))
        for (const [index, id] of ids.entries()) {
          assert.match(id, /^\d+-\d+$/)
          if (index > 0) assert.isBelow(compareLogId(ids[index - 1]!, id), 0)
        }
      })
    )

    test(
      "returns the id under which the entry is delivered",
      Effect.gen(function* () {
        const ids = yield* append(0, 3)
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* acquire())), ids)
      })
    )

    test(
      "keeps what is appended before anybody owns the supplier",
      Effect.gen(function* () {
        const ids = yield* append(0, 3)
        yield* pass(Duration.millis(100))
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* acquire())), ids)
      })
    )

    test(
      "keeps appends of several relayers at once, each once",
      Effect.gen(function* () {
        const log = yield* RelayLog
        const ids = yield* Effect.forEach(
          Array.from({ length: 100 }, (_, n) => n),
          (n) => log.append(anEntry(n)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(ids).size, 100)
        const taken = yield* takeAll(yield* acquire())
        assert.deepStrictEqual(idsOf(taken), ids.toSorted(compareLogId))
        const byId = new Map(taken.map(({ id, data }) => [id, data]))
        for (const [n, id] of ids.entries()) {
          assert.deepStrictEqual(decodeMinedRelay(byId.get(id)!), decodeMinedRelay(encodeMinedRelay(aRelay(n))))
        }
      })
    )

    test(
      "takes the same relay twice: doubles are the trie's to drop",
      Effect.gen(function* () {
        const log = yield* RelayLog
        const ids = [yield* log.append(anEntry(1)), yield* log.append(anEntry(1))]
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* acquire())), ids)
      })
    )

    test(
      "writes to the log of the relay's supplier",
      Effect.gen(function* () {
        const ofBob = yield* append(0, 1, bob)
        const ofAlice = yield* append(1, 2, alice)
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* acquire(alice))), ofAlice)
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* acquire(bob))), ofBob)
      })
    )

    test(
      "carries the trace context of a sampled relay, and none of others",
      Effect.gen(function* () {
        const log = yield* RelayLog
        const span = Tracer.externalSpan({
          traceId: "0123456789abcdef0123456789abcdef",
          spanId: "0123456789abcdef",
          sampled: true
        })
        yield* log.append(anEntry(1))
        yield* log.append(aTraced(2, span))
        const [plain, traced] = yield* takeNow(yield* acquire())
        assert.isTrue(Option.isNone(plain!.trace))
        const { traceId, spanId, sampled } = Option.getOrThrow(traced!.trace)
        assert.deepStrictEqual(
          { traceId, spanId, sampled },
          { traceId: span.traceId, spanId: span.spanId, sampled: true }
        )
      })
    )

    it("refuses above the high-water mark, writes nothing then, and goes on once entries are settled", () =>
      Effect.gen(function* () {
        const log = yield* RelayLog
        const store = yield* SupplierStore
        const ids = yield* append(0, small.limit)
        const lease = yield* acquire()
        const error = yield* Effect.flip(log.append(anEntry(99)))
        assert.deepInclude(error, {
          _tag: "RelayLogFull",
          supplier: alice,
          entries: small.limit,
          limit: small.limit
        })
        assert.strictEqual((yield* store.backlog(lease)).lastGenerated, ids.at(-1))
        yield* takeNow(lease)
        assert.strictEqual((yield* Effect.flip(log.append(anEntry(99))))._tag, "RelayLogFull")
        yield* append(0, 1, bob)
        yield* commit(lease, { acknowledged: ids.slice(0, 1) })
        const [later] = yield* append(100, 101)
        assert.deepStrictEqual(idsOf(yield* takeNow(lease)), [later!])
      }).pipe(Effect.provide(small.layer)))

    describe("spool announcements", () => {
      const lowest = Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = { supplier: alice, nonce: "", owner: "", epoch: 0 }
        return Option.getOrUndefined((yield* store.backlog(lease)).lowestSpooledSessionEnd)
      })

      test(
        "show the lowest session end of all relayers",
        Effect.gen(function* () {
          const log = yield* RelayLog
          yield* log.announceSpool("relayer-1", Option.some(50n))
          assert.strictEqual(yield* lowest, 50n)
          yield* log.announceSpool("relayer-2", Option.some(40n))
          yield* log.announceSpool("relayer-3", Option.some(9_223_372_036_854_775_807n))
          assert.strictEqual(yield* lowest, 40n)
        })
      )

      test(
        "are replaced by the relayer's next one and withdrawn by none",
        Effect.gen(function* () {
          const log = yield* RelayLog
          yield* log.announceSpool("relayer-1", Option.some(40n))
          yield* log.announceSpool("relayer-2", Option.some(45n))
          yield* log.announceSpool("relayer-1", Option.some(60n))
          assert.strictEqual(yield* lowest, 45n)
          yield* log.announceSpool("relayer-2", Option.none())
          assert.strictEqual(yield* lowest, 60n)
          yield* log.announceSpool("relayer-1", Option.none())
          yield* log.announceSpool("relayer-1", Option.none())
          assert.isUndefined(yield* lowest)
        })
      )

      test(
        "end by themselves unless repeated",
        Effect.gen(function* () {
          const log = yield* RelayLog
          yield* log.announceSpool("relayer-1", Option.some(40n))
          yield* log.announceSpool("relayer-2", Option.some(50n))
          yield* pass(Duration.times(announcementLife, 0.9))
          assert.strictEqual(yield* lowest, 40n)
          yield* log.announceSpool("relayer-2", Option.some(50n))
          yield* pass(Duration.times(announcementLife, 0.2))
          assert.strictEqual(yield* lowest, 50n)
          yield* pass(beyond(announcementLife))
          assert.isUndefined(yield* lowest)
        })
      )
    })
  })
}
