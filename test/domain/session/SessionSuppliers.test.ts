import { assert, describe, it } from "@effect/vitest"
import { sha3_256 } from "@noble/hashes/sha3.js"
import { Schema } from "effect"
import type { ServiceConfigUpdate } from "../../../domain/chain/Supplier.ts"
import { encodeBech32 } from "../../../domain/keys/Bech32.ts"
import {
  compareAddresses,
  isConfigActive,
  selectSuppliers,
  sessionCandidates,
  supplierWeight
} from "../../../domain/session/SessionSuppliers.ts"

const address = (...head: ReadonlyArray<number>): string =>
  encodeBech32(
    "pokt",
    Uint8Array.from({ length: 20 }, (_, index) => head[index] ?? 0)
  )

const aConfig = (fields: Partial<ServiceConfigUpdate> & { readonly serviceId?: string }): ServiceConfigUpdate => ({
  operatorAddress: fields.operatorAddress ?? address(1),
  service: { serviceId: fields.serviceId ?? "svc", endpoints: [], revShare: [] },
  activationHeight: fields.activationHeight ?? 1n,
  deactivationHeight: fields.deactivationHeight ?? 0n
})

const preimage = Uint8Array.from([1, 2, 3])
const candidatesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ operatorAddress: address(index >> 8, index & 255) }))

describe("session suppliers", () => {
  it("a config counts from its activation until before its deactivation", () => {
    const config = aConfig({ activationHeight: 11n, deactivationHeight: 21n })
    assert.deepStrictEqual(
      [10n, 11n, 20n, 21n].map((height) => isConfigActive(config, height)),
      [false, true, true, false]
    )
    assert.isTrue(isConfigActive(aConfig({ activationHeight: 11n }), 1_000_000n))
  })

  it("candidates are those of the service, by activation and then by address bytes", () => {
    const [late, low, high] = [
      aConfig({ operatorAddress: address(0), activationHeight: 11n }),
      aConfig({ operatorAddress: address(1) }),
      aConfig({ operatorAddress: address(2) })
    ]
    const others = [
      aConfig({ serviceId: "other" }),
      aConfig({ deactivationHeight: 20n }),
      aConfig({ activationHeight: 21n })
    ]
    assert.deepStrictEqual(sessionCandidates([late, high, low, ...others], "svc", 20n), [low, high, late])
  })

  it("addresses sort by the bytes they encode, not as texts", () => {
    // Five-bit groups 0 and 1 are written "q" and "p": the texts sort the other way round.
    const [zero, eight] = [address(0), address(8)]
    assert.isTrue(zero > eight)
    assert.isBelow(compareAddresses(zero, eight), 0)
    assert.isAbove(compareAddresses(eight, zero), 0)
    assert.strictEqual(compareAddresses(zero, zero), 0)
  })

  it("the weight is the signed head of SHA3-256 over preimage, dot and address", () => {
    const digest = sha3_256(Uint8Array.from([...preimage, 0x2e, ...new TextEncoder().encode(address(7))]))
    const expected = BigInt.asIntN(64, BigInt(`0x${Buffer.from(digest.slice(0, 8)).toString("hex")}`))
    assert.strictEqual(supplierWeight(preimage, address(7)), expected)
  })

  it("fewer candidates than places keep their order, as many or more are sorted by weight", () => {
    const candidates = candidatesOf(12)
    const weights = (chosen: ReadonlyArray<{ readonly operatorAddress: string }>) =>
      chosen.map((candidate) => supplierWeight(preimage, candidate.operatorAddress))
    const ascending = (values: ReadonlyArray<bigint>) => values.every((v, i) => i === 0 || values[i - 1]! < v)
    assert.strictEqual(selectSuppliers(candidates, preimage, 13n), candidates)
    assert.isFalse(ascending(weights(candidates)))
    assert.strictEqual(selectSuppliers(candidates, preimage, 12n).length, 12)
    assert.isTrue(ascending(weights(selectSuppliers(candidates, preimage, 12n))))
    const five = selectSuppliers(candidates, preimage, 5n)
    assert.deepStrictEqual(five, selectSuppliers(candidates, preimage, 12n).slice(0, 5))
    assert.isTrue(weights(five).some((weight) => weight < 0n))
  })

  it.prop(
    "the choice among enough candidates does not depend on their order",
    {
      count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 })),
      places: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 }))
    },
    ({ count, places }) => {
      const candidates = candidatesOf(count)
      if (places > count) return
      const chosen = selectSuppliers(candidates, preimage, BigInt(places))
      assert.deepStrictEqual(selectSuppliers([...candidates].reverse(), preimage, BigInt(places)), chosen)
      assert.strictEqual(new Set(chosen).size, places)
    },
    { arbitrary: { runs: 30 } }
  )
})
