import { assert, describe, it } from "@effect/vitest"
import { sessionStart } from "../../../domain/session/SessionGrid.ts"
import { sessionId, sessionIdPreimage } from "../../../domain/session/SessionId.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface Case {
  readonly num_blocks_per_session: string
  readonly session_grid_anchor_height: string
  readonly application_address: string
  readonly service_id: string
  readonly block_hash_hex: string
  readonly block_height: string
  readonly session_id: string
  readonly preimage_hex: string
}

describe("session id", () => {
  loadVectors<ReadonlyArray<Case>>("session-ids").forEach((vector, index) => {
    it(`agrees with the chain: case ${index}`, () => {
      const grid = {
        numBlocksPerSession: BigInt(vector.num_blocks_per_session),
        sessionGridAnchorHeight: BigInt(vector.session_grid_anchor_height),
        sessionNumberAtAnchor: 1n
      }
      const identity = {
        blockHash: hex(vector.block_hash_hex),
        serviceId: vector.service_id,
        applicationAddress: vector.application_address,
        sessionStart: sessionStart(grid, BigInt(vector.block_height))
      }
      assert.strictEqual(toHex(sessionIdPreimage(identity)), vector.preimage_hex)
      assert.strictEqual(sessionId(identity), vector.session_id)
    })
  })
})
