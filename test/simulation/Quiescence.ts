/**
 * What must hold when all faults are over and everything had time: the liveness parts of the invariants, and in a run
 * without faults that nothing at all was lost.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Effect, Option } from "effect"
import { claimKey } from "../../adapters/simchain/ChainState.ts"
import type { ChainEvent } from "../../domain/chain/ChainEvents.ts"
import type { SessionEvent } from "../../domain/session/SessionEvent.ts"
import { replay } from "../../domain/session/SessionState.ts"
import { bytesEqual } from "../../domain/smst/TrieSpec.ts"
import { foldOf } from "./SessionFold.ts"
import { applications } from "./Actors.ts"
import type { Scenario } from "./Scenario.ts"
import type { TrafficTally } from "./Traffic.ts"
import type { World } from "./World.ts"

/** Whether nothing is left to do: every session has ended, logs and spools are empty. */
export const isQuiet = ({ view }: World): boolean =>
  view.suppliers.every((supplier) => {
    const { log, sessions } = view.stores.supplier(supplier)
    return log.size === 0 && [...sessions.values()].every((session) => foldOf(session).end !== undefined)
  }) && [...view.spools.values()].every((spool) => spool.size === 0)

/** Checks the liveness parts. The replicas still run. */
export const checkQuiescence = (world: World, tally: TrafficTally) =>
  Effect.gen(function* () {
    world.checkAll()
    checkNothingLeft(world)
    checkEveryRelay(world)
    const settlements = yield* readSettlements(world)
    for (const supplier of world.view.suppliers) {
      for (const [id, { events }] of world.view.stores.supplier(supplier).sessions) {
        checkEnd(world, supplier, id, events, settlements)
        const end = replay(events).header.sessionEndBlockHeight
        if (!world.seals.cameTooLate(supplier, id, end)) world.ability.judge(supplier, id, end, events)
      }
    }
    checkCharges(world)
    const { weather, faults } = world.view.scenario
    if (weather === "calm" && faults.length === 0) checkCalm(world, tally)
    if (weather === "mishap" || weather === "relayers") checkNothingMissed(world)
  })

/** Checks what the graceful stop of a replica has just left behind. */
export const checkStopped = ({ view }: World, replica: string): void => {
  for (const supplier of view.suppliers) {
    const { fence } = view.stores.supplier(supplier)
    if (fence !== undefined && fence.owner === replica && fence.expiresAt > view.clock()) {
      view.violate("S7", `${replica} stopped gracefully and still holds ${supplier}`)
    }
  }
  const spooled = view.spools.get(replica)?.size ?? 0
  if (spooled > 0) view.violate("S7", `${replica} stopped gracefully with ${spooled} relays in its spool`)
}

/** Checks what the graceful stop of all replicas has left behind. */
export const checkDrained = ({ view }: World): void => {
  for (const supplier of view.suppliers) {
    const { log } = view.stores.supplier(supplier)
    if (log.size > 0) view.violate("S7", `${log.size} entries of ${supplier} are left after the drain`)
  }
}

const checkNothingLeft = ({ view }: World): void => {
  for (const supplier of view.suppliers) {
    const { log, sessions, intents } = view.stores.supplier(supplier)
    if (log.size > 0) view.violate("L1", `${log.size} entries of ${supplier} were never acknowledged`)
    for (const [id, { events }] of sessions) {
      const { end, status } = replay(events)
      if (end === undefined) view.violate("L4", `session ${id} of ${supplier} is still ${status}`)
    }
    if (intents.size > 0) view.violate("L4", `${intents.size} transactions of ${supplier} were never finished`)
  }
  for (const [relayer, spool] of view.spools) {
    if (spool.size > 0) view.violate("L1", `${spool.size} relays are left in the spool of ${relayer}`)
  }
}

/** Each answered relay that counts is in the claimed trie, or counted by an event that says why not. */
const checkEveryRelay = (world: World): void => {
  const { view, accounting, chainConduct } = world
  const outside = new Map<string, number>()
  for (const relay of accounting.known) {
    if (!relay.answered) continue
    const group = `${relay.supplier}|${relay.session}`
    const session = view.stores.supplier(relay.supplier).sessions.get(relay.session)
    if (session === undefined) {
      view.violate("L1", `session ${relay.session} of ${relay.supplier} was answered in and is not known`)
      continue
    }
    const { end } = replay(session.events)
    if (end?._tag === "ClaimMissed" || end?._tag === "Skipped") continue
    const sealed = accounting.sealed.get(group)
    const claimed = chainConduct.claimed.get(claimKey(relay.session, relay.supplier))
    if (claimed === undefined) {
      view.violate("L1", `session ${relay.session} of ${relay.supplier} ended as ${end?._tag} without a claim on chain`)
    } else if (sealed === undefined || !bytesEqual(sealed.root, claimed)) {
      view.violate("L1", `session ${relay.session} of ${relay.supplier} is claimed with ${bytesToHex(claimed)}`)
    } else if (!sealed.leaves.has(relay.path)) outside.set(group, (outside.get(group) ?? 0) + 1)
  }
  for (const [group, count] of outside) {
    const [supplier = "", id = ""] = group.split("|")
    const late = replay(view.stores.supplier(supplier).sessions.get(id)?.events ?? []).late.count
    if (BigInt(count) > late) {
      view.violate("L1", `${count} answered relays of ${group} are not claimed, ${late} are counted as late`)
    }
  }
}

type Settlement = Extract<ChainEvent, { readonly _tag: "ClaimSettled" | "ClaimExpired" | "ClaimDiscarded" }>

/** What the chain settled, by supplier, service, application and session end. */
const readSettlements = (world: World) =>
  Effect.gen(function* () {
    const settlements = new Map<string, Settlement>()
    const last = world.view.chain().height
    for (let height = 1n; height <= last; height++) {
      const events = yield* world.observer.query.blockEvents(height)
      for (const event of Option.getOrElse(events, () => [])) {
        if (event._tag === "ClaimSettled" || event._tag === "ClaimExpired" || event._tag === "ClaimDiscarded") {
          settlements.set(settlementKey(event), event)
        }
      }
    }
    return settlements
  }).pipe(Effect.orDie)

const settlementKey = (event: Settlement): string =>
  [event.supplierOperatorAddress, event.serviceId, event.applicationAddress, event.sessionEndBlockHeight].join("|")

/** The session's end is the one that the chain gave it. */
const checkEnd = (
  { view, chainConduct }: World,
  supplier: string,
  id: string,
  events: ReadonlyArray<SessionEvent>,
  settlements: ReadonlyMap<string, Settlement>
): void => {
  const { end, header, status } = replay(events)
  const settled = settlements.get(
    [supplier, header.serviceId, header.applicationAddress, header.sessionEndBlockHeight].join("|")
  )
  const what = `session ${id} of ${supplier}`
  switch (end?._tag) {
    case "Settled":
      if (settled?._tag !== "ClaimSettled")
        view.violate("L4", `${what} ended as settled, the chain says ${settled?._tag}`)
      else if (settled.claimedUpokt !== end.claimed) view.violate("L4", `${what} settled another amount than the chain`)
      break
    case "Expired":
      if (settled?._tag !== "ClaimExpired")
        view.violate("L4", `${what} ended as expired, the chain says ${settled?._tag}`)
      // Where the requirement itself was never known, the chain's reason is the only one.
      if (
        events.some((event) => event._tag === "ProofRequired") &&
        !events.some((event) => event._tag === "ProofMissed")
      ) {
        view.violate("L4", `${what} expired without a typed reason why its proof is missing`)
      }
      break
    case "Discarded":
      if (settled?._tag !== "ClaimDiscarded") {
        view.violate("L4", `${what} ended as discarded, the chain says ${settled?._tag}`)
      }
      break
    case "ClaimMissed":
    case "Skipped":
      if (chainConduct.claimed.has(claimKey(id, supplier))) {
        view.violate("L4", `${what} ended as ${status}, but the chain held its claim`)
      }
      break
    default:
  }
}

/** Charged is what was answered, and at most what crashes and lost replies took beside. */
const checkCharges = ({ view, serving }: World): void => {
  for (const { session, supplier, answered, slack, dropped } of serving.accounts) {
    const consumed = dropped + (view.stores.meters.get(`${session}|${supplier}`) ?? 0n)
    if (consumed > answered + slack) {
      view.violate("L5", `${consumed} uPOKT are charged in ${session} for ${supplier}, ${answered} were served`)
    }
    if (!serving.uncharged && consumed < answered) {
      view.violate("L5", `only ${consumed} uPOKT are charged in ${session} for ${supplier}, ${answered} were served`)
    }
  }
}

/** Without faults everything due is claimed, proved and paid, and every good request is served as far as it can be paid. */
const checkCalm = ({ view }: World, { outcomes, served }: TrafficTally): void => {
  const hasRoom = view.scenario.params.shared?.claimWindowCloseOffsetBlocks !== 0n
  for (const supplier of view.suppliers) {
    for (const [id, { events }] of view.stores.supplier(supplier).sessions) {
      for (const event of events) {
        if (event._tag === "RelaysLate" && !hasRoom) continue
        // An application with two services may owe more than it has: each session has its own share.
        if (event._tag === "Discarded" && isPoor(view.scenario, replay(events).header.applicationAddress)) continue
        if (LOSSES.has(event._tag)) view.violate("calm", `${event._tag} in session ${id} of ${supplier}`)
      }
    }
  }
  for (const [outcome, count] of outcomes) {
    if (!CALM_OUTCOMES.has(outcome)) view.violate("calm", `${count} requests ended as ${outcome}`)
  }
  if (served === 0) view.violate("calm", "nothing was served")
  if (!view.scenario.poor.includes(true) && outcomes.has("over_limit")) {
    view.violate("calm", "a rich application was refused for want of money")
  }
}

const isPoor = ({ poor }: Scenario, application: string): boolean =>
  poor[applications.findIndex(({ address }) => address === application)] === true

/**
 * No claim and no proof is missing, though relays may be late and a poor application may not pay. A session of which every
 * relay came too late may miss its claim.
 */
const checkNothingMissed = ({ view, seals }: World): void => {
  for (const supplier of view.suppliers) {
    for (const [id, { events }] of view.stores.supplier(supplier).sessions) {
      if (seals.cameTooLate(supplier, id, replay(events).header.sessionEndBlockHeight)) continue
      for (const event of events) {
        if (MISSES.has(event._tag))
          view.violate("L4", `${event._tag} in session ${id} of ${supplier} (${detailOf(event)})`)
      }
    }
  }
}

const detailOf = (event: SessionEvent): string => ("reason" in event ? event.reason : event._tag)

const MISSES = new Set<SessionEvent["_tag"]>([
  "ClaimMissed",
  "ProofMissed",
  "RootMismatch",
  "Expired",
  "SettlementUnknown"
])

const LOSSES = new Set<SessionEvent["_tag"]>([
  "RelaysLate",
  "ClaimMissed",
  "ProofMissed",
  "RootMismatch",
  "Expired",
  "Discarded",
  "SettlementUnknown",
  "Skipped"
])

const CALM_OUTCOMES = new Set(["served", "over_limit", "ring_signature", "seen_before"])
