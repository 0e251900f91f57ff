/** What is done before a window opens, and what a block can hold: seen by a node that stops answering, and by refusals. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { ChainTx, type TxRefused } from "../../../domain/ports/ChainTx.ts"
import { sessionHeights } from "../../../domain/settlement/SessionTerms.ts"
import { append, headerAt, inWorld, otherApplication, relaysOf, runBlocks, stateOf } from "./MinerWorld.ts"
import { hashesOf, noted, type Sent, unavailable } from "./NotedTx.ts"

const proved = { proof: { proofRequestProbability: 1 } }

describe("a proof", () => {
  it.effect("is built as soon as the seed block is known, so that it is sent when nothing can be read any more", () =>
    Effect.gen(function* () {
      const chain = yield* ChainQuery
      const blocks = yield* Blocks
      const sent: Array<Sent> = []
      const header = yield* headerAt(1n)
      const { proof, seed } = yield* sessionHeights(header.sessionEndBlockHeight)
      let refusedReads = 0
      const silent = ChainQuery.of({
        ...chain,
        // Prices are what building a proof asks the chain for.
        difficultyTargetAt: (service, height) =>
          Effect.flatMap(blocks.latest, (block) => {
            if (block.height < proof.opens) return chain.difficultyTargetAt(service, height)
            refusedReads++
            return Effect.fail(unavailable("difficultyTargetAt"))
          })
      })
      yield* startMiner.pipe(
        Effect.provideService(ChainQuery, silent),
        Effect.provideService(ChainTx, yield* noted(sent))
      )
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(Number(seed) + 12)
      const proofs = sent.filter(({ kind }) => kind === "SubmitProof")
      assert.deepStrictEqual(
        proofs.map(({ height }) => height),
        [proof.opens]
      )
      assert.strictEqual(refusedReads, 0)
      assert.strictEqual((yield* stateOf(header)).end?._tag, "Settled")
    }).pipe(
      inWorld({ params: { ...proved, shared: { claimWindowCloseOffsetBlocks: 4n, proofWindowOpenOffsetBlocks: 1n } } })
    )
  )
})

describe("a transaction", () => {
  it.effect("takes no more messages than a block has gas for", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const refused: Array<TxRefused> = []
      const tx = yield* noted(sent)
      const listening = ChainTx.of({
        ...tx,
        broadcast: (bytes) =>
          Effect.tapErrorTag(tx.broadcast(bytes), "TxRefused", (refusal) => Effect.sync(() => refused.push(refusal)))
      })
      yield* startMiner.pipe(Effect.provideService(ChainTx, listening))
      const headers = [yield* headerAt(1n), yield* headerAt(1n, otherApplication)]
      for (const header of headers) yield* append(header, relaysOf(header, 5))
      yield* runBlocks(32)
      for (const header of headers) assert.strictEqual((yield* stateOf(header)).end?._tag, "Settled")
      // One claim takes about 100 000 gas, hence 170 000 are asked for: two do not fit, one does.
      assert.deepStrictEqual(
        refused.filter(({ reason }) => reason !== "known"),
        []
      )
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 2)
    }).pipe(
      inWorld({
        params: {
          shared: { claimWindowCloseOffsetBlocks: 6n },
          block: { maxGas: 200_000n },
          proof: { proofRequestProbability: 0 }
        }
      })
    )
  )
})
