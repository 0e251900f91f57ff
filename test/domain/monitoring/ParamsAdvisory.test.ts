/** Parameters of the chain that nobody should run with, and those that the settings do not fit. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeNotices } from "../../../domain/monitoring/Notices.ts"
import { adviseOnParams, paramsAdvice } from "../../../domain/monitoring/ParamsAdvisory.ts"
import { type Block, Blocks, ChainUnavailable } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { defaultProofParams } from "../../../domain/protocol/ProofParams.ts"
import { defaultSharedParams } from "../../../domain/protocol/SharedParams.ts"

const healthy = {
  shared: defaultSharedParams,
  proof: defaultProofParams,
  supplier: { minStake: 59_500_000_000n }
}
const settings = {
  blockTime: Duration.seconds(30),
  cacheTtl: Duration.hours(2),
  sessionTtl: Duration.hours(2),
  balanceThreshold: 1_000_000n
}
const only = (advice: ReadonlyArray<string>, expected: RegExp) => {
  assert.lengthOf(advice, 1, advice.join("\n"))
  assert.match(advice[0] ?? "", expected)
}

describe("advice about parameters", () => {
  it("has nothing to say about a network as it should be", () => {
    assert.deepStrictEqual(paramsAdvice(healthy, settings), [])
  })

  it("names a rule of the protocol that the chain breaks", () => {
    const shared = { ...defaultSharedParams, gracePeriodEndOffsetBlocks: 2n }
    only(paramsAdvice({ ...healthy, shared }, settings), /breaks its own rules: .*claimWindowOpenOffsetBlocks is 1/)
  })

  it("names windows in which nothing may go wrong", () => {
    const of = (change: Partial<typeof defaultSharedParams>) =>
      paramsAdvice({ ...healthy, shared: { ...defaultSharedParams, ...change } }, settings)
    only(of({ claimWindowCloseOffsetBlocks: 0n }), /claim window has one block/)
    only(of({ proofWindowCloseOffsetBlocks: 0n }), /proof window has one block/)
  })

  it("names lives that are shorter than a session's way to its settlement", () => {
    // 10 blocks, 1 + 4 + 0 + 4 offsets and one more: 20 blocks of 30 s.
    assert.deepStrictEqual(paramsAdvice(healthy, { ...settings, cacheTtl: Duration.seconds(600) }), [])
    only(paramsAdvice(healthy, { ...settings, cacheTtl: Duration.seconds(599) }), /cache_ttl is 599 s, .* 600 s/)
    only(paramsAdvice(healthy, { ...settings, sessionTtl: Duration.seconds(10) }), /session_ttl is 10 s/)
  })

  it("names a penalty that no stake at the minimum survives, and a fee above the threshold of balances", () => {
    only(
      paramsAdvice({ ...healthy, supplier: { minStake: 320_000_000n } }, settings),
      /one missed proof takes 320000000/
    )
    const proof = { ...defaultProofParams, proofSubmissionFee: 1_000_000n }
    only(paramsAdvice({ ...healthy, proof }, settings), /balance_monitor\.balance_threshold_upokt/)
    assert.deepStrictEqual(paramsAdvice({ ...healthy, proof }, { ...settings, balanceThreshold: undefined }), [])
  })

  it.effect("is kept among the notices while it holds, and looked at again soon after a chain that was silent", () =>
    Effect.gen(function* () {
      let [isAway, minStake] = [true, 1n]
      const notices = makeNotices()
      const advising = yield* adviseOnParams(settings, notices).pipe(
        Effect.provide([
          Layer.mock(Blocks, { peek: () => undefined, changes: Stream.never }),
          Layer.mock(ChainQuery, {
            sharedParams: Effect.suspend(() =>
              isAway
                ? Effect.fail(new ChainUnavailable({ operation: "sharedParams", cause: new Error("away") }))
                : Effect.succeed(defaultSharedParams)
            ),
            proofParams: Effect.succeed(defaultProofParams),
            supplierParams: Effect.sync(() => ({ minStake }))
          })
        ]),
        Effect.forkChild
      )
      yield* TestClock.adjust(Duration.seconds(1))
      only(yield* notices.all, /parameters of the chain could not be read: .*away/)
      isAway = false
      yield* TestClock.adjust(Duration.seconds(30))
      only(yield* notices.all, /one missed proof/)
      minStake = 59_500_000_000n
      yield* TestClock.adjust(Duration.minutes(5))
      assert.deepStrictEqual(yield* notices.all, [])
      minStake = 1n
      yield* TestClock.adjust(Duration.minutes(5))
      assert.lengthOf(yield* notices.all, 1)
      yield* Fiber.interrupt(advising)
      assert.deepStrictEqual(yield* notices.all, [])
    })
  )

  it.effect("follows the shared parameters from block to block", () =>
    Effect.gen(function* () {
      let shared: typeof defaultSharedParams | undefined = defaultSharedParams
      const notices = makeNotices()
      const blocks = yield* Queue.unbounded<Block>()
      const next = Effect.andThen(
        Queue.offer(blocks, { height: 1n, hash: new Uint8Array(32), timeUnixNano: 1n }),
        TestClock.adjust(Duration.zero)
      )
      yield* adviseOnParams(settings, notices).pipe(
        Effect.provide([
          Layer.mock(Blocks, { peek: () => undefined, changes: Stream.fromQueue(blocks) }),
          Layer.mock(ChainQuery, {
            sharedParams: Effect.suspend(() =>
              shared === undefined
                ? Effect.fail(new ChainUnavailable({ operation: "sharedParams", cause: new Error("not to be used") }))
                : Effect.succeed(shared)
            ),
            proofParams: Effect.succeed(defaultProofParams),
            supplierParams: Effect.succeed(healthy.supplier)
          })
        ]),
        Effect.forkScoped
      )
      yield* next
      assert.deepStrictEqual(yield* notices.all, [])
      shared = { ...defaultSharedParams, gracePeriodEndOffsetBlocks: 2n }
      yield* next
      only(yield* notices.all, /breaks its own rules/)
      shared = defaultSharedParams
      yield* next
      assert.deepStrictEqual(yield* notices.all, [])
      shared = undefined
      yield* next
      only(yield* notices.all, /could not be read: .*not to be used/)
      shared = defaultSharedParams
      yield* TestClock.adjust(Duration.seconds(30))
      assert.deepStrictEqual(yield* notices.all, [])
    })
  )
})
