/** The whole miner against the simulated chain: relays in the log become settled claims, or end with a reason. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import { noFaults } from "../../../adapters/simchain/NodeFaults.ts"
import { SimChain } from "../../../adapters/simchain/SimChain.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { Leases } from "../../../domain/ports/Leases.ts"
import { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { StoreUnavailable, SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { sessionHeights } from "../../../domain/settlement/SessionTerms.ts"
import { packCreateClaim } from "../../../domain/tx/ProofMessages.ts"
import { buildTrie } from "../../support/RelayBuilder.ts"
import { buildTx } from "../../support/TxBuilder.ts"
import {
  append,
  eventsOf,
  headerAt,
  inWorld,
  otherApplication,
  relaysOf,
  runBlocks,
  SERVICE,
  stateOf,
  supplier,
  supplierAddress,
  testSettings,
  UNITS
} from "./MinerWorld.ts"

/** uPOKT of one relay on the demo chain. */
const RELAY_WORTH = 4_200n

const endOf = (header: SessionHeader) => Effect.map(stateOf(header), ({ end }) => end)

const tagsOf = (header: SessionHeader) => Effect.map(eventsOf(header), (events) => events.map(({ _tag }) => _tag))

/** Another program with the supplier's key claims some other relays of the session. */
const claimForeign = Effect.fnUntraced(function* (header: SessionHeader, count: number) {
  const { tx } = yield* SimChain.use((chain) => chain.makeNode())
  const { timeUnixNano } = yield* Blocks.use((blocks) => blocks.latest)
  const account = Option.getOrThrow(yield* ChainQuery.use((chain) => chain.account(supplier.address)))
  const { root } = buildTrie(relaysOf(header, count, "foreign"), UNITS)
  const { txBytes } = buildTx({
    signer: supplier,
    messages: [packCreateClaim({ supplierOperatorAddress: supplier.address, sessionHeader: header, rootHash: root })],
    timeoutUnixNano: timeUnixNano + 77_000_000_000n,
    accountNumber: account.accountNumber
  })
  yield* tx.broadcast(txBytes)
})

/** A session after one that has shown that the fixed gas is enough. */
const trustedAt = Effect.gen(function* () {
  const first = yield* headerAt(1n)
  yield* append(first, relaysOf(first, 5, "first"))
  yield* runBlocks(12)
  const { height } = yield* Blocks.use((blocks) => blocks.latest)
  return yield* headerAt(height)
})

/** A node that has pruned its block results. */
const withoutEvents = (chain: ChainQuery["Service"]) => ({ ...chain, blockEvents: () => Effect.succeedNone })

describe("the miner", () => {
  it.effect("settles a session's relays for what they are worth", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(16)
      const end = yield* endOf(header)
      assert.deepInclude(end, { _tag: "Settled", claimed: 5n * RELAY_WORTH, paid: 5n * RELAY_WORTH, overserviced: 0n })
      assert.deepStrictEqual(yield* tagsOf(header), [
        "SessionOpened",
        "RelaysAccepted",
        "SessionSealed",
        "ClaimSubmitted",
        "ClaimIncluded",
        "ProofRequired",
        "ProofSubmitted",
        "ProofIncluded",
        "Settled"
      ])
    }).pipe(inWorld())
  )

  it.effect("needs no proof where the chain draws none", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 3))
      yield* runBlocks(16)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      assert.include(yield* tagsOf(header), "ProofNotRequired")
      assert.notInclude(yield* tagsOf(header), "ProofSubmitted")
    }).pipe(inWorld({ params: { proof: { proofRequestProbability: 0 } } }))
  )

  it.effect("counts relays that come after the seal, and passes over those delivered twice", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      const relays = relaysOf(header, 4)
      yield* append(header, relays)
      yield* append(header, relays.slice(0, 2))
      yield* runBlocks(8)
      assert.isDefined((yield* stateOf(header)).sealedAt)
      yield* append(header, relays.slice(2))
      yield* append(header, relaysOf(header, 3, "late"))
      yield* runBlocks(8)
      const state = yield* stateOf(header)
      assert.deepStrictEqual(state.late, { count: 3n, sum: 3n * UNITS })
      assert.deepInclude(state.end, { _tag: "Settled", paid: 4n * RELAY_WORTH })
    }).pipe(inWorld())
  )

  it.effect("keeps relays with another price and poison out of the trie", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 2))
      yield* append(header, relaysOf(header, 2, "dear"), { computeUnitsPerRelay: UNITS + 1n })
      yield* append(header, relaysOf(header, 1, "forged"), { relayHash: new Uint8Array(32) })
      yield* append(header, relaysOf(header, 1, "bent"), { sessionEndHeight: header.sessionEndBlockHeight + 1n })
      yield* runBlocks(16)
      const state = yield* stateOf(header)
      assert.deepInclude(state.end, { _tag: "Settled", paid: 2n * RELAY_WORTH })
      assert.strictEqual(state.late.count, 2n)
      const { setAside, log } = (yield* MemoryStores).supplier(supplier.address)
      assert.deepStrictEqual(setAside.map(({ reason }) => reason).sort(), [
        "relay_hash_mismatch",
        "session_header_mismatch"
      ])
      assert.strictEqual(log.size, 0)
    }).pipe(inWorld())
  )

  it.effect("claims several sessions at once, and a bad one does not cost its neighbours", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      const other = yield* headerAt(1n, otherApplication)
      const invented = { ...header, sessionId: "0".repeat(64) }
      yield* append(header, relaysOf(header, 5))
      yield* append(other, relaysOf(other, 6))
      yield* append(invented, relaysOf(invented, 7))
      yield* runBlocks(16)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
      assert.deepInclude(yield* endOf(other), { _tag: "Settled", paid: 6n * RELAY_WORTH })
      assert.deepInclude(yield* endOf(invented), { _tag: "ClaimMissed", reason: "rejected" })
    }).pipe(inWorld())
  )

  it.effect("holds no message against a node that is behind: all go together once it has caught up", () =>
    Effect.gen(function* () {
      yield* startMiner
      const node = yield* SimNode
      const header = yield* headerAt(1n)
      const other = yield* headerAt(1n, otherApplication)
      yield* append(header, relaysOf(header, 5))
      yield* append(other, relaysOf(other, 6))
      yield* runBlocks(6)
      // Blocks are there, the state is that of a moment ago: claims look too early to it.
      yield* node.setFaults({ queryLagBlocks: 1n })
      yield* runBlocks(1)
      yield* node.setFaults({ queryLagBlocks: 0n })
      yield* runBlocks(9)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
      assert.deepInclude(yield* endOf(other), { _tag: "Settled", paid: 6n * RELAY_WORTH })
      const hashes = yield* Effect.forEach([header, other], (of) =>
        Effect.map(eventsOf(of), (events) =>
          events.flatMap((event) => (event._tag === "ClaimSubmitted" ? [event.txHash] : []))
        )
      )
      assert.strictEqual(new Set(hashes.flat()).size, 1)
    }).pipe(inWorld())
  )

  it.effect("does not claim what costs more than it is worth", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 2))
      yield* runBlocks(12)
      assert.deepInclude(yield* endOf(header), { _tag: "Skipped", reason: "unprofitable" })
    }).pipe(inWorld({ params: { proof: { proofSubmissionFee: 2n * RELAY_WORTH } } }))
  )

  it.effect("ends with a reason when the supplier cannot pay", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 2))
      yield* runBlocks(14)
      assert.deepInclude(yield* endOf(header), { _tag: "ClaimMissed", reason: "insufficient_funds" })
    }).pipe(
      inWorld({ suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: SERVICE }], balance: 0n }] })
    )
  )

  it.effect("sends the same bytes again when they were lost", () =>
    Effect.gen(function* () {
      yield* startMiner
      const node = yield* SimNode
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 3))
      yield* runBlocks(6)
      yield* node.setFaults({ ...noFaults, dropAccepted: 1, loseReplies: 1 })
      yield* runBlocks(12)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 3n * RELAY_WORTH })
      assert.strictEqual((yield* tagsOf(header)).filter((tag) => tag === "ClaimSubmitted").length, 1)
    }).pipe(inWorld())
  )

  it.effect("says so when the chain could not be reached while the claim window was open", () =>
    Effect.gen(function* () {
      yield* startMiner
      const node = yield* SimNode
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 3))
      yield* runBlocks(6)
      yield* node.setFaults({ ...noFaults, txsFail: true })
      yield* runBlocks(6)
      yield* node.setFaults(noFaults)
      yield* runBlocks(4)
      assert.deepInclude(yield* endOf(header), { _tag: "ClaimMissed", reason: "no_chain" })
    }).pipe(inWorld())
  )

  it.effect("records a missed proof and what it cost", () =>
    Effect.gen(function* () {
      yield* startMiner
      const node = yield* SimNode
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 3))
      yield* runBlocks(8)
      assert.strictEqual((yield* stateOf(header)).status, "proof_required")
      yield* node.setFaults({ ...noFaults, txsFail: true })
      yield* runBlocks(8)
      assert.include(yield* tagsOf(header), "ProofMissed")
      assert.deepInclude(yield* endOf(header), { _tag: "Expired", reason: "PROOF_MISSING", slashed: 320_000_000n })
    }).pipe(inWorld())
  )

  it.effect("catches up with settlements that it did not see happen", () =>
    Effect.gen(function* () {
      yield* startMiner
      const node = yield* SimNode
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 3))
      yield* runBlocks(10)
      yield* node.setFaults({ ...noFaults, queriesFail: true, blocksStalled: true })
      yield* runBlocks(8)
      yield* node.setFaults(noFaults)
      yield* runBlocks(2)
      assert.isDefined(yield* endOf(header))
    }).pipe(inWorld())
  )

  it.effect("answers a claim with another root while the window is open", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(7)
      // Ours is on its way; the foreign one comes after it.
      yield* TestClock.adjust("500 millis")
      yield* claimForeign(header, 3)
      yield* runBlocks(9)
      assert.include(yield* tagsOf(header), "RootMismatch")
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
    }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 4n } } }))
  )

  it.effect("ends with a reason when another root stays on chain", () =>
    Effect.gen(function* () {
      const node = yield* SimNode
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(7)
      yield* claimForeign(header, 3)
      yield* node.setFaults({ ...noFaults, txsFail: true })
      yield* runBlocks(9)
      const tags = yield* tagsOf(header)
      assert.deepStrictEqual(tags.slice(-2), ["RootMismatch", "ClaimMissed"])
      assert.deepInclude(yield* endOf(header), { _tag: "ClaimMissed", reason: "foreign_root" })
    }).pipe(inWorld())
  )

  it.effect("uses windows of one block", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(16)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
    }).pipe(
      inWorld({
        params: {
          shared: {
            claimWindowOpenOffsetBlocks: 2n,
            claimWindowCloseOffsetBlocks: 0n,
            proofWindowOpenOffsetBlocks: 1n,
            proofWindowCloseOffsetBlocks: 0n
          }
        }
      })
    )
  )

  it.effect("sends before the first simulation could run where gas is fixed", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* trustedAt
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(16)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
      const proof = (yield* eventsOf(header)).find(({ _tag }) => _tag === "ProofSubmitted")
      const { proof: window } = yield* sessionHeights(header.sessionEndBlockHeight)
      assert.deepInclude(proof, { height: window.opens - 1n })
    }).pipe(
      inWorld({
        settings: {
          ingest: testSettings.ingest,
          submission: { ...testSettings.submission, fixedGasPerMessage: 400_000n },
          fleet: testSettings.fleet
        }
      })
    )
  )

  it.effect("tells a bad message from its neighbours where only the block refuses it", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* trustedAt
      const other = yield* headerAt(header.sessionStartBlockHeight, otherApplication)
      const invented = { ...header, sessionId: "0".repeat(64) }
      yield* append(header, relaysOf(header, 5))
      yield* append(other, relaysOf(other, 6))
      yield* append(invented, relaysOf(invented, 7))
      yield* runBlocks(18)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
      assert.deepInclude(yield* endOf(other), { _tag: "Settled", paid: 6n * RELAY_WORTH })
      assert.deepInclude(yield* endOf(invented), { _tag: "ClaimMissed", reason: "rejected" })
    }).pipe(
      inWorld({
        settings: {
          ingest: testSettings.ingest,
          submission: { ...testSettings.submission, fixedGasPerMessage: 400_000n },
          fleet: testSettings.fleet
        },
        params: { shared: { claimWindowCloseOffsetBlocks: 4n } }
      })
    )
  )

  it.effect("ends as unknown what was settled in a block that is gone", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const first = yield* Scope.make()
      const miner = yield* startMiner.pipe(Scope.provide(first))
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(10)
      yield* miner.drain
      yield* Scope.close(first, Exit.void)
      yield* runBlocks(10)
      yield* startMiner.pipe(Effect.provideService(ChainQuery, withoutEvents(yield* ChainQuery)))
      yield* runBlocks(3)
      assert.deepInclude(yield* endOf(header), { _tag: "SettlementUnknown", reason: "block_pruned" })
    }).pipe(inWorld())
  )

  it.effect("hands everything over when it is drained", () =>
    Effect.gen(function* () {
      const miner = yield* startMiner
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(3)
      assert.deepStrictEqual(yield* miner.suppliers, [supplierAddress])
      yield* miner.drain
      const stored = (yield* MemoryStores).supplier(supplier.address).sessions.get(header.sessionId)
      assert.strictEqual(stored?.tail.length, 0)
      assert.deepStrictEqual(stored?.liveRoot, stored?.root)
      assert.isTrue(Option.isSome(yield* Leases.use((leases) => leases.acquire(supplierAddress, "next"))))
    }).pipe(inWorld())
  )

  for (const seconds of [2, 5, 7, 8, 9, 10, 11]) {
    it.effect(`finishes what an owner left that crashed after ${seconds} s`, () =>
      Effect.gen(function* () {
        const header = yield* headerAt(1n)
        const relays = relaysOf(header, 8)
        const first = yield* Scope.make()
        yield* startMiner.pipe(Scope.provide(first))
        yield* append(header, relays.slice(0, 6))
        yield* runBlocks(1)
        yield* append(header, relays.slice(5))
        yield* runBlocks(seconds - 1)
        yield* Scope.close(first, Exit.void)
        yield* MemoryStores.use((stores) =>
          Effect.sync(() => {
            stores.supplier(supplier.address).fence = undefined
          })
        )
        yield* startMiner
        yield* runBlocks(18 - seconds)
        assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 8n * RELAY_WORTH })
      }).pipe(inWorld())
    )
  }

  it.effect("opens a trie again that had to leave memory", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      const other = yield* headerAt(1n, otherApplication)
      for (const part of ["a", "b", "c"]) {
        yield* append(header, relaysOf(header, 3, part))
        yield* append(other, relaysOf(other, 2, part))
        yield* runBlocks(1)
      }
      yield* runBlocks(14)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 9n * RELAY_WORTH })
      assert.deepInclude(yield* endOf(other), { _tag: "Settled", paid: 6n * RELAY_WORTH })
    }).pipe(
      inWorld({
        settings: {
          ingest: { ...testSettings.ingest, openTries: 1 },
          submission: testSettings.submission,
          fleet: testSettings.fleet
        }
      })
    )
  )

  it.effect("builds a damaged trie again from its leaves", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const first = yield* startMiner
      yield* append(header, relaysOf(header, 6))
      yield* runBlocks(2)
      yield* first.drain
      const { nodes } = (yield* MemoryStores).supplier(supplier.address).sessions.get(header.sessionId)!
      for (const [key, { encoding }] of nodes) if (encoding[0] !== 0) nodes.delete(key)
      yield* startMiner
      yield* append(header, relaysOf(header, 2, "more"))
      yield* runBlocks(16)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 8n * RELAY_WORTH })
    }).pipe(inWorld())
  )

  it.effect("asks again for deliveries whose answer was lost", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const store = yield* SupplierStore
      let lost = 3
      yield* startMiner.pipe(
        Effect.provideService(SupplierStore, {
          ...store,
          deliveries: (lease, max, wait) =>
            Effect.flatMap(store.deliveries(lease, max, wait), (taken) =>
              taken.length > 0 && lost-- > 0
                ? Effect.fail(new StoreUnavailable({ operation: "deliveries", cause: "reply lost" }))
                : Effect.succeed(taken)
            )
        })
      )
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(16)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
    }).pipe(inWorld())
  )

  for (const isBefore of [true, false]) {
    it.effect(`keeps count when commits fail ${isBefore ? "before" : "after"} they took effect`, () =>
      Effect.gen(function* () {
        const header = yield* headerAt(1n)
        const store = yield* SupplierStore
        const lost = new StoreUnavailable({ operation: "commit", cause: "lost" })
        let calls = 0
        yield* startMiner.pipe(
          Effect.provideService(SupplierStore, {
            ...store,
            commit: (lease, commit) => {
              if (++calls % 2 === 0) return store.commit(lease, commit)
              return isBefore ? Effect.fail(lost) : Effect.andThen(store.commit(lease, commit), Effect.fail(lost))
            }
          })
        )
        for (const part of ["a", "b", "c"]) {
          yield* append(header, relaysOf(header, 3, part))
          yield* runBlocks(1)
        }
        yield* runBlocks(14)
        assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 9n * RELAY_WORTH })
        assert.strictEqual((yield* stateOf(header)).late.count, 0n)
      }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 4n } } }))
    )
  }

  it.effect("goes on with other sessions while one cannot be committed", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const other = yield* headerAt(1n, otherApplication)
      const store = yield* SupplierStore
      yield* startMiner.pipe(
        Effect.provideService(SupplierStore, {
          ...store,
          commit: (lease, commit) =>
            commit.session === other.sessionId
              ? Effect.fail(new StoreUnavailable({ operation: "commit", cause: "slot is down" }))
              : store.commit(lease, commit)
        })
      )
      yield* append(other, relaysOf(other, 4))
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(16)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
      assert.strictEqual((yield* MemoryStores).supplier(supplier.address).log.size, 4)
    }).pipe(inWorld())
  )

  it.effect("takes relays into the trie that relayers answer before they see the block after the grace", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = yield* headerAt(1n)
      const { claim } = yield* sessionHeights(header.sessionEndBlockHeight)
      yield* append(header, relaysOf(header, 2))
      while ((yield* Blocks.use(({ latest }) => latest)).height < claim.opens) yield* TestClock.adjust("50 millis")
      yield* TestClock.adjust("100 millis")
      yield* append(header, relaysOf(header, 3, "last"))
      yield* runBlocks(14)
      assert.deepStrictEqual((yield* stateOf(header)).late.count, 0n)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
    }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 6n } } }))
  )

  it.effect("waits with the seal for relays that a relayer holds in its spool", () =>
    Effect.gen(function* () {
      yield* startMiner
      const log = yield* RelayLog
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 2))
      yield* runBlocks(5)
      yield* log.announceSpool("relayer", Option.some(header.sessionEndBlockHeight))
      yield* runBlocks(3)
      assert.strictEqual((yield* stateOf(header)).status, "open")
      yield* append(header, relaysOf(header, 3, "spooled"))
      yield* log.announceSpool("relayer", Option.none())
      yield* runBlocks(14)
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
    }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 6n } } }))
  )

  it.effect("does not wait so long for a spool that the claim would be missed", () =>
    Effect.gen(function* () {
      yield* startMiner
      const log = yield* RelayLog
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      for (let block = 0; block < 22; block++) {
        yield* log.announceSpool("relayer", Option.some(header.sessionEndBlockHeight))
        yield* runBlocks(1)
      }
      assert.deepInclude(yield* endOf(header), { _tag: "Settled", paid: 5n * RELAY_WORTH })
    }).pipe(inWorld({ params: { shared: { claimWindowCloseOffsetBlocks: 6n } } }))
  )

  it.effect("sets relays of a service aside that the chain does not know", () =>
    Effect.gen(function* () {
      yield* startMiner
      const header = { ...(yield* headerAt(1n)), serviceId: "nobody", sessionId: "1".repeat(64) }
      yield* append(header, relaysOf(header, 2))
      yield* runBlocks(1)
      const { setAside } = (yield* MemoryStores).supplier(supplier.address)
      assert.deepStrictEqual(
        setAside.map(({ reason }) => reason),
        ["unknown_service", "unknown_service"]
      )
    }).pipe(inWorld())
  )
})
