/** Values for the suites of log and store: suppliers, relays, leaves, commits, one of every event. */
import { Effect, Option, type Tracer } from "effect"
import { sha256 } from "../../domain/crypto/Sha256.ts"
import type { Lease, Leases } from "../../domain/ports/Leases.ts"
import type { RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import type { SessionCommit, StoredNode, TxIntent } from "../../domain/ports/SupplierStore.ts"
import { SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import type { MinedRelay } from "../../domain/relay/MinedRelay.ts"
import type { SessionEvent } from "../../domain/session/SessionEvent.ts"
import { digestOf, encodeLeaf, INNER_SIZE, INNER_TAG } from "../../domain/smst/TrieSpec.ts"

export const alice = SupplierAddress.make("pokt1alice")
export const bob = SupplierAddress.make("pokt1bob")
export const first = SessionId.make("aa".repeat(32))
export const second = SessionId.make("bb".repeat(32))

/** Renews one lease; fails when it is lost or nothing is known of it. */
export const renewOne = (leases: Leases["Service"], lease: Lease) =>
  Effect.flatMap(leases.renew([lease]), ([outcome]) =>
    outcome === undefined ? Effect.die("no answer") : Effect.fromResult(outcome)
  )

const seedBytes = (text: string) => sha256(new TextEncoder().encode(text))

/** The `n`th relay; different `n` give different relays. */
export const aRelay = (n: number, change: Partial<MinedRelay> = {}): MinedRelay => ({
  relayHash: seedBytes(`relay ${n}`),
  relayBytes: seedBytes(`relay ${n}`),
  computeUnitsPerRelay: 7n,
  sessionId: first,
  sessionEndHeight: 40n,
  supplierOperatorAddress: alice,
  serviceId: "anvil",
  applicationAddress: "pokt1application",
  arrivalBlockHeight: 35n,
  publishedAtUnixNano: 1_700_000_000_000_000_000n + BigInt(n),
  sessionStartHeight: 31n,
  ...change
})

export const anEntry = (n: number, change: Partial<MinedRelay> = {}): RelayLogEntry => ({
  relay: aRelay(n, change),
  trace: Option.none()
})

export const aTraced = (n: number, trace: Tracer.ExternalSpan): RelayLogEntry => ({
  relay: aRelay(n),
  trace: Option.some(trace)
})

/** The `n`th leaf: a true encoding with its digest. */
export const aLeaf = (n: number): StoredNode => {
  const encoding = encodeLeaf(seedBytes(`path ${n}`), seedBytes(`value ${n}`), 7n)
  return { digest: digestOf(encoding, sha256), encoding }
}

/** The `n`th inner node, of leaves that need not exist. */
export const anInnerNode = (n: number): StoredNode => {
  const encoding = new Uint8Array(INNER_SIZE)
  encoding[0] = INNER_TAG
  encoding.set(aLeaf(2 * n).digest, 1)
  encoding.set(aLeaf(2 * n + 1).digest, 49)
  encoding[INNER_SIZE - 9] = 14
  encoding[INNER_SIZE - 1] = 2
  return { digest: digestOf(encoding, sha256), encoding }
}

/** A root that differs for each `n`, with `count` leaves of 7 compute units. */
export const aRoot = (n: number, count = n): Uint8Array => {
  const root = new Uint8Array(48)
  root.set(seedBytes(`root ${n}`))
  new DataView(root.buffer).setBigUint64(32, BigInt(count) * 7n)
  new DataView(root.buffer).setBigUint64(40, BigInt(count))
  return root
}

/** Totals of a trie with `count` leaves. */
export const aTally = (count: number) => ({ root: aRoot(count), count: BigInt(count), sum: BigInt(count) * 7n })

/** The totals before any leaf. */
export const emptyTally = { root: new Uint8Array(48), count: 0n, sum: 0n }

/** A commit that changes nothing but the version; `change` says what it changes. */
export const aCommit = (change: Partial<SessionCommit> = {}): SessionCommit => ({
  session: first,
  expectedVersion: 0,
  leaves: [],
  ...emptyTally,
  events: [],
  checkpoint: Option.none(),
  acknowledged: [],
  ...change
})

export const aSeal = (count: number): SessionEvent => ({ _tag: "SessionSealed", ...aTally(count), height: 45n })

export const late = (count: bigint): SessionEvent => ({ _tag: "RelaysLate", count, sum: count * 7n, reason: "sealed" })

export const anIntent = (change: Partial<TxIntent> = {}): TxIntent => ({
  txHash: "AB".repeat(32),
  kind: "claim",
  sessions: [{ session: first, root: aRoot(1) }],
  sessionEnd: 40n,
  windowCloses: 50n,
  timeoutUnixNano: 1_700_000_000_000_000_000n,
  txBytes: seedBytes("transaction"),
  ...change
})

/** Above the safe integers of JavaScript. */
const BIG = 18_446_744_073_709_551_615n

/** One event of every kind, with the widest values. */
export const everyEvent: ReadonlyArray<SessionEvent> = [
  {
    _tag: "SessionOpened",
    supplier: alice,
    application: "pokt1application",
    service: "anvil",
    sessionId: first,
    startHeight: 31n,
    endHeight: 40n,
    computeUnitsPerRelay: BIG,
    traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
  },
  {
    _tag: "SessionOpened",
    supplier: alice,
    application: "",
    service: "café",
    sessionId: first,
    startHeight: 1n,
    endHeight: 9_223_372_036_854_775_807n,
    computeUnitsPerRelay: 0n
  },
  { _tag: "RelaysAccepted", root: aRoot(3), count: BIG, sum: BIG },
  { _tag: "RelaysLate", count: 2n, sum: 14n, reason: "compute_units_mismatch" },
  { _tag: "SessionSealed", ...aTally(1), height: 45n },
  { _tag: "ClaimSubmitted", txHash: "AB".repeat(32), height: 46n },
  { _tag: "ClaimIncluded", height: 47n, claimedUpokt: BIG },
  { _tag: "ClaimMissed", reason: "foreign_root", detail: 'quotes " and \n lines', height: 50n },
  { _tag: "ProofRequired", reason: "threshold", height: 51n },
  { _tag: "ProofNotRequired", height: 51n },
  { _tag: "ProofSubmitted", txHash: "CD".repeat(32), height: 52n },
  { _tag: "ProofIncluded", height: 53n },
  { _tag: "ProofMissed", reason: "self_verification_failed", detail: "", height: 54n },
  { _tag: "RootMismatch", onChain: aRoot(9), height: 55n },
  { _tag: "Settled", claimed: BIG, paid: 0n, overserviced: 1n, height: 60n },
  { _tag: "Expired", reason: "PROOF_MISSING", slashed: BIG, height: 60n },
  { _tag: "Discarded", error: "insolvent", height: 60n },
  { _tag: "SettlementUnknown", reason: "block_pruned", height: 61n },
  { _tag: "Skipped", reason: "unprofitable", detail: "fee 10, worth 3", height: 45n }
]

/** Hex of each byte string: compares by content whatever class of array an adapter returns. */
export const hexes = (all: Iterable<Uint8Array | undefined>): ReadonlyArray<string | undefined> =>
  Array.from(all, (bytes) => (bytes === undefined ? undefined : Buffer.from(bytes).toString("hex")))
