/** What every `ChainTx` must do: carry bytes, tell pending from included, and give each refusal its reason. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Option, Result } from "effect"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../domain/ports/ChainTx.ts"
import { SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { ChainWorld, reachClaimWindow, worldClaim, worldSession, worldTx } from "./ChainWorld.ts"

type Ports = Blocks | ChainQuery | ChainTx | ChainWorld

/** The refusal as plain facts, or what came instead. */
const reasonOf = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.result(effect), (result) => (Result.isFailure(result) ? { ...result.failure } : "accepted"))

/** Registers the suite; `layer` builds a fresh chain for each test. */
export const chainTxContract = (name: string, layer: () => Layer.Layer<Ports>): void => {
  const test = <A, E>(title: string, body: Effect.Effect<A, E, Ports>) =>
    it.effect(title, () => body.pipe(Effect.provide(layer())))

  describe(`ChainTx, ${name}`, () => {
    test(
      "includes a transaction in a later block and finds it there by its hash",
      Effect.gen(function* () {
        const { nextBlock } = yield* ChainWorld
        const [tx, blocks] = [yield* ChainTx, yield* Blocks]
        const header = yield* reachClaimWindow
        const { txBytes, hash } = yield* worldTx([yield* worldClaim(header)], tx.chainId)
        assert.isTrue(Option.isNone(yield* tx.find(hash)))
        yield* tx.broadcast(txBytes)
        assert.isTrue(Option.isNone(yield* tx.find(hash)))
        yield* nextBlock
        const { height } = yield* blocks.latest
        assert.deepStrictEqual(yield* tx.find(hash), Option.some({ height, refusal: Option.none() }))
        assert.isTrue(Option.isNone(yield* tx.find("00".repeat(32))))
      })
    )

    test(
      "knows bytes it has seen",
      Effect.gen(function* () {
        const { nextBlock } = yield* ChainWorld
        const tx = yield* ChainTx
        const header = yield* reachClaimWindow
        const { txBytes } = yield* worldTx([yield* worldClaim(header)], tx.chainId)
        yield* tx.broadcast(txBytes)
        assert.deepInclude(yield* reasonOf(tx.broadcast(txBytes)), { _tag: "TxRefused", reason: "known" })
        yield* nextBlock
        assert.deepInclude(yield* reasonOf(tx.broadcast(txBytes)), { _tag: "TxRefused", reason: "known" })
      })
    )

    test(
      "gives the reason of refusals before a block",
      Effect.gen(function* () {
        const tx = yield* ChainTx
        const { header } = yield* worldSession(0n)
        const message = yield* worldClaim(header)
        const { timeUnixNano } = yield* (yield* Blocks).latest
        const timeoutUnixNano = timeUnixNano + 300_000_000_000n
        const refused = (parts: Parameters<typeof worldTx>[2], messages = [message]) =>
          Effect.flatMap(worldTx(messages, tx.chainId, parts), ({ txBytes }) => reasonOf(tx.broadcast(txBytes)))
        assert.strictEqual(yield* refused({ timeoutUnixNano, memo: "first" }), "accepted")
        assert.deepInclude(yield* refused({ timeoutUnixNano, memo: "second" }), { reason: "nonce_used", code: 18 })
        assert.deepInclude(yield* refused({ timeoutUnixNano: timeUnixNano - 1n }), { reason: "expired", code: 42 })
        assert.deepInclude(yield* refused({ timeoutUnixNano: timeUnixNano + 601_000_000_000n }), {
          reason: "expired",
          code: 18
        })
        assert.deepInclude(yield* refused({ gasLimit: 100n }), { reason: "gas", code: 11 })
        assert.deepInclude(yield* refused({ fee: 10n ** 18n }), { reason: "operator", code: 5 })
        assert.deepInclude(yield* refused({ chainId: "another" }), { reason: "operator", code: 4 })
        assert.deepInclude(yield* refused({ memo: "x".repeat(257) }), { reason: "malformed", code: 12 })
        assert.deepInclude(yield* refused({}, []), { codespace: "sdk" })
        assert.deepInclude(yield* reasonOf(tx.broadcast(new Uint8Array([1, 2, 3]))), { reason: "malformed", code: 2 })
        const noRoot = yield* worldClaim({ ...header, sessionId: "" })
        assert.deepInclude(yield* refused({}, [noRoot]), { reason: "message", codespace: "proof", code: 1115 })
      })
    )

    test(
      "includes a transaction whose message fails, with index and reason, and drops all its messages",
      Effect.gen(function* () {
        const { nextBlock, supplier } = yield* ChainWorld
        const [tx, query] = [yield* ChainTx, yield* ChainQuery]
        const header = yield* reachClaimWindow
        const messages = [yield* worldClaim(header), yield* worldClaim({ ...header, sessionId: "abc" })]
        const { txBytes, hash } = yield* worldTx(messages, tx.chainId)
        yield* tx.broadcast(txBytes)
        yield* nextBlock
        const { refusal } = Option.getOrThrow(yield* tx.find(hash))
        assert.deepInclude(Option.getOrThrow(refusal), {
          reason: "message",
          codespace: "undefined",
          code: 1,
          messageIndex: 1,
          rejection: "session"
        })
        const claim = yield* query.claim(SessionId.make(header.sessionId), SupplierAddress.make(supplier.address))
        assert.isTrue(Option.isNone(claim))
      })
    )

    test(
      "simulates at the last committed height: refused one block before the window, gas inside it",
      Effect.gen(function* () {
        const { nextBlock } = yield* ChainWorld
        const tx = yield* ChainTx
        const header = yield* reachClaimWindow
        const build = Effect.flatMap(worldClaim(header), (message) =>
          worldTx([message], tx.chainId, { gasLimit: 0n, fee: 0n })
        )
        assert.deepInclude(yield* reasonOf(tx.simulate((yield* build).txBytes)), {
          reason: "message",
          messageIndex: 0,
          rejection: "claim_window"
        })
        yield* nextBlock
        const { txBytes, hash } = yield* build
        const gas = yield* tx.simulate(txBytes)
        assert.isTrue(gas > 0n)
        // Nothing is left of it: neither the transaction nor its nonce.
        assert.strictEqual(yield* tx.simulate(txBytes), gas)
        yield* nextBlock
        assert.isTrue(Option.isNone(yield* tx.find(hash)))
      })
    )

    test(
      "says that nothing is known when the chain does not answer",
      Effect.gen(function* () {
        const { setTxsBroken, setReadsBroken, nextBlock } = yield* ChainWorld
        const tx = yield* ChainTx
        const header = yield* reachClaimWindow
        const { txBytes, hash } = yield* worldTx([yield* worldClaim(header)], tx.chainId)
        yield* setTxsBroken(true)
        yield* setReadsBroken(true)
        for (const call of [tx.broadcast(txBytes), tx.simulate(txBytes), tx.find(hash)]) {
          assert.deepInclude(yield* reasonOf(Effect.asVoid(call)), { _tag: "ChainUnavailable" })
        }
        yield* setTxsBroken(false)
        yield* setReadsBroken(false)
        // The same bytes may be sent again, and only once do they take effect.
        yield* tx.broadcast(txBytes)
        yield* nextBlock
        assert.isTrue(Option.isSome(yield* tx.find(hash)))
      })
    )
  })
}
