import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { addressOf, decodeAddress } from "../../../domain/keys/Address.ts"
import { privateKeyFromSecret, publicKeyOf } from "../../../domain/keys/PrivateKey.ts"
import {
  firstStranger,
  keyMatchesAddress,
  makeRingKeys,
  PLACEHOLDER,
  ringAddresses,
  ringGateways,
  ringHeight
} from "../../../domain/ring/RingMembers.ts"
import { memberBound } from "../../../domain/ring/RingSignature.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface MemberCases {
  readonly members: ReadonlyArray<{
    name: string
    application_address: string
    delegatee_gateway_addresses: ReadonlyArray<string> | null
    pending_undelegations: ReadonlyArray<{ height: string; gateway_addresses: ReadonlyArray<string> }> | null
    num_blocks_per_session: string
    session_grid_anchor_height: string
    block_height: string
    session_end_height: string
    gateway_addresses_sorted: ReadonlyArray<string> | null
    ring_addresses: ReadonlyArray<string>
  }>
  readonly placeholder: { private_key_hex: string; pubkey_hex: string; ring_address: string; secret_utf8: string }
}

const cases = loadVectors<MemberCases>("ring-members")

describe("golden vectors of ring members", () => {
  for (const each of cases.members) {
    it(`${each.name}: target height, gateways and ring addresses`, () => {
      const application = {
        address: each.application_address,
        delegateeGatewayAddresses: each.delegatee_gateway_addresses ?? [],
        pendingUndelegations: (each.pending_undelegations ?? []).map((pending) => ({
          sessionEndHeight: BigInt(pending.height),
          gatewayAddresses: pending.gateway_addresses
        }))
      }
      const params = {
        numBlocksPerSession: BigInt(each.num_blocks_per_session),
        sessionGridAnchorHeight: BigInt(each.session_grid_anchor_height),
        sessionNumberAtAnchor: 1n
      }
      const target = ringHeight(params, BigInt(each.block_height))
      assert.strictEqual(target, BigInt(each.session_end_height))
      assert.deepStrictEqual(ringGateways(application, target), each.gateway_addresses_sorted ?? [])
      assert.deepStrictEqual(ringAddresses(application, target), each.ring_addresses)
    })

    it(`${each.name}: each pending gateway counts up to the end of its last session`, () => {
      const pending = each.pending_undelegations ?? []
      const until = Map.groupBy(
        pending.flatMap(({ height, gateway_addresses }) => gateway_addresses.map((gateway) => ({ gateway, height }))),
        ({ gateway }) => gateway
      )
      for (const [gateway, heights] of until) {
        assert.isTrue(Result.isSuccess(decodeAddress(gateway)), gateway)
        const isPending = heights.some(({ height }) => BigInt(height) >= BigInt(each.session_end_height))
        const isDelegatee = (each.delegatee_gateway_addresses ?? []).includes(gateway)
        assert.strictEqual((each.gateway_addresses_sorted ?? []).includes(gateway), isPending || isDelegatee, gateway)
      }
    })
  }

  it("has all 60 cases", () => assert.strictEqual(cases.members.length, 60))

  it("derives the placeholder from its secret", () => {
    const secret = new TextEncoder().encode(cases.placeholder.secret_utf8)
    assert.strictEqual(toHex(privateKeyFromSecret(secret)), cases.placeholder.private_key_hex)
    assert.strictEqual(toHex(PLACEHOLDER.privateKey), cases.placeholder.private_key_hex)
    assert.strictEqual(toHex(PLACEHOLDER.publicKey), cases.placeholder.pubkey_hex)
    assert.strictEqual(PLACEHOLDER.address, cases.placeholder.ring_address)
    assert.isTrue(Result.isFailure(decodeAddress(PLACEHOLDER.address)))
  })
})

describe("ring membership", () => {
  const keys = [1, 2, 3].map((scalar) => publicKeyOf(hex(scalar.toString(16).padStart(64, "0"))))
  const signed = (...members: ReadonlyArray<Uint8Array>) => ({
    challenge: 1n,
    image: new Uint8Array(33),
    scalars: members.map(() => 1n),
    members
  })

  it("asks only that every key is in the set: order, repeats, size and the application do not matter", () => {
    const ring = makeRingKeys(keys.slice(0, 2))
    assert.strictEqual(firstStranger(signed(keys[1]!, keys[0]!), ring), -1)
    assert.strictEqual(firstStranger(signed(keys[0]!, keys[0]!), ring), -1)
    assert.strictEqual(firstStranger(signed(keys[0]!), ring), -1)
    assert.strictEqual(firstStranger(signed(keys[0]!, keys[2]!), ring), 1)
    assert.strictEqual(firstStranger(signed(keys[0]!), makeRingKeys([])), 0)
  })

  it("counts distinct keys for the member bound", () => {
    assert.strictEqual(makeRingKeys([keys[0]!, keys[0]!, keys[1]!]).size, 2)
    assert.strictEqual(memberBound(2), 16)
    assert.strictEqual(memberBound(9), 18)
  })

  it("compares a key with its address, the placeholder's hex included", () => {
    assert.isTrue(keyMatchesAddress(keys[0]!, addressOf(keys[0]!)))
    assert.isFalse(keyMatchesAddress(keys[0]!, addressOf(keys[1]!)))
    assert.isTrue(keyMatchesAddress(PLACEHOLDER.publicKey, PLACEHOLDER.address))
    assert.isFalse(keyMatchesAddress(keys[0]!, PLACEHOLDER.address))
  })

  it.prop(
    "a ring height is less than a session after the claimed end, and its own ring height once the grid is anchored",
    {
      blocks: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
      anchor: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 500 })),
      end: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2000 }))
    },
    ({ blocks, anchor, end }) => {
      const params = {
        numBlocksPerSession: BigInt(blocks),
        sessionGridAnchorHeight: BigInt(anchor),
        sessionNumberAtAnchor: 1n
      }
      const target = ringHeight(params, BigInt(end))
      assert.isTrue(target >= BigInt(end) && target < BigInt(end + blocks))
      if (end >= anchor) assert.strictEqual(ringHeight(params, target), target)
    },
    { arbitrary: { runs: 200, seed: 3 } }
  )
})
