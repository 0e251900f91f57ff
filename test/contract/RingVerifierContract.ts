/** What every `RingVerifier` must do: the reference's verdict on each golden vector and on every edge a signer can reach. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer, Result } from "effect"
import { RingVerifier } from "../../domain/ports/RingVerifier.ts"
import { decode } from "../../domain/ring/RingSignature.ts"
import { makeMemberPoints, verify } from "../../domain/ring/RingVerification.ts"
import { allRingVectors, edgeCases, randomCases, type RingCase } from "../domain/ring/RingSignatureCases.ts"
import { hex } from "../vectors/load.ts"

/** Registers the suite for one adapter; all its tests share one instance. */
export const ringVerifierContract = (name: string, adapter: Layer.Layer<RingVerifier>): void => {
  layer(adapter)(`RingVerifier, ${name}`, (it) => {
    for (const each of allRingVectors) {
      it.effect(`gives the reference's verdict on ${each.name}`, () =>
        Effect.gen(function* () {
          const verifier = yield* RingVerifier
          const signature = decode(hex(each.signature_hex), 16)
          const valid =
            Result.isSuccess(signature) && (yield* verifier.verify(hex(each.message_hex), signature.success))
          assert.strictEqual(valid, each.expect === "valid")
        })
      )
    }

    it.effect("gives the pure verdict on random rings and damaged copies", () => agreesWithPure(randomVerdicts))

    it.effect("gives the pure verdict where intermediate points are infinite, doubled or the generator", () =>
      agreesWithPure(edgeVerdicts)
    )

    it.effect("answers false, without failing, for shapes that decoding never yields", () =>
      Effect.gen(function* () {
        const verifier = yield* RingVerifier
        const [{ message, signature }] = [randomCases("shape", 1)[0]!]
        for (const changed of [
          { ...signature, members: [], scalars: [] },
          { ...signature, image: new Uint8Array() },
          { ...signature, image: new Uint8Array(65).fill(4) },
          { ...signature, members: signature.members.map(() => new Uint8Array()) },
          { ...signature, scalars: [] }
        ]) {
          assert.isFalse(yield* verifier.verify(message, changed))
        }
        for (const length of [0, 31, 33, 64]) {
          assert.isFalse(yield* verifier.verify(new Uint8Array(length), signature))
        }
      })
    )
  })
}

interface PureVerdict extends RingCase {
  readonly expected: boolean
}

/** The pure verdicts, computed once for all adapters. */
const once = (cases: () => ReadonlyArray<RingCase>): (() => ReadonlyArray<PureVerdict>) => {
  let verdicts: ReadonlyArray<PureVerdict> | undefined
  return () => {
    const members = makeMemberPoints(1000)
    verdicts ??= cases().map((each) => ({ ...each, expected: verify(each.message, each.signature, { members }) }))
    return verdicts
  }
}

const randomVerdicts = once(() => randomCases("random", 12))
const edgeVerdicts = once(edgeCases)

const agreesWithPure = (verdicts: () => ReadonlyArray<PureVerdict>) =>
  Effect.gen(function* () {
    const verifier = yield* RingVerifier
    for (const { name, message, signature, valid, expected } of verdicts()) {
      if (valid !== undefined) assert.strictEqual(expected, valid, name)
      assert.strictEqual(yield* verifier.verify(message, signature), expected, name)
    }
  })
