import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { decodeMinedRelay, encodeMinedRelay, type MinedRelay } from "../../../domain/relay/MinedRelay.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface MinedRelayCase {
  readonly name: string
  readonly relay_hash_hex: string
  readonly relay_bytes_hex: string
  readonly compute_units_per_relay: string
  readonly session_id: string
  readonly session_end_height: string
  readonly supplier_operator_address: string
  readonly service_id: string
  readonly application_address: string
  readonly arrival_block_height: string
  readonly published_at_unix_nano: string
  readonly session_start_height: string
  readonly bytes_hex: string
}

const relayOf = (vector: MinedRelayCase): MinedRelay => ({
  relayHash: hex(vector.relay_hash_hex),
  relayBytes: hex(vector.relay_bytes_hex),
  computeUnitsPerRelay: BigInt(vector.compute_units_per_relay),
  sessionId: vector.session_id,
  sessionEndHeight: BigInt(vector.session_end_height),
  supplierOperatorAddress: vector.supplier_operator_address,
  serviceId: vector.service_id,
  applicationAddress: vector.application_address,
  arrivalBlockHeight: BigInt(vector.arrival_block_height),
  publishedAtUnixNano: BigInt(vector.published_at_unix_nano),
  sessionStartHeight: BigInt(vector.session_start_height)
})

const Unsigned = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: (1n << 64n) - 1n }))
const Signed = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -(1n << 63n), maximum: (1n << 63n) - 1n }))

describe("MinedRelay", () => {
  for (const vector of loadVectors<ReadonlyArray<MinedRelayCase>>("mined-relay")) {
    it(`encodes, decodes and encodes again as Go does: ${vector.name}`, () => {
      const relay = relayOf(vector)
      assert.strictEqual(toHex(encodeMinedRelay(relay)), vector.bytes_hex)
      const decoded = Result.getOrThrow(decodeMinedRelay(hex(vector.bytes_hex)))
      assert.deepStrictEqual(decoded, relay)
      assert.strictEqual(toHex(encodeMinedRelay(decoded)), vector.bytes_hex)
    })
  }

  it.effect.prop("keeps every 64-bit value", { units: Unsigned, height: Signed }, ({ units, height }) =>
    Effect.sync(() => {
      const relay: MinedRelay = {
        relayHash: new Uint8Array(32).fill(1),
        relayBytes: new Uint8Array(0),
        computeUnitsPerRelay: units,
        sessionId: "id",
        sessionEndHeight: height,
        supplierOperatorAddress: "",
        serviceId: "\u00ff",
        applicationAddress: "",
        arrivalBlockHeight: -height - 1n,
        publishedAtUnixNano: height,
        sessionStartHeight: height
      }
      assert.deepStrictEqual(Result.getOrThrow(decodeMinedRelay(encodeMinedRelay(relay))), relay)
    })
  )
})
