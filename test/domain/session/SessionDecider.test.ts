/** A session's rules: given events, when a command comes, then these events or a refusal. */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { decide, type SessionCommand } from "../../../domain/session/SessionDecider.ts"
import { type SessionEvent, SessionEventJson } from "../../../domain/session/SessionEvent.ts"
import { evolve, hasEnded, replay, type SessionState, unopened } from "../../../domain/session/SessionState.ts"
import { earnings, whyUnpaid } from "../../../domain/session/SessionProjections.ts"

const root = (byte: number) => new Uint8Array(48).fill(byte)
const tally = { root: root(1), count: 3n, sum: 300n }
const header = {
  applicationAddress: "pokt1app",
  serviceId: "svc",
  sessionId: "s",
  sessionStartBlockHeight: 1n,
  sessionEndBlockHeight: 10n
}
const window = { opens: 12n, closes: 16n }

const open: SessionCommand = { _tag: "Open", supplier: "pokt1sup", header, computeUnitsPerRelay: 100n }
const seal: SessionCommand = { _tag: "Seal", tally, height: 12n }
const submitClaim = (height: bigint): SessionCommand => ({
  _tag: "SubmitClaim",
  txHash: `C${height}`,
  root: tally.root,
  window,
  height
})
const confirm: SessionCommand = { _tag: "ConfirmClaim", root: tally.root, claimedUpokt: 5_000n, height: 14n }
const requireProof: SessionCommand = { _tag: "RequireProof", reason: "threshold", height: 17n }
const confirmProof: SessionCommand = { _tag: "ConfirmProof", height: 19n }
const missProof: SessionCommand = { _tag: "MissProof", reason: "window_closed", detail: "", height: 21n }
const settle: SessionCommand = { _tag: "Settle", claimed: 5_000n, paid: 4_000n, overserviced: 1_000n, height: 21n }
const expire: SessionCommand = { _tag: "Expire", reason: "PROOF_MISSING", slashed: 7n, height: 21n }
const missClaim: SessionCommand = { _tag: "MissClaim", reason: "no_chain", detail: "", height: 17n }
const mismatch: SessionCommand = { _tag: "ReportMismatch", onChain: root(9), height: 15n }
const late: SessionCommand = { _tag: "CountLate", count: 2n, sum: 200n, reason: "sealed" }

/** The state after commands that all have to be accepted. */
const given = (...commands: ReadonlyArray<SessionCommand>): SessionState =>
  commands.reduce((state, command) => Result.getOrThrow(decide(state, command)).reduce(evolve, state), unopened)

const tags = (state: SessionState, command: SessionCommand) =>
  Result.match(decide(state, command), {
    onFailure: ({ reason }) => reason as string,
    onSuccess: (events) => events.map(({ _tag }) => _tag)
  })

describe("a session", () => {
  it("is opened once", () => {
    assert.deepStrictEqual(tags(unopened, open), ["SessionOpened"])
    assert.strictEqual(tags(given(open), open), "status")
  })

  it("is sealed with its totals, and not with others afterwards", () => {
    assert.deepStrictEqual(tags(given(open), seal), ["RelaysAccepted", "SessionSealed"])
    assert.deepStrictEqual(tags(given(open, seal), seal), [])
    assert.strictEqual(tags(given(open, seal), { ...seal, tally: { ...tally, root: root(2) } }), "root")
  })

  it("records a checkpoint only when something changed", () => {
    const checkpoint: SessionCommand = { _tag: "Checkpoint", tally }
    assert.deepStrictEqual(tags(given(open), checkpoint), ["RelaysAccepted"])
    assert.deepStrictEqual(tags(given(open, checkpoint), checkpoint), [])
  })

  it("is claimed only when sealed, with the sealed root, and when it can land in the window", () => {
    assert.strictEqual(tags(given(open), submitClaim(12n)), "status")
    assert.strictEqual(tags(given(open, seal), { ...submitClaim(12n), root: root(2) } as SessionCommand), "root")
    assert.strictEqual(tags(given(open, seal), submitClaim(10n)), "window")
    assert.deepStrictEqual(tags(given(open, seal), submitClaim(11n)), ["ClaimSubmitted"])
    assert.deepStrictEqual(tags(given(open, seal), submitClaim(15n)), ["ClaimSubmitted"])
    assert.strictEqual(tags(given(open, seal), submitClaim(16n)), "window")
  })

  it("is never claimed empty", () => {
    const empty: SessionCommand = { ...seal, tally: { root: new Uint8Array(48), count: 0n, sum: 0n } }
    assert.strictEqual(
      tags(given(open, empty), { ...submitClaim(12n), root: new Uint8Array(48) } as SessionCommand),
      "empty"
    )
  })

  it("does not take a claim with another root for its own", () => {
    assert.strictEqual(tags(given(open, seal), { ...confirm, root: root(2) }), "root")
  })

  it("sends its claim again after another root was seen on chain", () => {
    const state = given(open, seal, submitClaim(12n), confirm, mismatch)
    assert.strictEqual(state.status, "sealed")
    assert.deepStrictEqual(tags(state, mismatch), [])
    assert.deepStrictEqual(tags(state, submitClaim(15n)), ["ClaimSubmitted"])
    assert.deepStrictEqual(tags(given(open, seal, mismatch), confirm), ["ClaimIncluded"])
  })

  it("counts late relays in every state but the first", () => {
    assert.strictEqual(tags(unopened, late), "status")
    assert.strictEqual(given(open, seal, late, late).late.count, 4n)
    assert.deepStrictEqual(tags(given(open, seal, missClaim), late), ["RelaysLate"])
  })

  it("asks for a proof only of a claim on chain", () => {
    assert.strictEqual(tags(given(open, seal), requireProof), "status")
    assert.deepStrictEqual(tags(given(open, seal, confirm), requireProof), ["ProofRequired"])
  })

  it("may come to need a proof after none was needed", () => {
    const waived = given(open, seal, confirm, { _tag: "WaiveProof", height: 17n })
    assert.deepStrictEqual(tags(waived, requireProof), ["ProofRequired"])
  })

  it("expires after a missed proof and says what it cost", () => {
    const state = given(open, seal, confirm, requireProof, missProof, expire)
    assert.isTrue(hasEnded(state))
    assert.strictEqual(whyUnpaid(state), "claim expired: PROOF_MISSING")
    assert.deepInclude(earnings([state]), { slashed: 7n, paid: 0n })
  })

  it("is settled though nobody saw its claim included", () => {
    assert.deepStrictEqual(tags(given(open, seal), settle), ["Settled"])
    assert.deepInclude(earnings([given(open, seal, confirm, settle)]), {
      claimed: 5_000n,
      paid: 4_000n,
      overserviced: 1_000n
    })
  })

  it("ends once", () => {
    const ended = given(open, seal, confirm, settle)
    for (const command of [expire, missClaim, requireProof, submitClaim(12n), seal, mismatch]) {
      assert.notStrictEqual(tags(ended, command)[0], "Settled")
      assert.isTrue(Result.isFailure(decide(ended, command)) || tags(ended, command).length === 0)
    }
    assert.deepStrictEqual(tags(ended, settle), [])
  })
})

describe("any sequence of commands", () => {
  const commands = [
    open,
    seal,
    late,
    submitClaim(11n),
    submitClaim(15n),
    submitClaim(17n),
    confirm,
    missClaim,
    mismatch,
    requireProof,
    confirmProof,
    missProof,
    settle,
    expire
  ]
  const Picks = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: commands.length - 1 })))

  /** Runs commands, refused ones left out, and returns the log. */
  const logOf = (picks: ReadonlyArray<number>): ReadonlyArray<SessionEvent> => {
    let state = unopened
    const log: Array<SessionEvent> = []
    for (const pick of picks) {
      for (const event of Result.getOrElse(decide(state, commands[pick]!), () => [])) {
        log.push(event)
        state = evolve(state, event)
      }
    }
    assert.deepStrictEqual(replay(log), state)
    return log
  }

  it.prop("replays to the same state, also through its JSON", { picks: Picks }, ({ picks }) => {
    const log = logOf(picks)
    const encode = Schema.encodeSync(SessionEventJson)
    const decode = Schema.decodeUnknownSync(SessionEventJson)
    assert.deepStrictEqual(
      log.map((event) => decode(encode(event))),
      log
    )
  })

  it.prop("ends at most once, and nothing but late relays follows the end", { picks: Picks }, ({ picks }) => {
    const log = logOf([0, 1, ...picks])
    const end = log.findIndex((_, index) => hasEnded(replay(log.slice(0, index + 1))))
    if (end >= 0) assert.isTrue(log.slice(end + 1).every(({ _tag }) => _tag === "RelaysLate"))
  })

  it.prop("never submits outside of the window, nor before the seal", { picks: Picks }, ({ picks }) => {
    const log = logOf(picks)
    for (const [index, event] of log.entries()) {
      if (event._tag !== "ClaimSubmitted") continue
      assert.isTrue(event.height + 1n >= window.opens && event.height + 1n <= window.closes)
      assert.isTrue(log.slice(0, index).some(({ _tag }) => _tag === "SessionSealed"))
    }
  })

  it.prop("says nothing twice: a repeated command gives no event", { picks: Picks }, ({ picks }) => {
    const state = replay(logOf([0, 1, ...picks]))
    for (const command of commands) {
      const first = decide(state, command)
      if (Result.isFailure(first) || command._tag === "CountLate") continue
      const again = decide(first.success.reduce(evolve, state), command)
      assert.deepStrictEqual(
        Result.getOrElse(again, () => []),
        []
      )
    }
  })
})
