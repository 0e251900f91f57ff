/** Claims and proofs on their way through a node that fails in part: what is sent, how often, and what it costs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { noFaults } from "../../../adapters/simchain/NodeFaults.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { ChainTx, TxRefused } from "../../../domain/ports/ChainTx.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { sessionHeights } from "../../../domain/settlement/SessionTerms.ts"
import {
  append,
  eventsOf,
  headerAt,
  inWorld,
  otherApplication,
  otherSupplier,
  relaysOf,
  runBlocks,
  SERVICE,
  stateOf,
  supplier,
  testSettings
} from "./MinerWorld.ts"
import { hashesOf, noted, paidFor, type Sent, unavailable } from "./NotedTx.ts"

const endOf = (header: SessionHeader) => Effect.map(stateOf(header), ({ end }) => end)

describe("a broadcast that fails", () => {
  for (const kind of ["CreateClaim", "SubmitProof"] as const) {
    it.effect(`is repeated with the same bytes within its block: ${kind}`, () =>
      Effect.gen(function* () {
        const sent: Array<Sent> = []
        let failures = 2
        const flaky = yield* noted(sent, (broadcast) =>
          broadcast.kind === kind && failures-- > 0 ? Effect.fail(unavailable("broadcast")) : Effect.void
        )
        yield* startMiner.pipe(Effect.provideService(ChainTx, flaky))
        const header = yield* headerAt(1n)
        yield* append(header, relaysOf(header, 5))
        yield* runBlocks(18)
        assert.strictEqual((yield* endOf(header))?._tag, "Settled")
        const [first] = sent.filter((broadcast) => broadcast.kind === kind)
        assert.deepStrictEqual(
          sent.filter((broadcast) => broadcast.kind === kind),
          [first, first, first]
        )
      }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 1n, proofWindowCloseOffsetBlocks: 1n } } }))
    )
  }

  it.effect("is repeated within its block when the node is not ready for it", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const node = yield* SimNode
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* noted(sent)))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(6)
      const full = { codespace: "sdk", code: 20, log: "" }
      yield* node.setFaults({ ...noFaults, refusals: [full, full] })
      yield* runBlocks(12)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      const [first] = sent
      assert.deepStrictEqual(
        sent.filter(({ kind }) => kind === "CreateClaim"),
        [first, first, first]
      )
    }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 1n } } }))
  )
})

describe("a chain that does not answer once", () => {
  it.effect("does not cost the claim of a window that has one block", () =>
    Effect.gen(function* () {
      const chain = yield* ChainQuery
      let failures = 1
      const flaky = ChainQuery.of({
        ...chain,
        proofParams: Effect.suspend(() =>
          failures-- > 0 ? Effect.fail(unavailable("proofParams")) : chain.proofParams
        )
      })
      yield* startMiner.pipe(Effect.provideService(ChainQuery, flaky))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(18)
      assert.isBelow(failures, 1)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
    }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 1n } } }))
  )
})

describe("a transaction that took effect", () => {
  for (const kind of ["CreateClaim", "SubmitProof"] as const) {
    it.effect(`is not built again while the claims on chain cannot be read: ${kind}`, () =>
      Effect.gen(function* () {
        const blocks = yield* Blocks
        const chain = yield* ChainQuery
        const sent: Array<Sent> = []
        const isAway = (height: bigint) => {
          const first = sent.find((broadcast) => broadcast.kind === kind)
          return first !== undefined && height > first.height && height <= first.height + 2n
        }
        const blind = ChainQuery.of({
          ...chain,
          claims: (of, notBefore) =>
            Effect.flatMap(blocks.latest, ({ height }) =>
              isAway(height) ? Effect.fail(unavailable("claims")) : chain.claims(of, notBefore)
            )
        })
        yield* startMiner.pipe(
          Effect.provideService(ChainTx, yield* noted(sent)),
          Effect.provideService(ChainQuery, blind)
        )
        const header = yield* headerAt(1n)
        yield* append(header, relaysOf(header, 5))
        yield* runBlocks(24)
        assert.strictEqual((yield* endOf(header))?._tag, "Settled")
        assert.strictEqual(hashesOf(sent, kind).size, 1)
      }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 4n, proofWindowCloseOffsetBlocks: 6n } } }))
    )
  }
})

describe("a claim that landed in the last block of its window", () => {
  it.effect("is not missed where the claims on chain are read from a node that is behind", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const node = yield* SimNode
      const tx = yield* noted(sent, () => node.setFaults({ queryLagBlocks: 3n }))
      yield* startMiner.pipe(Effect.provideService(ChainTx, tx))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      for (let i = 0; i < 20 && sent.length === 0; i++) yield* runBlocks(1)
      const { claim } = yield* sessionHeights(header.sessionEndBlockHeight)
      assert.deepInclude(sent[0], { kind: "CreateClaim", height: claim.closes - 1n })
      yield* runBlocks(3)
      yield* node.setFaults(noFaults)
      yield* runBlocks(16)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
    }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 1n, proofWindowCloseOffsetBlocks: 6n } } }))
  )
})

describe("a simulation that gets no answer", () => {
  it.effect("does not keep a message from its last heights", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const tx = ChainTx.of({ ...(yield* noted(sent)), simulate: () => Effect.fail(unavailable("simulate")) })
      yield* startMiner.pipe(Effect.provideService(ChainTx, tx))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(22)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      const { claim, proof } = yield* sessionHeights(header.sessionEndBlockHeight)
      assert.deepStrictEqual(
        sent.map(({ kind, height }) => [kind, height]),
        [
          ["CreateClaim", claim.closes - 2n],
          ["SubmitProof", proof.closes - 2n]
        ]
      )
    }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 4n, proofWindowCloseOffsetBlocks: 3n } } }))
  )

  it.effect("leaves enough gas to a message alone after one of several was simulated", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const node = yield* ChainTx
      let isAway = false
      const tx = ChainTx.of({
        ...(yield* noted(sent)),
        simulate: (bytes) =>
          Effect.suspend(() => (isAway ? Effect.fail(unavailable("simulate")) : node.simulate(bytes)))
      })
      yield* startMiner.pipe(Effect.provideService(ChainTx, tx))
      const together = [yield* headerAt(1n), yield* headerAt(1n, otherApplication)]
      for (const header of together) yield* append(header, relaysOf(header, 5))
      yield* runBlocks(12)
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 1)
      isAway = true
      const alone = yield* headerAt(13n)
      yield* append(alone, relaysOf(alone, 5))
      yield* runBlocks(24)
      assert.strictEqual((yield* endOf(alone))?._tag, "Settled")
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 2)
    }).pipe(
      inWorld({
        params: { shared: { claimWindowCloseOffsetBlocks: 4n, proofWindowCloseOffsetBlocks: 3n } },
        settings: {
          ingest: testSettings.ingest,
          submission: { ...testSettings.submission, gasAdjustment: 1 },
          fleet: testSettings.fleet
        }
      })
    )
  )

  it.effect("does not send a message that a simulation refuses", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* noted(sent)))
      const invented = { ...(yield* headerAt(1n)), sessionId: "0".repeat(64) }
      yield* append(invented, relaysOf(invented, 5))
      yield* runBlocks(18)
      assert.deepInclude(yield* endOf(invented), { _tag: "ClaimMissed", reason: "rejected" })
      assert.deepStrictEqual(sent, [])
    }).pipe(inWorld())
  )
})

describe("a nonce that is used already", () => {
  it.effect("when the bytes are sent again is taken for their own", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const node = yield* SimNode
      const used = new TxRefused({ reason: "nonce_used", codespace: "sdk", code: 18, log: "already used timeout" })
      const tx = yield* noted(sent, () => (sent.length === 2 ? Effect.fail(used) : Effect.void))
      yield* startMiner.pipe(Effect.provideService(ChainTx, tx))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(6)
      yield* node.setFaults({ ...noFaults, loseReplies: 1 })
      yield* runBlocks(12)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 1)
      assert.strictEqual(sent.filter(({ kind }) => kind === "CreateClaim").length, 2)
    }).pipe(inWorld())
  )
})

describe("fixed gas", () => {
  const withGas = (fixedGasPerMessage: bigint) => ({
    settings: {
      ingest: testSettings.ingest,
      submission: { ...testSettings.submission, fixedGasPerMessage },
      fleet: testSettings.fleet
    },
    params: { shared: { claimWindowCloseOffsetBlocks: 8n } }
  })

  /** Two sessions of which the second, made up, is refused by every block; the first shows that the gas is enough. */
  const withHopeless = Effect.gen(function* () {
    const first = yield* headerAt(1n)
    yield* append(first, relaysOf(first, 5))
    yield* runBlocks(12)
    const later = yield* headerAt(13n, otherApplication)
    const invented = { ...(yield* headerAt(13n)), sessionId: "0".repeat(64) }
    yield* append(later, relaysOf(later, 5))
    yield* append(invented, relaysOf(invented, 5))
    return { first, later, invented }
  })

  it.effect("is simulated once before it is trusted, so that a message that the chain refuses costs nothing", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* noted(sent)))
      const header = yield* headerAt(1n, otherApplication)
      const invented = { ...(yield* headerAt(1n)), sessionId: "0".repeat(64) }
      yield* append(header, relaysOf(header, 5))
      yield* append(invented, relaysOf(invented, 5))
      yield* runBlocks(24)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      assert.deepInclude(yield* endOf(invented), { _tag: "ClaimMissed", reason: "rejected" })
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 1)
    }).pipe(inWorld(withGas(400_000n)))
  )

  it.effect("pays one fee, not one at each height, for a message that the chain refuses", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* noted(sent)))
      const { first, later, invented } = yield* withHopeless
      yield* runBlocks(24)
      assert.strictEqual((yield* endOf(first))?._tag, "Settled")
      assert.strictEqual((yield* endOf(later))?._tag, "Settled")
      assert.deepInclude(yield* endOf(invented), { _tag: "ClaimMissed", reason: "rejected" })
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 3)
    }).pipe(inWorld(withGas(400_000n)))
  )

  /** Runs until `isDue`, then ends the miner and starts another one, which knows only what is stored. */
  const takenOver = Effect.fnUntraced(function* (tx: ChainTx["Service"], isDue: () => boolean) {
    const scope = yield* Scope.make()
    const miner = yield* startMiner.pipe(Effect.provideService(ChainTx, tx), Effect.provideService(Scope.Scope, scope))
    return Effect.gen(function* () {
      for (let i = 0; i < 40 && !isDue(); i++) yield* runBlocks(1)
      assert.isTrue(isDue())
      yield* runBlocks(2)
      yield* miner.drain
      yield* Scope.close(scope, Exit.void)
      yield* startMiner.pipe(Effect.provideService(ChainTx, tx))
    })
  })

  it.effect("pays no second fee for such a message under the next owner", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const takeOver = yield* takenOver(yield* noted(sent), () => hashesOf(sent, "CreateClaim").size === 3)
      const { later, invented } = yield* withHopeless
      yield* takeOver
      yield* runBlocks(24)
      assert.strictEqual((yield* endOf(later))?._tag, "Settled")
      assert.deepInclude(yield* endOf(invented), { _tag: "ClaimMissed", reason: "rejected" })
      assert.strictEqual(yield* paidFor(sent, "CreateClaim"), 3)
    }).pipe(inWorld(withGas(400_000n)))
  )

  it.effect("that is too low costs no fee, not even under the next owner", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const takeOver = yield* takenOver(yield* noted(sent), () => hashesOf(sent, "CreateClaim").size === 1)
      const first = yield* headerAt(1n)
      yield* append(first, relaysOf(first, 5))
      yield* takeOver
      yield* runBlocks(4)
      const later = yield* headerAt(13n)
      yield* append(later, relaysOf(later, 5))
      yield* runBlocks(32)
      assert.strictEqual((yield* endOf(later))?._tag, "Settled")
      assert.strictEqual(yield* paidFor(sent, "CreateClaim"), 2)
    }).pipe(inWorld(withGas(100_000n)))
  )

  it.effect("that is too low is raised until the message gets through", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(24)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
    }).pipe(inWorld(withGas(60_000n)))
  )
})

describe("a proof that the chain finds invalid", () => {
  it.effect("is not sent again, and its session says so", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* noted(sent)))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(24)
      assert.deepInclude(yield* endOf(header), { _tag: "Expired", reason: "PROOF_INVALID" })
      const missed = (yield* eventsOf(header)).find(({ _tag }) => _tag === "ProofMissed")
      assert.deepInclude(missed, { reason: "proof_invalid" })
      assert.strictEqual(hashesOf(sent, "SubmitProof").size, 1)
    }).pipe(
      inWorld({
        verifiers: rememberingVerifiers({ verifyRing: () => false }),
        params: { shared: { proofWindowCloseOffsetBlocks: 6n } }
      })
    )
  )
})

describe("a session without the supplier", () => {
  it.effect("is not claimed, and says why", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(18)
      assert.deepInclude(yield* endOf(header), { _tag: "Skipped", reason: "supplier_not_in_session" })
    }).pipe(
      inWorld({
        services: [
          { id: SERVICE, computeUnitsPerRelay: 100n },
          { id: "other", computeUnitsPerRelay: 100n }
        ],
        suppliers: [
          { publicKey: supplier.publicKey, services: [{ serviceId: "other" }] },
          { publicKey: otherSupplier.publicKey, services: [{ serviceId: SERVICE }] }
        ]
      })
    )
  )
})
