/** What the suites of `SupplierStore` need of an adapter, and the steps they share. */
import { assert } from "@effect/vitest"
import { Context, Duration, Effect, type Fiber, type Layer, Option } from "effect"
import type { Lease } from "../../domain/ports/Leases.ts"
import { Leases } from "../../domain/ports/Leases.ts"
import { RelayLog } from "../../domain/ports/RelayLog.ts"
import { type Delivery, type SessionCommit, SupplierStore } from "../../domain/ports/SupplierStore.ts"
import type { SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { aCommit, alice, anEntry, first } from "./StoreFixtures.ts"
import { beyond, type Timing } from "./Timing.ts"

/** Looks at what the port does not show. */
export class StoreInspector extends Context.Service<
  StoreInspector,
  {
    /** Entries set aside for a supplier, oldest first. */
    readonly setAside: (
      supplier: SupplierAddress
    ) => Effect.Effect<ReadonlyArray<{ readonly id: string; readonly reason: string }>>
    /** How many are kept. */
    readonly setAsideLimit: number
  }
>()("relaymill/test/contract/StoreInspector") {}

export type StorePorts = SupplierStore | RelayLog | Leases | StoreInspector

/** One adapter under test. The layer gives fresh and empty stores each time it is built. */
export interface StoreWorld {
  readonly name: string
  readonly layer: Layer.Layer<StorePorts>
  readonly timing: Timing
}

/** Waits that end only when nothing comes. */
export const SHORT = Duration.millis(300)
/** Waits that no test sees the end of. */
export const LONG = Duration.seconds(20)

/** Registers one test over fresh stores. */
export const storeTest =
  ({ layer, timing }: StoreWorld) =>
  <E>(name: string, body: () => Effect.Effect<void, E, StorePorts>): void => {
    timing.it(name, () => Effect.provide(Effect.suspend(body), layer))
  }

/** Acquires, and fails the test if somebody else holds the supplier. */
export const acquire = Effect.fnUntraced(function* (supplier: SupplierAddress = alice, owner = "replica-1") {
  const leases = yield* Leases
  return Option.getOrThrow(yield* leases.acquire(supplier, owner))
})

/** Gives the supplier up and lets another replica take it. */
export const handOver = Effect.fnUntraced(function* (lease: Lease, owner = "replica-2") {
  const leases = yield* Leases
  yield* leases.release(lease)
  return yield* acquire(lease.supplier, owner)
})

/** Lets the lease end by itself and another replica take it. */
export const takeOver = Effect.fnUntraced(function* (lease: Lease, { pass }: Timing, owner = "replica-2") {
  const leases = yield* Leases
  yield* pass(beyond(leases.ttl))
  return yield* acquire(lease.supplier, owner)
})

/** Appends relays `from` to `to - 1` for a supplier; returns their ids. */
export const append = (from: number, to: number, supplier: SupplierAddress = alice) =>
  RelayLog.use((log) =>
    Effect.forEach(
      Array.from({ length: to - from }, (_, index) => anEntry(from + index, { supplierOperatorAddress: supplier })),
      log.append
    )
  )

/** What is there now, at most `max`. */
export const takeNow = (lease: Lease, max = 100) =>
  SupplierStore.use((store) => store.deliveries(lease, max, Duration.zero))

/** Everything that is due, in several calls and without an end of its own when nothing is. */
export const takeAll = Effect.fnUntraced(function* (lease: Lease) {
  const all: Array<Delivery> = []
  for (;;) {
    const taken = yield* takeNow(lease, 7)
    if (taken.length === 0) return all
    all.push(...taken)
  }
})

/** Commits on top of what is stored. */
export const commit = (lease: Lease, change: Partial<SessionCommit>) =>
  SupplierStore.use((store) => store.commit(lease, aCommit(change)))

export const load = (session: SessionId = first, supplier: SupplierAddress = alice) =>
  SupplierStore.use((store) => Effect.map(store.load(supplier, session), Option.getOrThrow))

export const idsOf = (deliveries: ReadonlyArray<Delivery>): ReadonlyArray<string> => deliveries.map(({ id }) => id)

/** Fails the test if the fiber goes on. */
export const assertWaits = (fiber: Fiber.Fiber<unknown, unknown>) =>
  Effect.sync(() => assert.isUndefined(fiber.pollUnsafe(), "it should still wait"))

/** Fails the test if the fiber still waits. */
export const assertDone = (fiber: Fiber.Fiber<unknown, unknown>) =>
  Effect.sync(() => assert.isDefined(fiber.pollUnsafe(), "it should have ended"))
