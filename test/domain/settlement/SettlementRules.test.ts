/** Rules of following what was sent: fates of transactions, the seal's condition over the log, events of settlement. */
import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import type { ChainEvent } from "../../../domain/chain/ChainEvents.ts"
import { type IncludedTx, TxRefused } from "../../../domain/ports/ChainTx.ts"
import { decide, type SessionCommand } from "../../../domain/session/SessionDecider.ts"
import { evolve, type SessionState, unopened } from "../../../domain/session/SessionState.ts"
import type { ClaimsOnChain } from "../../../domain/settlement/ClaimsOnChain.ts"
import { SessionId } from "../../../domain/protocol/Identifiers.ts"
import { intentFate } from "../../../domain/settlement/Inclusion.ts"
import { isLogFolded, isSpooled, nextMark } from "../../../domain/settlement/SealSessions.ts"
import { settlementCommands } from "../../../domain/settlement/Settlement.ts"

const window = { opens: 12n, closes: 16n }
const blockAt = (height: bigint, seconds = 0n) => ({
  height,
  hash: new Uint8Array(32),
  timeUnixNano: seconds * 1_000_000_000n
})
const sealedRoot = new Uint8Array(48).fill(1)
const foreignRoot = new Uint8Array(48).fill(2)
const session = SessionId.make("s".repeat(64))
const intent = { timeoutUnixNano: 100_000_000_000n, sessions: [{ session, root: sealedRoot }] }
/** What the chain holds of the session. */
const held = (rootHash: Uint8Array): ClaimsOnChain =>
  new Map([[session, { supplierOperatorAddress: "", sessionHeader: undefined, rootHash, proofValidationStatus: 0 }]])
const included = (height: bigint, refusal?: TxRefused): Option.Option<IncludedTx> =>
  Option.some({ height, refusal: Option.fromUndefinedOr(refusal) })
const refused = new TxRefused({ reason: "message", codespace: "undefined", code: 1, log: "", messageIndex: 0 })

describe("the fate of a transaction", () => {
  const claim = { kind: "claim", window } as const
  const proof = { kind: "proof", window } as const
  const read = Option.some(new Map())
  const fate = (inclusion: Option.Option<IncludedTx>, height: bigint, seconds = 0n) =>
    intentFate(intent, inclusion, claim, read, blockAt(height, seconds))._tag

  it("is to be sent again while it is in no block and can still land", () => {
    assert.strictEqual(fate(Option.none(), 13n), "Resend")
    assert.strictEqual(fate(Option.none(), 16n), "Wait")
    assert.strictEqual(fate(Option.none(), 10n), "Wait")
  })

  it("ends when block time has passed the time-out", () => {
    assert.strictEqual(fate(Option.none(), 13n, 100n), "Resend")
    assert.strictEqual(fate(Option.none(), 13n, 101n), "GiveUp")
  })

  it("is given up when another root is there in place of its effect", () => {
    const after = (claims: ClaimsOnChain, height: bigint) =>
      intentFate(intent, included(14n), claim, Option.some(claims), blockAt(height))._tag
    assert.strictEqual(after(held(foreignRoot), 14n), "Wait")
    assert.strictEqual(after(held(foreignRoot), 15n), "GiveUp")
    assert.strictEqual(after(held(sealedRoot), 15n), "Wait")
  })

  it("is not over while a node that is behind does not show its effect", () => {
    assert.strictEqual(fate(included(14n), 15n), "Wait")
  })

  it("is not over while nobody knows whether its effect is there", () => {
    assert.strictEqual(intentFate(intent, included(14n), claim, Option.none(), blockAt(15n))._tag, "Wait")
  })

  it("of a proof is over with its block: the chain has judged it", () => {
    assert.strictEqual(intentFate(intent, included(14n), proof, read, blockAt(15n))._tag, "Wait")
  })

  it("is over when the block refused it", () => {
    assert.deepStrictEqual(intentFate(intent, included(14n, refused), proof, read, blockAt(14n)), {
      _tag: "GiveUp",
      refused
    })
  })
})

describe("the log", () => {
  const backlog = {
    lastGenerated: "7-0",
    lastDelivered: "5-3",
    oldestPending: Option.none<string>(),
    lowestSpooledSessionEnd: Option.none<bigint>()
  }
  const isFolded = (change: Partial<typeof backlog>, mark = "5-3") =>
    isLogFolded({ ...backlog, ...change }, { id: mark })

  it("is folded up to a mark when that is delivered and nothing up to it is pending", () => {
    assert.isTrue(isFolded({}))
    assert.isFalse(isFolded({}, "5-4"))
    assert.isTrue(isFolded({ oldestPending: Option.some("5-4") }))
    assert.isFalse(isFolded({ oldestPending: Option.some("5-3") }))
    assert.isFalse(isFolded({ oldestPending: Option.some("4-9") }))
  })

  it("is waited for while a relayer holds relays of such a session", () => {
    const spooled = (lowest: bigint) => isSpooled({ ...backlog, lowestSpooledSessionEnd: Option.some(lowest) }, 10n)
    assert.deepStrictEqual([4n, 10n, 11n].map(spooled), [true, true, false])
    assert.isFalse(isSpooled(backlog, 10n))
  })

  it("is marked anew when what a spool held has been appended", () => {
    const at = (lastGenerated: string) => ({ lastGenerated })
    const awaited = nextMark(undefined, at("5-0"), true, 1n)
    const free = nextMark(awaited, at("7-0"), false, 2n)
    assert.deepStrictEqual(free, { id: "7-0", takenAt: 1n, wasAwaited: false })
    assert.strictEqual(nextMark(free, at("9-0"), false, 3n).id, "7-0")
  })
})

const tally = { root: new Uint8Array(48).fill(1), count: 3n, sum: 300n }
const header = {
  applicationAddress: "pokt1app",
  serviceId: "svc",
  sessionId: "s",
  sessionStartBlockHeight: 1n,
  sessionEndBlockHeight: 10n
}
const given = (...commands: ReadonlyArray<SessionCommand>): SessionState =>
  commands.reduce((state, command) => Result.getOrThrow(decide(state, command)).reduce(evolve, state), unopened)

const sealed = given(
  { _tag: "Open", supplier: "pokt1sup", header, computeUnitsPerRelay: 100n },
  { _tag: "Seal", tally, height: 12n }
)
const claimed = Result.getOrThrow(
  decide(sealed, { _tag: "ConfirmClaim", root: tally.root, claimedUpokt: 9n, height: 14n })
).reduce(evolve, sealed)
const proofDue = Result.getOrThrow(
  decide(claimed, { _tag: "RequireProof", reason: "probabilistic", height: 16n })
).reduce(evolve, claimed)

const claim = {
  applicationAddress: "pokt1app",
  claimProofStatusInt: 0,
  serviceId: "svc",
  sessionEndBlockHeight: 10n,
  supplierOperatorAddress: "pokt1sup"
}
const usage = {
  claimedUpokt: 9n,
  numRelays: 3n,
  numClaimedComputeUnits: 300n,
  numEstimatedComputeUnits: 300n,
  numEstimatedRelays: 3n
}
const settled = (change: Partial<Extract<ChainEvent, { _tag: "ClaimSettled" }>> = {}): ChainEvent => ({
  _tag: "ClaimSettled",
  ...claim,
  ...usage,
  proofRequirementInt: 0,
  settledUpokt: 7n,
  mintedUpokt: 7n,
  overservicingLossUpokt: 2n,
  deflationLossUpokt: 0n,
  mintRatio: "1",
  sessionId: "s",
  supplierOwnerAddress: "pokt1own",
  rewardDistribution: {},
  rewardDistributionDetailed: [],
  ...change
})
const expired: ChainEvent = { _tag: "ClaimExpired", ...claim, ...usage, expirationReason: "PROOF_MISSING" }
const slashed = (change: { readonly supplierOperatorAddress?: string } = {}): ChainEvent => ({
  _tag: "SupplierSlashed",
  ...claim,
  proofMissingPenalty: 5n,
  supplierStakeAfterSlash: 1n,
  ...change
})

describe("settlement", () => {
  const tags = (state: SessionState, ...events: ReadonlyArray<ChainEvent>) =>
    settlementCommands(state, events, 21n, undefined)?.map(({ _tag }) => _tag)

  it("is what the event says", () => {
    assert.deepStrictEqual(settlementCommands(claimed, [settled()], 21n, undefined), [
      { _tag: "Settle", claimed: 9n, paid: 7n, overserviced: 2n, height: 21n }
    ])
  })

  it("is not that of other suppliers, services or sessions", () => {
    for (const other of [{ supplierOperatorAddress: "x" }, { serviceId: "x" }, { sessionEndBlockHeight: 11n }]) {
      assert.isUndefined(tags(claimed, settled(other)))
    }
  })

  it("shows a proof that was validated in the last block", () => {
    assert.deepStrictEqual(tags(proofDue, settled({ claimProofStatusInt: 1 })), ["ConfirmProof", "Settle"])
  })

  it("shows a claim that nobody saw included, if relays and compute units are ours", () => {
    assert.deepStrictEqual(tags(sealed, settled()), ["ConfirmClaim", "Settle"])
    assert.deepStrictEqual(tags(sealed, settled({ numRelays: 4n })), ["MissClaim"])
  })

  it("shows a claim that is not there", () => {
    assert.deepStrictEqual(tags(sealed), ["MissClaim"])
  })

  it("names a missed proof before the claim expires, and its own slash", () => {
    const commands = settlementCommands(
      proofDue,
      [slashed({ supplierOperatorAddress: "x" }), expired, slashed()],
      21n,
      { reason: "insufficient_funds", detail: "no coins" }
    )
    assert.deepStrictEqual(commands, [
      { _tag: "MissProof", reason: "insufficient_funds", detail: "no coins", height: 21n },
      { _tag: "Expire", reason: "PROOF_MISSING", slashed: 5n, height: 21n }
    ])
  })

  it("passes on why the chain dropped a claim", () => {
    assert.deepStrictEqual(tags(claimed, { _tag: "ClaimDiscarded", ...claim, error: "e" }), ["Discard"])
  })
})
