import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as SessionGrid from "../../../domain/session/SessionGrid.ts"
import * as SessionWindow from "../../../domain/session/SessionWindow.ts"
import { seededInt63 } from "../../../domain/settlement/GoRand.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import { hex, loadVectors } from "../../vectors/load.ts"
import { paramsOf, someParams, type VectorParams } from "../protocol/VectorParams.ts"

interface Row {
  readonly [height: string]: string | boolean
  readonly block_height: string
  readonly is_session_start: boolean
  readonly is_session_end: boolean
}
interface Cases {
  readonly sets: ReadonlyArray<{
    readonly name: string
    readonly params: VectorParams
    readonly session_end_to_proof_window_close_blocks: string
    readonly num_pending_sessions: string
    readonly rows: ReadonlyArray<Row>
  }>
  readonly seeded_int63: ReadonlyArray<{
    readonly block_hash_hex: string
    readonly supplier_operator_address: string
    readonly int63: string
  }>
}

const cases = loadVectors<Cases>("windows")
const height = (minimum: bigint, maximum: bigint) => Schema.BigInt.check(Schema.isBetweenBigInt({ minimum, maximum }))

describe("session grid and windows", () => {
  for (const set of cases.sets) {
    it(`agree with the chain: ${set.name}`, () => {
      const params = paramsOf(set.params)
      assert.strictEqual(
        String(SessionWindow.sessionEndToProofWindowCloseBlocks(params)),
        set.session_end_to_proof_window_close_blocks
      )
      assert.strictEqual(String(SessionWindow.pendingSessions(params)), set.num_pending_sessions)
      for (const row of set.rows) {
        const at = BigInt(row.block_height)
        const end = SessionGrid.sessionEnd(params, at)
        assert.deepStrictEqual(
          {
            block_height: String(at),
            session_start_height: String(SessionGrid.sessionStart(params, at)),
            session_end_height: String(end),
            session_number: String(SessionGrid.sessionNumber(params, at)),
            grace_period_end_height: String(SessionWindow.graceEnd(params, end)),
            claim_window_open_height: String(SessionWindow.claimWindowOpens(params, end)),
            claim_window_close_height: String(SessionWindow.claimWindowCloses(params, end)),
            proof_window_open_height: String(SessionWindow.proofWindowOpens(params, end)),
            proof_window_close_height: String(SessionWindow.proofWindowCloses(params, end)),
            earliest_claim_commit_height: String(SessionWindow.earliestClaimCommit(params, end)),
            earliest_proof_commit_height: String(SessionWindow.earliestProofCommit(params, end)),
            proof_seed_block_height: String(SessionWindow.proofSeedHeight(params, end)),
            settlement_session_end_height: String(SessionWindow.settlementHeight(params, end)),
            next_session_start_height: String(SessionGrid.nextSessionStart(params, at)),
            is_session_start: SessionGrid.isSessionStart(params, at),
            is_session_end: SessionGrid.isSessionEnd(params, at)
          },
          { ...row }
        )
      }
    })
  }

  for (const spread of cases.seeded_int63) {
    it(`spread of ${spread.supplier_operator_address} agrees with the chain`, () => {
      const input = new Uint8Array([...hex(spread.block_hash_hex), ...textToBytes(spread.supplier_operator_address)])
      assert.strictEqual(String(seededInt63(input)), spread.int63)
    })
  }

  it.prop(
    "windows follow one another and settlement closes the last",
    {
      grace: height(0n, 5n),
      extra: height(0n, 5n),
      claimClose: height(0n, 9n),
      proofOpen: height(0n, 3n),
      proofClose: height(0n, 9n),
      at: height(-5n, 10_000n)
    },
    ({ grace, extra, claimClose, proofOpen, proofClose, at }) => {
      const params = someParams({
        gracePeriodEndOffsetBlocks: grace,
        claimWindowOpenOffsetBlocks: grace + extra,
        claimWindowCloseOffsetBlocks: claimClose,
        proofWindowOpenOffsetBlocks: proofOpen,
        proofWindowCloseOffsetBlocks: proofClose
      })
      const end = SessionGrid.sessionEnd(params, at)
      const claims = SessionWindow.claimWindow(params, end)
      const proofs = SessionWindow.proofWindow(params, end)
      assert.isTrue(SessionWindow.graceEnd(params, end) < claims.opens)
      assert.isTrue(claims.opens <= claims.closes && claims.closes <= proofs.opens && proofs.opens <= proofs.closes)
      assert.strictEqual(SessionWindow.settlementHeight(params, end), proofs.closes)
      assert.strictEqual(SessionWindow.settlingSessionEnd(params, proofs.closes), end)
      assert.isTrue(SessionWindow.canLandInWindow(claims, claims.opens - 1n))
      assert.isFalse(SessionWindow.canLandInWindow(claims, claims.closes))
      assert.isTrue(SessionWindow.isGraceElapsed(params, end, claims.opens))
      assert.isFalse(SessionWindow.isGraceElapsed(params, end, SessionWindow.graceEnd(params, end)))
    }
  )

  it.prop(
    "every window height is monotone in the session's end",
    { first: height(0n, 1_000_000n), later: height(0n, 1_000_000n) },
    ({ first, later }) => {
      const params = someParams({})
      for (const of of [
        SessionWindow.graceEnd,
        SessionWindow.claimWindowOpens,
        SessionWindow.claimWindowCloses,
        SessionWindow.proofWindowOpens,
        SessionWindow.proofWindowCloses,
        SessionWindow.proofSeedHeight
      ]) {
        assert.strictEqual(of(params, first) <= of(params, later), first <= later)
      }
    }
  )
})
