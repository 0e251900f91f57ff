/** What became of every relay of a load: from the gateway's counts, the miners' records and the chain's events. */
import { Effect, Option } from "effect"
import type { ChainEvent } from "../../domain/chain/ChainEvents.ts"
import { type Block, Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import type { SessionEvent } from "../../domain/session/SessionEvent.ts"
import type { LoadCount, LoadTotals } from "./LoadOptions.ts"

/** One session of one supplier, end to end. Numbers are relays. */
export interface SessionAudit extends LoadCount {
  readonly inTrie: bigint
  readonly late: bigint
  readonly claimed: bigint
  readonly settled: bigint
  readonly claims: number
  readonly proofs: number
  /** The chain asked for a proof, by its settlement. */
  readonly needsProof: boolean
  /** Ends other than a settlement, by the miners' events and the chain's. */
  readonly losses: ReadonlyArray<string>
  readonly hasEnded: boolean
  /** The miners' record. */
  readonly events: ReadonlyArray<SessionEvent>
}

/** Sums of a scenario. */
export interface AuditTotals {
  readonly sent: number
  readonly answered: number
  readonly inTrie: bigint
  readonly late: bigint
  readonly claimed: bigint
  readonly settled: bigint
}

/** Reads the chain's blocks and the store's sessions now. */
export const audit = ({ sessions }: LoadTotals) =>
  Effect.gen(function* () {
    const events = yield* chainEvents(yield* (yield* Blocks).latest)
    return yield* Effect.forEach(sessions, (count) => auditSession(count, events))
  })

/** Sums over sessions. */
export const totalsOf = (sessions: ReadonlyArray<SessionAudit>): AuditTotals => ({
  sent: sum(sessions, ({ sent }) => sent),
  answered: sum(sessions, ({ answered }) => answered),
  inTrie: sumBig(sessions, ({ inTrie }) => inTrie),
  late: sumBig(sessions, ({ late }) => late),
  claimed: sumBig(sessions, ({ claimed }) => claimed),
  settled: sumBig(sessions, ({ settled }) => settled)
})

/**
 * Everything that is wrong, in sentences; nothing: answered = in trie = claimed = settled, where a try that got no answer
 * may have been recorded all the same. `mayBeLate`: answered relays may be counted late instead. `missed`: suppliers whose
 * claims have to be missed, with the reason that each has to be told with.
 */
export const problemsOf = (
  sessions: ReadonlyArray<SessionAudit>,
  mayBeLate: boolean,
  missed: ReadonlyMap<string, string>
): ReadonlyArray<string> => [
  ...sessions.filter(({ supplier }) => missed.has(supplier)).flatMap((one) => notMissed(one, missed)),
  ...sessions
    .filter(({ answered, inTrie, supplier }) => !missed.has(supplier) && (answered > 0 || inTrie > 0n))
    .flatMap((one) => {
      const name = nameOf(one)
      const kept = one.inTrie + (mayBeLate ? one.late : 0n)
      const onlyLate = mayBeLate && one.inTrie === 0n
      return [
        kept < BigInt(one.answered) && `${one.answered} answered, ${one.inTrie} in trie, ${one.late} late`,
        kept > BigInt(one.sent) && `${one.sent} sent, ${kept} recorded`,
        one.claimed !== one.inTrie && `${one.inTrie} in trie, ${one.claimed} claimed`,
        one.settled !== one.claimed && `${one.claimed} claimed, ${one.settled} settled`,
        !onlyLate && one.claims !== 1 && `${one.claims} claims`,
        !onlyLate && one.proofs !== 1 && `${one.proofs} proofs`,
        one.losses.length > 0 && one.losses.join(", ")
      ]
        .filter((each) => each !== false)
        .map((each) => `${name}: ${each}`)
    })
]

const nameOf = ({ session, sessionEnd, supplier }: SessionAudit): string =>
  `session ${session.slice(0, 8)} (end ${sessionEnd}) of ${supplier.slice(-6)}`

/** What is wrong with a session whose claim had to be missed: all its relays are in a trie, and one event says why. */
const notMissed = (one: SessionAudit, missed: ReadonlyMap<string, string>): ReadonlyArray<string> => {
  const { answered, claims, inTrie, losses, sent } = one
  const expected = `ClaimMissed (${missed.get(one.supplier)})`
  const isTold = losses.length === 1 && losses[0]?.startsWith(expected) === true
  return [
    (inTrie < BigInt(answered) || inTrie > BigInt(sent)) && `${answered} answered, ${inTrie} in trie`,
    claims > 0 && `${claims} claims, none was to be`,
    inTrie > 0n && !isTold && `not told with ${expected}: ${losses.join(", ")}`
  ]
    .filter((each) => each !== false)
    .map((each) => `${nameOf(one)}: ${each}`)
}

const chainEvents = ({ height }: Block) =>
  Effect.gen(function* () {
    const query = yield* ChainQuery
    const blocks = yield* Effect.forEach(
      Array.from({ length: Number(height) }, (_, index) => BigInt(index + 1)),
      (each) => query.blockEvents(each),
      { concurrency: 8 }
    )
    return blocks.flatMap(Option.getOrElse((): ReadonlyArray<ChainEvent> => []))
  })

const auditSession = (count: LoadCount, events: ReadonlyArray<ChainEvent>) =>
  Effect.gen(function* () {
    const store = yield* SupplierStore
    const stored = yield* store.load(SupplierAddress.make(count.supplier), SessionId.make(count.session))
    const own = Option.match(stored, { onNone: () => [], onSome: (session) => session.events })
    const ofChain = events.filter(
      (event) =>
        "applicationAddress" in event &&
        event.applicationAddress === count.application &&
        event.supplierOperatorAddress === count.supplier &&
        event.sessionEndBlockHeight === count.sessionEnd
    )
    const relays = (tag: "ClaimCreated" | "ClaimSettled") =>
      ofChain.reduce((total, event) => total + (event._tag === tag ? event.numRelays : 0n), 0n)
    const times = (...tags: ReadonlyArray<ChainEvent["_tag"]>) =>
      ofChain.filter(({ _tag }) => tags.includes(_tag)).length
    const sealed = own.flatMap((event) => (event._tag === "SessionSealed" ? [event.count] : []))
    return {
      ...count,
      inTrie: sealed.at(-1) ?? 0n,
      late: own.reduce((total, event) => total + (event._tag === "RelaysLate" ? event.count : 0n), 0n),
      claimed: relays("ClaimCreated"),
      settled: relays("ClaimSettled"),
      claims: times("ClaimCreated", "ClaimUpdated"),
      proofs: times("ProofSubmitted", "ProofUpdated"),
      needsProof: ofChain.some(
        (event) => event._tag === "ClaimExpired" || (event._tag === "ClaimSettled" && event.proofRequirementInt > 0)
      ),
      losses: [
        ...own.filter(({ _tag }) => LOSSES.has(_tag)).map(describe),
        ...ofChain.filter(({ _tag }) => CHAIN_LOSSES.has(_tag)).map(({ _tag }) => `chain: ${_tag}`)
      ],
      hasEnded: own.some(({ _tag }) => ENDS.has(_tag)),
      events: own
    } satisfies SessionAudit
  })

const describe = (event: SessionEvent): string =>
  `${event._tag}${"reason" in event ? ` (${event.reason})` : ""}${"detail" in event ? `: ${event.detail}` : ""}`

const LOSSES: ReadonlySet<SessionEvent["_tag"]> = new Set<SessionEvent["_tag"]>([
  "ClaimMissed",
  "ProofMissed",
  "RootMismatch",
  "Expired",
  "Discarded",
  "SettlementUnknown",
  "Skipped"
])
const ENDS: ReadonlySet<SessionEvent["_tag"]> = new Set<SessionEvent["_tag"]>([
  "Settled",
  "Expired",
  "Discarded",
  "SettlementUnknown",
  "Skipped",
  "ClaimMissed",
  "ProofMissed"
])
const CHAIN_LOSSES: ReadonlySet<ChainEvent["_tag"]> = new Set<ChainEvent["_tag"]>([
  "ClaimExpired",
  "ClaimDiscarded",
  "SupplierSlashed",
  "ApplicationOverserviced"
])

const sum = <A>(all: ReadonlyArray<A>, of: (one: A) => number): number => all.reduce((total, one) => total + of(one), 0)
const sumBig = <A>(all: ReadonlyArray<A>, of: (one: A) => bigint): bigint =>
  all.reduce((total, one) => total + of(one), 0n)
