/** A chain that takes no unordered transactions: sequences in turn, whoever else uses the account and whatever gets lost. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option, Result } from "effect"
import { TestClock } from "effect/testing"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { sign } from "../../../domain/keys/SupplierSignature.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { defaultMinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { SessionLedger } from "../../../domain/mining/SessionLedger.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { ChainTx, TxRefused } from "../../../domain/ports/ChainTx.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { freshSharedNotes } from "../../../domain/settlement/SharedNotes.ts"
import { freshMemory, SubmissionMemory } from "../../../domain/settlement/SubmissionMemory.ts"
import { learnOrder, nextSequence } from "../../../domain/settlement/TxOrder.ts"
import { packCreateClaim } from "../../../domain/tx/ProofMessages.ts"
import { type DecodedTx, decodeTx } from "../../../domain/tx/TxDecode.ts"
import { assembleTx, prepareTx } from "../../../domain/tx/UnorderedTx.ts"
import {
  append,
  headerAt,
  inWorld,
  otherApplication,
  relaysOf,
  runBlocks,
  stateOf,
  supplier,
  supplierAddress,
  testSettings
} from "./MinerWorld.ts"

/** Each claim and proof in a transaction of its own, on a chain that wants a sequence for each. */
const ordered = {
  settings: {
    ingest: testSettings.ingest,
    submission: { ...testSettings.submission, batchClaims: false, batchProofs: false },
    fleet: testSettings.fleet
  },
  params: { auth: { unorderedTransactions: false }, proof: { proofRequestProbability: 1 } }
}

const endOf = (header: SessionHeader) => Effect.map(stateOf(header), ({ end }) => end?._tag)
const account = Effect.map(
  ChainQuery.use((chain) => chain.account(supplier.address)),
  Option.getOrThrow
)
/** The port with every transaction that a node took noted. */
const taken = Effect.fnUntraced(function* (txs: Array<DecodedTx>) {
  const tx = yield* ChainTx
  return ChainTx.of({
    ...tx,
    broadcast: (bytes) =>
      Effect.tap(tx.broadcast(bytes), () => Effect.sync(() => txs.push(Result.getOrThrow(decodeTx(bytes)))))
  })
})
const sequencesOf = (txs: ReadonlyArray<DecodedTx>) => txs.map(({ signers }) => signers[0]?.sequence)

/** Relays for two sessions that end together. */
const twoSessions = Effect.gen(function* () {
  const headers = [yield* headerAt(1n), yield* headerAt(1n, otherApplication)]
  for (const header of headers) yield* append(header, relaysOf(header, 5))
  return headers
})

describe("a chain without unordered transactions", () => {
  it.effect("gets claims and proofs with the account's sequence, each in its turn", () =>
    Effect.gen(function* () {
      const txs: Array<DecodedTx> = []
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* taken(txs)))
      const headers = yield* twoSessions
      yield* runBlocks(24)
      for (const header of headers) assert.strictEqual(yield* endOf(header), "Settled")
      assert.deepStrictEqual(sequencesOf(txs), [0n, 1n, 2n, 3n])
      assert.isFalse(txs.some(({ unordered }) => unordered))
      assert.strictEqual((yield* account).sequence, 4n)
    }).pipe(inWorld(ordered))
  )

  it.effect("tells the sequence expected where another program has used the account", () =>
    Effect.gen(function* () {
      const txs: Array<DecodedTx> = []
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* taken(txs)))
      const headers = yield* twoSessions
      for (let block = 0; block < 20 && txs.length < 2; block++) yield* runBlocks(1)
      yield* runBlocks(1)
      const tx = yield* ChainTx
      const { timeUnixNano } = yield* Blocks.use((blocks) => blocks.latest)
      const header = headers[0]!
      const unsigned = prepareTx(
        {
          messages: [
            packCreateClaim({
              supplierOperatorAddress: supplier.address,
              sessionHeader: header,
              rootHash: (yield* stateOf(header)).accepted.root
            })
          ],
          timeoutUnixNano: timeUnixNano + 60_000_000_000n,
          publicKey: supplier.publicKey,
          chainId: tx.chainId,
          accountNumber: (yield* account).accountNumber,
          sequence: 2n
        },
        { gasLimit: 2_000_000n, amount: 2_000n, denom: "upokt" }
      )
      yield* tx.broadcast(assembleTx(unsigned, sign(supplier.privateKey, unsigned.signDocBytes)).txBytes)
      yield* runBlocks(22)
      for (const session of headers) assert.strictEqual(yield* endOf(session), "Settled")
      assert.deepStrictEqual(sequencesOf(txs), [0n, 1n, 3n, 4n])
    }).pipe(inWorld(ordered))
  )

  it.effect("gets a lost transaction anew, with a sequence that is left", () =>
    Effect.gen(function* () {
      const txs: Array<DecodedTx> = []
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* taken(txs)))
      const headers = yield* twoSessions
      yield* SimNode.use((node) => node.setFaults({ dropAccepted: 1 }))
      yield* runBlocks(26)
      for (const header of headers) assert.strictEqual(yield* endOf(header), "Settled")
      // The first claim is forgotten, so the second one takes its place, and it comes again.
      assert.deepStrictEqual(sequencesOf(txs), [0n, 0n, 1n, 2n, 3n])
      assert.strictEqual((yield* account).sequence, 4n)
    }).pipe(inWorld(ordered))
  )

  it.effect("is tried without sequences again after ten minutes", () =>
    Effect.gen(function* () {
      const refused = (reason: "ordered_only" | "sequence", log: string) =>
        new TxRefused({ reason, codespace: "sdk", code: reason === "sequence" ? 32 : 37, log })
      assert.isUndefined(yield* nextSequence)
      assert.isTrue(yield* learnOrder(refused("ordered_only", "unordered transactions are not enabled")))
      assert.strictEqual(yield* nextSequence, 0n)
      assert.isTrue(yield* learnOrder(refused("sequence", "account sequence mismatch, expected 12, got 0: incorrect")))
      assert.strictEqual(yield* nextSequence, 12n)
      yield* TestClock.adjust(Duration.minutes(10))
      assert.isUndefined(yield* nextSequence)
    }).pipe(
      Effect.provide(
        Layer.mock(SessionLedger, { lease: { supplier: supplierAddress, owner: "t", epoch: 1, nonce: "n" } })
      ),
      Effect.provideService(
        SubmissionMemory,
        freshMemory({ claim: 1n, proof: 1n }, 0n, freshSharedNotes(defaultMinerSettings.submission))
      ),
      inWorld()
    )
  )
})
