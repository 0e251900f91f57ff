/**
 * Faults that go wrong together: each composition aims two or three at the same moment of what a run does, where drawn one
 * by one they would seldom meet. Its faults are as good as any other, and each can be left out.
 */
import { effectOf, type Fault, type FaultTargets, type StepTrigger, type Weather } from "./Faults.ts"
import type { SeededRandom } from "./SeededRandom.ts"

/** What a run does when, in virtual milliseconds from its start. */
export interface CompositionTargets extends Pick<FaultTargets, "suppliers" | "blockMillis"> {
  readonly sessions: ReadonlyArray<SessionTimes>
  readonly leaseMillis: number
}

/** One session of the traffic. */
export interface SessionTimes {
  /** Indexes and times of its good requests. */
  readonly requests: ReadonlyArray<{ readonly nth: number; readonly at: number; readonly supplier: number }>
  /** Moment of the last block in which it is served. */
  readonly servedUntil: number
  /** Moment of the block at which it can be sealed first. */
  readonly sealedFrom: number
  /** Moments of the first and the last block of its claim and proof windows. */
  readonly claim: readonly [opens: number, closes: number]
  readonly proof: readonly [opens: number, closes: number]
}

export interface Composition {
  /** Needs windows of eight and five blocks: there is time in them for one owner after another. */
  readonly isLong: boolean
  readonly faults: (random: SeededRandom, targets: CompositionTargets) => ReadonlyArray<Fault>
}

/** The composition of a seed, if any. */
export const drawComposition = (random: SeededRandom, weather: Weather): Composition | undefined => {
  if (weather === "mishap") return random.chance(0.7) ? undefined : succession
  return TROUBLED.has(weather) ? random.pick(compositions) : undefined
}

/**
 * Its faults, and sometimes one more: a stored transaction is recorded for its sessions so slowly that blocks go by before
 * it is sent, in narrow windows the last one that could take it.
 */
export const composedFaults = (
  composition: Composition,
  random: SeededRandom,
  weather: Weather,
  targets: CompositionTargets
): ReadonlyArray<Fault> => {
  const faults = composition.faults(random, targets)
  if (!TROUBLED.has(weather) || !random.chance(0.3)) return faults
  const at = nthOf("SupplierStore.saveIntent", random.between(1, 12))
  return [
    ...faults,
    {
      _tag: "Aftermath",
      at,
      replica: ALL_MINERS,
      calls: ["SupplierStore.commit"],
      after: 0,
      millis: 200,
      effect: "done",
      late: random.between(1, 3) * targets.blockMillis
    }
  ]
}

const TROUBLED = new Set<Weather>(["miners", "chain", "storm"])

const ALL_MINERS = "miner-*"

/** A call of some miner. Broadcasts are few, about one for each session and kind of message. */
const nthOf = (operation: string, nth: number): StepTrigger => ({ replica: ALL_MINERS, operation, nth })

/** A claim takes effect, and for two blocks nobody can read the claims on chain. */
const unreadClaims: Composition = {
  isLong: false,
  faults: (random) => [
    {
      _tag: "Aftermath",
      at: nthOf("ChainTx.broadcast", random.between(1, 10)),
      replica: ALL_MINERS,
      calls: ["ChainQuery.claims"],
      after: random.between(0, 4_000),
      millis: random.between(7_000, 13_000),
      effect: "none"
    }
  ]
}

/** A broadcast is answered with a refusal that leaves open what became of it, and the claims cannot be read either. */
const refusedAndUnread: Composition = {
  isLong: false,
  faults: (random) => {
    const at = nthOf("ChainTx.broadcast", random.between(1, 10))
    return [
      {
        _tag: "Answer",
        at,
        answer: random.pick(["nonce_used", "expired"]),
        effect: random.pick<"none" | "done">(["none", "done"])
      },
      {
        _tag: "Aftermath",
        at,
        replica: ALL_MINERS,
        calls: random.pick([["ChainQuery.claims"], ["ChainQuery.claims", "ChainTx.find"]]),
        after: 0,
        millis: random.between(200, 8_000),
        effect: "none"
      }
    ]
  }
}

/** A commit's reply is lost, and the session cannot be read again. */
const unreadCommit: Composition = {
  isLong: false,
  faults: (random) => {
    const at = nthOf("SupplierStore.commit", random.between(1, 120))
    return [
      { _tag: "Failure", at, effect: effectOf(random) },
      {
        _tag: "Aftermath",
        at,
        replica: ALL_MINERS,
        calls: ["SupplierStore.load"],
        after: 0,
        millis: random.between(300, 6_000),
        effect: "none"
      }
    ]
  }
}

/** When a transaction is in a block, nothing can be recorded of its sessions, and what is stored of them not be read. */
const unreadRecords: Composition = {
  isLong: false,
  faults: (random, { blockMillis }) => [
    {
      _tag: "Aftermath",
      at: nthOf("ChainTx.broadcast", random.between(1, 12)),
      replica: ALL_MINERS,
      calls: ["SupplierStore.commit", "SupplierStore.load"],
      after: random.between(blockMillis - 2_000, blockMillis - 100),
      millis: random.between(2_500, 6_000),
      effect: random.pick<"none" | "done">(["none", "none", "done"])
    }
  ]
}

/** The last relays of a session are delivered, and no hand has them yet, when it can be sealed. */
const unheardAtTheSeal: Composition = {
  isLong: false,
  faults: (random, targets) => {
    const session = random.pick(targets.sessions)
    const { faults, at } = lastRelay(random, targets, session)
    return [...faults, unheard(at - DELIVERY_WAIT_MILLIS, session.sealedFrom + random.between(500, 3_000) - at)]
  }
}

/** The owner dies with the last relays of a session in its hands, and its heir hears of them late. */
const orphanedAtTheSeal: Composition = {
  isLong: true,
  faults: (random, targets) => {
    const session = random.pick(targets.sessions)
    const takeOver = takeOverMillis(targets)
    const { faults, at, supplier } = lastRelay(random, targets, session)
    const dies = at + random.between(50, 1_000)
    return [
      ...faults,
      unheard(at - DELIVERY_WAIT_MILLIS, dies - at),
      { _tag: "OwnersDie", supplier, at: dies, successors: [], restartAfter: random.between(50, 10_000) },
      unheard(dies, random.between(1_200, 4_000), takeOver)
    ]
  }
}

/**
 * Two owners of one supplier die one after the other, while its claims or proofs are due: early enough for a third one to
 * send them. A long lease leaves time for that in the claim window only.
 */
const succession: Composition = {
  isLong: true,
  faults: (random, targets) => {
    const { sessions, suppliers, blockMillis } = targets
    const session = random.pick(sessions)
    const room = 2 * takeOverMillis(targets) + LAST_LOOK_BLOCKS * blockMillis
    const fitting = [session.claim, session.proof].filter(([opens, closes]) => closes - room >= opens - 2 * blockMillis)
    const [opens, closes] = random.pick(fitting)
    return [
      {
        _tag: "OwnersDie",
        supplier: random.between(0, suppliers - 1),
        at: random.between(opens - 3 * blockMillis, closes - room),
        successors: [random.between(0, 1_500)],
        restartAfter: random.between(50, blockMillis)
      }
    ]
  }
}

const compositions: ReadonlyArray<Composition> = [
  unreadClaims,
  refusedAndUnread,
  unreadCommit,
  unreadRecords,
  unheardAtTheSeal,
  orphanedAtTheSeal,
  succession
]

/** Longest time for which a reader waits for deliveries in one call. */
const DELIVERY_WAIT_MILLIS = 1_000

/** A supplier is without an owner for a lease, and until the next look for orphans. */
const takeOverMillis = ({ leaseMillis }: CompositionTargets): number => leaseMillis + 3_000

/** The third owner looks, sends, and a block takes it. */
const LAST_LOOK_BLOCKS = 2

const unheard = (from: number, millis: number, lasts = DELIVERY_WAIT_MILLIS + 200): Fault => ({
  _tag: "Unheard",
  replica: ALL_MINERS,
  span: { from, millis: lasts },
  millis
})

/** A relay that enters the log as late as the session is served: one held back until then, or one that comes twice. */
const lastRelay = (
  random: SeededRandom,
  { suppliers }: CompositionTargets,
  { requests, servedUntil }: SessionTimes
): { readonly faults: ReadonlyArray<Fault>; readonly at: number; readonly supplier: number } => {
  const at = servedUntil - random.between(60, 1_500)
  const request = requests.length === 0 ? undefined : random.pick(requests)
  const supplier = request?.supplier ?? random.between(0, suppliers - 1)
  const twice: Fault = { _tag: "DoubledEntry", supplier, nth: random.between(0, 20), at }
  return {
    faults:
      request === undefined ? [twice] : [twice, { _tag: "LateRequest", nth: request.nth, after: at - request.at }],
    at,
    supplier
  }
}
