/** What every `SupplierKeys` must do: the golden signatures, a stable order, and a typed refusal for a key it does not hold. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Layer, Option, Redacted, Stream, SubscriptionRef } from "effect"
import { type KeyRing, makeKeyRing } from "../../domain/keys/KeyRing.ts"
import { KeyNotHeld, SupplierKeys } from "../../domain/ports/SupplierKeys.ts"
import { SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { hex, loadVectors, toHex } from "../vectors/load.ts"

const cases = loadVectors<{
  readonly keys: ReadonlyArray<{ private_key_hex: string; pubkey_hex: string; address: string }>
  readonly signatures: ReadonlyArray<{
    name: string
    pubkey_hex: string
    private_key_hex: string
    message_hex: string
    signature_hex: string
  }>
}>("keys-signatures")

const redacted = (keyHex: string) => Redacted.make(hex(keyHex))
const allKeys = () => makeKeyRing(cases.keys.map(({ private_key_hex }) => redacted(private_key_hex)))

/** Registers the suite for one adapter, built over a ring that the test may replace. */
export const supplierKeysContract = (
  name: string,
  adapter: (ring: SubscriptionRef.SubscriptionRef<KeyRing>) => Layer.Layer<SupplierKeys>
): void => {
  const withKeys = <A, E>(
    body: (keys: SupplierKeys["Service"], ring: SubscriptionRef.SubscriptionRef<KeyRing>) => Effect.Effect<A, E>
  ) =>
    Effect.gen(function* () {
      const ring = yield* SubscriptionRef.make(allKeys())
      return yield* Effect.flatMap(SupplierKeys, (keys) => body(keys, ring)).pipe(Effect.provide(adapter(ring)))
    })

  describe(`SupplierKeys, ${name}`, () => {
    for (const each of cases.signatures) {
      it.effect(`makes ${each.name} byte for byte`, () =>
        withKeys((keys, ring) =>
          Effect.gen(function* () {
            yield* SubscriptionRef.set(ring, makeKeyRing([redacted(each.private_key_hex)]))
            const [supplier] = yield* keys.held
            assert.strictEqual(toHex(yield* keys.sign(supplier!, hex(each.message_hex))), each.signature_hex)
            assert.strictEqual(toHex(Option.getOrThrow(yield* keys.publicKey(supplier!))), each.pubkey_hex)
            assert.isTrue(keys.isHeld(supplier!))
          })
        )
      )
    }

    it.effect("lists the addresses it holds, each once, in ascending order", () =>
      withKeys((keys, ring) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(
            yield* keys.held,
            cases.keys.map(({ address }) => SupplierAddress.make(address)).sort()
          )
          const twice = [cases.keys[1]!, cases.keys[0]!, cases.keys[1]!]
          yield* SubscriptionRef.set(ring, makeKeyRing(twice.map((key) => redacted(key.private_key_hex))))
          assert.deepStrictEqual(
            yield* keys.held,
            [0, 1].map((i) => SupplierAddress.make(cases.keys[i]!.address)).sort()
          )
        })
      )
    )

    it.effect("refuses to sign for a supplier whose key is not loaded", () =>
      withKeys((keys) =>
        Effect.gen(function* () {
          const stranger = SupplierAddress.make("pokt1stranger")
          const error = yield* Effect.flip(keys.sign(stranger, new Uint8Array(32)))
          assert.deepStrictEqual(error, new KeyNotHeld({ supplier: stranger }))
          assert.isTrue(Option.isNone(yield* keys.publicKey(stranger)))
          assert.isFalse(keys.isHeld(stranger))
        })
      )
    )

    it.effect("stops signing for a key that was taken out, and tells the new set", () =>
      withKeys((keys, ring) =>
        Effect.gen(function* () {
          const [first, ...rest] = cases.keys
          const seen = yield* Effect.forkChild(keys.changes.pipe(Stream.take(2), Stream.runCollect))
          yield* Effect.yieldNow
          yield* SubscriptionRef.set(ring, makeKeyRing(rest.map((key) => redacted(key.private_key_hex))))
          const sets = yield* Fiber.join(seen)
          assert.deepStrictEqual(
            Array.from(sets, (set) => set.length),
            [40, 39]
          )
          assert.isFalse(keys.isHeld(SupplierAddress.make(first!.address)))
          yield* Effect.flip(keys.sign(SupplierAddress.make(first!.address), new Uint8Array(32)))
        })
      )
    )

    it.effect("hands out copies of public keys", () =>
      withKeys((keys) =>
        Effect.gen(function* () {
          const supplier = SupplierAddress.make(cases.keys[0]!.address)
          Option.getOrThrow(yield* keys.publicKey(supplier)).fill(0)
          assert.strictEqual(toHex(Option.getOrThrow(yield* keys.publicKey(supplier))), cases.keys[0]!.pubkey_hex)
        })
      )
    )
  })
}
