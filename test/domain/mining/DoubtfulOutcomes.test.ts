/** Transactions of which it is not known whether they can still land: nobody pays twice for a claim that did, none is lost. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import { noFaults } from "../../../adapters/simchain/NodeFaults.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { ChainTx, TxRefused } from "../../../domain/ports/ChainTx.ts"
import { StoreUnavailable, SupplierStore, type TxIntent } from "../../../domain/ports/SupplierStore.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { sessionHeights } from "../../../domain/settlement/SessionTerms.ts"
import {
  append,
  headerAt,
  inWorld,
  otherApplication,
  relaysOf,
  runBlocks,
  stateOf,
  supplierAddress,
  testSettings
} from "./MinerWorld.ts"
import { hashesOf, noted, paidFor, type Sent, unavailable } from "./NotedTx.ts"

const endOf = (header: SessionHeader) => Effect.map(stateOf(header), ({ end }) => end)

/** The store does not answer about single sessions while `isAway`; lists of them and of transactions can be read. */
const forgetful = (store: SupplierStore["Service"], isAway: (session: string) => boolean): SupplierStore["Service"] => {
  const orAway = <A, E>(
    call: Effect.Effect<A, E>,
    operation: string,
    session: string
  ): Effect.Effect<A, E | StoreUnavailable> =>
    Effect.suspend((): Effect.Effect<A, E | StoreUnavailable> =>
      isAway(session) ? Effect.fail(new StoreUnavailable({ operation, cause: "away" })) : call
    )
  return {
    ...store,
    commit: (lease, commit) => orAway(store.commit(lease, commit), "commit", commit.session),
    load: (supplier, session) => orAway(store.load(supplier, session), "load", session)
  }
}

/** Windows that are open longer than a time-out of two minutes. */
const long = {
  shared: {
    claimWindowCloseOffsetBlocks: 160n,
    proofWindowCloseOffsetBlocks: 160n,
    supplierUnbondingPeriodSessions: 120n,
    applicationUnbondingPeriodSessions: 120n,
    gatewayUnbondingPeriodSessions: 120n
  }
}

const wide = { shared: { claimWindowCloseOffsetBlocks: 6n, proofWindowCloseOffsetBlocks: 6n } }

/** A session of five relays, mined over this way to the chain, is settled within so many blocks. */
const settlesOver = Effect.fnUntraced(function* (tx: ChainTx["Service"], blocks: number) {
  yield* startMiner.pipe(Effect.provideService(ChainTx, tx))
  const header = yield* headerAt(1n)
  yield* append(header, relaysOf(header, 5))
  yield* runBlocks(blocks)
  assert.strictEqual((yield* endOf(header))?._tag, "Settled")
})

describe("a session that cannot be read after a commit failed", () => {
  it.effect("keeps its transaction: no second fee is paid", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      let isAway = false
      const node = yield* SimNode
      yield* node.setFaults({ ...noFaults, inclusionDelayBlocks: 2n })
      const store = forgetful(yield* SupplierStore, () => isAway)
      yield* startMiner.pipe(
        Effect.provideService(ChainTx, yield* noted(sent)),
        Effect.provideService(SupplierStore, store)
      )
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      for (let i = 0; i < 400 && sent.length === 0; i++) yield* TestClock.adjust("50 millis")
      assert.strictEqual(sent.length, 1)
      // A relay that comes late has to be counted, which fails; then nobody knows the session for a block.
      isAway = true
      yield* append(header, relaysOf(header, 1, "late"))
      yield* runBlocks(1)
      isAway = false
      yield* node.setFaults(noFaults)
      yield* runBlocks(20)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      assert.strictEqual((yield* stateOf(header)).late.count, 1n)
      assert.strictEqual(yield* paidFor(sent, "CreateClaim"), 1)
    }).pipe(inWorld({ params: wide }))
  )
})

describe("a session that can be read again while a look goes on without it", () => {
  /** The proofs have one block. */
  const tight = { shared: { claimWindowCloseOffsetBlocks: 2n, proofWindowCloseOffsetBlocks: 1n } }

  it.effect("is looked at within the block: no proof is missed", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const other = yield* headerAt(1n, otherApplication)
      const { proof } = yield* sessionHeights(header.sessionEndBlockHeight)
      // The height from which the window's only block is made.
      const last = proof.closes - 1n
      let isAway = false
      const { latest } = yield* Blocks
      const sent: Array<Sent> = []
      const store = forgetful(yield* SupplierStore, (session) => isAway && session === header.sessionId)
      const tx = yield* noted(sent, ({ kind }) =>
        Effect.sync(() => {
          // The look has come to the last thing that it does for a group.
          if (kind === "SubmitProof") isAway = false
        })
      )
      yield* startMiner.pipe(Effect.provideService(ChainTx, tx), Effect.provideService(SupplierStore, store))
      yield* append(header, relaysOf(header, 5))
      yield* append(other, relaysOf(other, 5))
      while ((yield* latest).height < last - 1n) yield* runBlocks(1)
      yield* TestClock.adjust("500 millis")
      isAway = true
      yield* append(header, relaysOf(header, 1, "late"))
      yield* runBlocks(24)
      assert.isFalse(isAway)
      assert.strictEqual((yield* endOf(other))?._tag, "Settled")
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      assert.strictEqual((yield* stateOf(header)).late.count, 1n)
    }).pipe(inWorld({ params: tight }))
  )
})

describe("a transaction whose saving failed and took effect after its successor's", () => {
  /** The first save of a kind is told to have failed; it takes effect with the second one, after it. */
  const outOfOrder = (store: SupplierStore["Service"], of: TxIntent["kind"]): SupplierStore["Service"] => {
    const late: Array<ReturnType<SupplierStore["Service"]["saveIntent"]>> = []
    let saves = 0
    return {
      ...store,
      saveIntent: (lease, intent) => {
        const saved = store.saveIntent(lease, intent)
        if (intent.kind !== of || ++saves > 2) return saved
        if (saves === 2) return Effect.andThen(saved, Effect.all(late, { discard: true }))
        late.push(saved)
        return Effect.fail(new StoreUnavailable({ operation: "saveIntent", cause: "no answer in time" }))
      }
    }
  }

  for (const [of, kind] of [
    ["claim", "CreateClaim"],
    ["proof", "SubmitProof"]
  ] as const) {
    for (const heir of [false, true]) {
      it.effect(`is not sent beside it${heir ? " by the next owner either" : ""}: ${kind}`, () =>
        Effect.gen(function* () {
          const sent: Array<Sent> = []
          const node = yield* SimNode
          const store = outOfOrder(yield* SupplierStore, of)
          const tx = yield* noted(sent, (broadcast) =>
            broadcast.kind === kind ? node.setFaults({ ...noFaults, inclusionDelayBlocks: 2n }) : Effect.void
          )
          const first = yield* Scope.fork(yield* Effect.scope)
          const start = startMiner.pipe(Effect.provideService(ChainTx, tx), Effect.provideService(SupplierStore, store))
          yield* Scope.provide(start, first)
          const header = yield* headerAt(1n)
          yield* append(header, relaysOf(header, 5))
          for (let i = 0; i < 600 && hashesOf(sent, kind).size === 0; i++) yield* TestClock.adjust("50 millis")
          assert.strictEqual((yield* store.intents(supplierAddress)).filter((intent) => intent.kind === of).length, 2)
          if (heir) {
            yield* Scope.close(first, Exit.void)
            yield* MemoryStores.use((stores) =>
              Effect.sync(() => {
                stores.supplier(supplierAddress).fence = undefined
              })
            )
            yield* start
          }
          yield* runBlocks(24)
          assert.strictEqual((yield* endOf(header))?._tag, "Settled")
          assert.strictEqual(hashesOf(sent, kind).size, 1)
          assert.deepStrictEqual(yield* store.intents(supplierAddress), [])
        }).pipe(inWorld({ params: wide }))
      )
    }
  }
})

describe("a broadcast that takes longer than a block", () => {
  it.effect("is given the block after it, although that is the window's last", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const { latest } = yield* Blocks
      const tx = yield* noted(sent, ({ height }) =>
        sent.length > 1
          ? Effect.void
          : Effect.repeat(Effect.andThen(Effect.sleep("50 millis"), latest), { until: (now) => now.height > height })
      )
      yield* settlesOver(tx, 14)
      assert.strictEqual(yield* paidFor(sent, "CreateClaim"), 1)
    }).pipe(inWorld({}))
  )
})

describe("a node that calls the time-out of bytes sent again wrong", () => {
  /** Its clock is behind: it would not have any time-out. */
  const behind = new TxRefused({
    reason: "expired",
    codespace: "sdk",
    code: 18,
    log: "unordered tx ttl exceeds 10m0s: invalid request"
  })

  for (const kind of ["CreateClaim", "SubmitProof"] as const) {
    it.effect(`does not bring about a second fee for what landed: ${kind}`, () =>
      Effect.gen(function* () {
        const sent: Array<Sent> = []
        const node = yield* SimNode
        const ofKind = () => sent.filter((broadcast) => broadcast.kind === kind)
        const tx = yield* noted(sent, (broadcast) =>
          broadcast.kind === kind && ofKind().length === 2
            ? Effect.fail(behind)
            : broadcast.kind === kind && ofKind().length === 1
              ? node.setFaults({ loseReplies: 1 })
              : Effect.void
        )
        yield* settlesOver(tx, 26)
        assert.isAtLeast(ofKind().length, 2)
        assert.strictEqual(yield* paidFor(sent, kind), 1)
      }).pipe(inWorld({ params: wide }))
    )
  }

  it.effect("after the time-out has passed leads to a new transaction", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const node = yield* SimNode
      const blocks = yield* Blocks
      const tx = yield* noted(sent)
      // Lost, and nothing can be sent again until the time-out is over.
      yield* node.setFaults({ dropAccepted: 1 })
      yield* startMiner.pipe(Effect.provideService(ChainTx, tx))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      for (let i = 0; i < 400 && sent.length === 0; i++) yield* TestClock.adjust("50 millis")
      yield* node.setFaults({ txsFail: true })
      yield* runBlocks(125)
      yield* node.setFaults({ txsFail: false })
      yield* runBlocks(8)
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 2)
      assert.strictEqual(yield* paidFor(sent, "CreateClaim"), 1)
      assert.isAbove(Number((yield* blocks.latest).height), 120)
    }).pipe(inWorld({ params: { shared: { ...long.shared, proofWindowCloseOffsetBlocks: 2n } } }))
  )
})

describe("a transaction that landed longer ago than nodes without an index search", () => {
  for (const kind of ["CreateClaim", "SubmitProof"] as const) {
    it.effect(`is not built again past its time-out while the claims on chain cannot be read: ${kind}`, () =>
      Effect.gen(function* () {
        const sent: Array<Sent> = []
        const port = yield* noted(sent)
        const chain = yield* ChainQuery
        const away = { until: 0n }
        const { latest } = yield* Blocks
        const blind = ChainQuery.of({
          ...chain,
          claims: (of, notBefore) =>
            Effect.flatMap(latest, ({ height }) =>
              height < away.until ? Effect.fail(unavailable("claims")) : chain.claims(of, notBefore)
            )
        })
        const tx = ChainTx.of({
          ...port,
          broadcast: (bytes) =>
            Effect.tap(port.broadcast(bytes), () =>
              Effect.sync(() => {
                const first = sent.find((broadcast) => broadcast.kind === kind)
                if (first !== undefined) away.until = first.height + 125n
              })
            ),
          find: () => Effect.succeedNone
        })
        yield* startMiner.pipe(Effect.provideService(ChainTx, tx), Effect.provideService(ChainQuery, blind))
        const header = yield* headerAt(1n)
        yield* append(header, relaysOf(header, 5))
        for (let i = 0; i < 250 && away.until === 0n; i++) yield* runBlocks(1)
        yield* runBlocks(133)
        assert.strictEqual(hashesOf(sent, kind).size, 1)
        assert.strictEqual((yield* stateOf(header)).status, kind === "CreateClaim" ? "claimed" : "proved")
      }).pipe(inWorld({ params: long }))
    )
  }
})

describe("a node that refuses bytes which another one took", () => {
  it.effect("does not bring about a second fee", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const node = yield* SimNode
      const poor = new TxRefused({ reason: "operator", codespace: "sdk", code: 13, log: "insufficient fees" })
      const tx = yield* noted(sent, () =>
        sent.length === 2 ? Effect.fail(poor) : sent.length === 1 ? node.setFaults({ loseReplies: 1 }) : Effect.void
      )
      yield* settlesOver(tx, 26)
      assert.strictEqual(yield* paidFor(sent, "CreateClaim"), 1)
    }).pipe(inWorld({ params: wide }))
  )
})

describe("a node that refuses new bytes while the answer of another one, which took them, is lost", () => {
  for (const reason of ["operator", "gas"] as const) {
    it.effect(`does not bring about a second fee: ${reason}`, () =>
      Effect.gen(function* () {
        const sent: Array<Sent> = []
        const port = yield* noted(sent)
        const refused = new TxRefused({ reason, codespace: "sdk", code: 1, log: "not here", isDoubtful: true })
        const tx = ChainTx.of({
          ...port,
          broadcast: (bytes) =>
            Effect.andThen(port.broadcast(bytes), () => (sent.length === 1 ? Effect.fail(refused) : Effect.void))
        })
        yield* settlesOver(tx, 26)
        assert.strictEqual(hashesOf(sent, "CreateClaim").size, 1)
        // The same bytes again tell what became of them.
        assert.isAtLeast(sent.filter(({ kind }) => kind === "CreateClaim").length, 2)
      }).pipe(inWorld({ params: wide }))
    )
  }

  it.effect("costs no session when neither took them", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const refused = new TxRefused({ reason: "gas", codespace: "sdk", code: 11, log: "out of gas", isDoubtful: true })
      const first = () => sent[0]?.hash
      const tx = yield* noted(sent, ({ hash }) => (hash === first() ? Effect.fail(refused) : Effect.void))
      yield* settlesOver(tx, 26)
      assert.strictEqual(yield* paidFor(sent, "CreateClaim"), 1)
    }).pipe(inWorld({ params: wide }))
  )
})

describe("a node that lost a transaction and says that it knows it", () => {
  const lost = { dropAccepted: 1, dropKeepsCache: true } as const

  for (const kind of ["CreateClaim", "SubmitProof"] as const) {
    for (const closes of [2n, 4n]) {
      it.effect(`costs no session where the window closes before the time-out: ${kind}, ${closes + 1n} blocks`, () =>
        Effect.gen(function* () {
          const sent: Array<Sent> = []
          const node = yield* SimNode
          let isLost = false
          const tx = yield* noted(sent, (broadcast) => {
            if (isLost || broadcast.kind !== kind) return Effect.void
            isLost = true
            return node.setFaults(lost)
          })
          yield* settlesOver(tx, 26)
          assert.strictEqual(hashesOf(sent, kind).size, 2)
          assert.strictEqual(yield* paidFor(sent, kind), 1)
        }).pipe(
          inWorld({
            params: { shared: { claimWindowCloseOffsetBlocks: closes, proofWindowCloseOffsetBlocks: closes } }
          })
        )
      )
    }
  }

  it.effect("is waited for while blocks are slow to take it, as long as there is time", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const node = yield* SimNode
      yield* node.setFaults({ inclusionDelayBlocks: 3n })
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* noted(sent)))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(30)
      assert.strictEqual((yield* endOf(header))?._tag, "Settled")
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 1)
      assert.strictEqual(hashesOf(sent, "SubmitProof").size, 1)
    }).pipe(inWorld({ params: wide }))
  )

  it.effect("is not outwitted where the fee is too near to the reward", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const node = yield* SimNode
      yield* node.setFaults(lost)
      yield* startMiner.pipe(Effect.provideService(ChainTx, yield* noted(sent)))
      const header = yield* headerAt(1n)
      // Worth 21 000 uPOKT: more than claim and proof cost, less than ten times the 2 500 of a second claim.
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(26)
      assert.deepInclude(yield* endOf(header), { _tag: "ClaimMissed", reason: "window_closed" })
      assert.strictEqual(hashesOf(sent, "CreateClaim").size, 1)
    }).pipe(
      inWorld({
        params: { shared: { claimWindowCloseOffsetBlocks: 4n } },
        settings: {
          ingest: testSettings.ingest,
          fleet: testSettings.fleet,
          submission: { ...testSettings.submission, gasPrice: { scaled: 15n * 10n ** 15n, denom: "upokt" } }
        }
      })
    )
  )
})
