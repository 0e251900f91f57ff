/**
 * What the miner's and the relayer's work with the chain costs: a claim transaction of 100 sessions, a proof from a cold
 * trie, queries for relays, blocks with 1 000 claims of ours. There the chain is the simulated one in the same process,
 * stores are in memory: what they take is part of the figures. 1 000 idle suppliers, of the real command, against an
 * empty process.
 *
 * `npm run bench:chain -- [--quick]`. One JSON object; each target with its value and whether it holds.
 */
import { execFile } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { promisify } from "node:util"
import { Duration, Effect, Layer, Option, Redacted, Result } from "effect"
import * as EntropyNode from "../../adapters/crypto/EntropyNode.ts"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import * as RingVerifierNative from "../../adapters/crypto/RingVerifierNative.ts"
import * as SupplierKeysNative from "../../adapters/crypto/SupplierKeysNative.ts"
import * as BroadcastMemory from "../../adapters/memory/BroadcastMemory.ts"
import * as LeasesMemory from "../../adapters/memory/LeasesMemory.ts"
import { MemoryStores } from "../../adapters/memory/MemoryStores.ts"
import * as MeterStoreMemory from "../../adapters/memory/MeterStoreMemory.ts"
import * as RelayLogMemory from "../../adapters/memory/RelayLogMemory.ts"
import * as RelaySpoolMemory from "../../adapters/memory/RelaySpoolMemory.ts"
import * as SharedCacheMemory from "../../adapters/memory/SharedCacheMemory.ts"
import * as SupplierStoreMemory from "../../adapters/memory/SupplierStoreMemory.ts"
import { demoGenesis } from "../../adapters/simchain/Genesis.ts"
import * as SimChain from "../../adapters/simchain/SimChain.ts"
import * as CachedChainQuery from "../../domain/cache/CachedChainQuery.ts"
import { BulkSha256 } from "../../domain/crypto/BulkSha256.ts"
import { sign } from "../../domain/keys/SupplierSignature.ts"
import { startMiner } from "../../domain/mining/Miner.ts"
import { defaultMinerSettings, MinerSettings } from "../../domain/mining/MinerSettings.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { RelayLog } from "../../domain/ports/RelayLog.ts"
import { SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { ApplicationAddress, ServiceId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { RelayPolicyRef } from "../../domain/relay/RelayPolicy.ts"
import { hasEnded, replay } from "../../domain/session/SessionState.ts"
import { proofNeeds, proveClosest } from "../../domain/smst/ClosestProof.ts"
import { compact } from "../../domain/smst/CompactProof.ts"
import { encode } from "../../domain/smst/GobProof.ts"
import { verify } from "../../domain/smst/ProofVerification.ts"
import { Trie } from "../../domain/smst/Trie.ts"
import { packCreateClaim } from "../../domain/tx/ProofMessages.ts"
import { assembleTx, prepareTx, SIMULATION_FEE } from "../../domain/tx/UnorderedTx.ts"
import * as RelayPrograms from "../../layers/RelayPrograms.ts"
import { testKey } from "../support/RelayBuilder.ts"
import * as Serving from "../support/ServingWorld.ts"
import { cpuMicros, interleave, lengthFromArguments, median, medians, print } from "./Harness.ts"
import { idleMiner } from "./IdleMiner.ts"
import { makeSession } from "./TrieSession.ts"

const SERVICE = "anvil"
const UNITS = 1_000_000n
const CLAIMS_OF_ONE = 100
const LEAVES = 100_000
const CLAIMS_OF_BLOCK = 1_000
const IDLE_SUPPLIERS = 1_000
const signer = testKey("bench supplier")

/** CPU ms of a claim transaction: simulated form and final form, both signed in pure code, as the miner does it. */
const benchClaimTx = () => {
  const messages = Array.from({ length: CLAIMS_OF_ONE }, (_, index) => ({
    supplierOperatorAddress: signer.address,
    sessionHeader: {
      applicationAddress: testKey(`application ${index}`).address,
      serviceId: SERVICE,
      sessionId: createHash("sha256").update(`session ${index}`).digest("hex"),
      sessionStartBlockHeight: 61n,
      sessionEndBlockHeight: 120n
    },
    rootHash: randomBytes(48)
  }))
  const build = (index: number) => {
    const draft = {
      messages: messages.map(packCreateClaim),
      timeoutUnixNano: 1_800_000_000_000_000_000n + BigInt(index),
      publicKey: signer.publicKey,
      chainId: "pocket",
      accountNumber: 7n
    }
    return [SIMULATION_FEE, { gasLimit: 9_000_000n, amount: 9n, denom: "upokt" }].map((fee) => {
      const unsigned = prepareTx(draft, fee)
      return assembleTx(unsigned, sign(signer.privateKey, unsigned.signDocBytes), nodeSha256)
    })
  }
  const samples = interleave({ build: { calls: 20, call: build } }, lengthFromArguments())
  return { sessions: CLAIMS_OF_ONE, bytes: build(0)[1]?.txBytes.length, cpuMillis: medians(samples).build / 1_000 }
}

/** CPU ms of a proof of a sealed session whose trie is not in memory, and the nodes read for it. */
const benchColdProof = () => {
  const { trie, store } = makeSession(LEAVES, nodeSha256)
  const root = trie.root()
  const reads: Array<number> = []
  const beyond: Array<number> = []
  const prove = (index: number) => {
    const path = createHash("sha256").update(`path ${index}`).digest()
    const cold = Trie.open(root, nodeSha256)
    const read = new Map<string, Uint8Array>()
    const known = (digest: Uint8Array) => read.get(Buffer.from(digest).toString("latin1"))
    for (;;) {
      const needs = Result.getOrThrow(proofNeeds(cold, path, known))
      if (needs.length === 0) break
      for (const digest of needs)
        read.set(Buffer.from(digest).toString("latin1"), store.read(digest) ?? new Uint8Array())
    }
    const closest = Result.getOrThrow(proveClosest(cold, path, known))
    const proof = compact(closest)
    if (!Result.getOrThrow(verify(proof, root, nodeSha256))) throw new Error("the proof does not verify")
    reads.push(read.size)
    // The path: a node for each side node, and the leaf.
    beyond.push(read.size - (closest.depth + 1))
    return encode(proof)
  }
  const samples = interleave({ prove: { calls: 100, call: prove } }, lengthFromArguments())
  return {
    leaves: LEAVES,
    cpuMillis: medians(samples).prove / 1_000,
    nodesRead: median(reads),
    beyondPath: Math.max(...beyond)
  }
}

/** Queries of the chain that relays of one session cause: the first one, and a thousand after it. */
const benchQueries = () => {
  const counts = new Map<string, number>()
  const counted = <A extends object>(chain: A): A =>
    new Proxy(chain, {
      get: (target, name, receiver) => {
        const member: unknown = Reflect.get(target, name, receiver)
        if (typeof name !== "string") return member
        const note = (key: string) => Effect.sync(() => void counts.set(key, (counts.get(key) ?? 0) + 1))
        if (Effect.isEffect(member)) return Effect.andThen(note(name), member as Effect.Effect<unknown>) // a read of the port
        if (typeof member !== "function") return member
        // A read of the port with arguments.
        return (...args: ReadonlyArray<unknown>) =>
          Effect.andThen(
            note(`${name} ${args.join(" ")}`),
            Reflect.apply(member, target, args) as Effect.Effect<unknown>
          )
      }
    })
  const script = new Serving.Script()
  const ports = RelayPrograms.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        MeterStoreMemory.layer,
        RelayLogMemory.layer,
        RelaySpoolMemory.layerWith(new Map()),
        RingVerifierNative.layer,
        SupplierKeysNative.layer([Redacted.make(Serving.supplier.privateKey)]),
        Serving.layerBackend(script)
      )
    ),
    Layer.provideMerge(CachedChainQuery.layer({ blockTime: Duration.seconds(30) })),
    Layer.provideMerge(Layer.effect(ChainQuery, Effect.map(ChainQuery, counted))),
    Layer.provideMerge(Layer.mergeAll(BroadcastMemory.layer, SharedCacheMemory.layer)),
    Layer.provideMerge(MemoryStores.layer),
    Layer.provideMerge(
      Layer.mergeAll(
        Serving.layerChain(),
        EntropyNode.layer,
        Layer.succeed(BulkSha256, nodeSha256),
        Layer.succeed(RelayPolicyRef, Serving.policyOf({}))
      )
    )
  )
  return Effect.gen(function* () {
    const header = yield* Serving.currentSession
    counts.clear()
    const relay = (salt: string) =>
      Effect.map(Serving.serve(Serving.requestBytes(header, salt)), ({ status }) => {
        if (status !== 200) throw new Error(`outer status ${status}`)
      })
    yield* relay("first")
    const first = Object.fromEntries(counts)
    counts.clear()
    yield* Effect.forEach(
      Array.from({ length: 200 }, (_, index) => index),
      (index) => relay(`later ${index}`)
    )
    const perRelay = [...counts.values()].reduce((sum, count) => sum + count, 0) / 200
    return { firstRelay: first, mostOfOne: Math.max(0, ...Object.values(first)), perKnownRelay: perRelay }
  }).pipe(Effect.provide(ports), Effect.scoped, Effect.runPromise)
}

/** A miner over memory and a simulated chain; its blocks are produced by the caller. */
const layerMining = (
  suppliers: ReadonlyArray<ReturnType<typeof testKey>>,
  applications: ReadonlyArray<ReturnType<typeof testKey>>,
  settings: MinerSettings
) =>
  Layer.mergeAll(
    RelayLogMemory.layer,
    SupplierStoreMemory.layer,
    LeasesMemory.layerWith(Duration.seconds(12)),
    BroadcastMemory.layer
  ).pipe(
    Layer.provideMerge(MemoryStores.layer),
    Layer.provideMerge(EntropyNode.layer),
    Layer.provideMerge(SimChain.layerNode()),
    Layer.provideMerge(
      SimChain.layer({
        verifiers: { sha256: nodeSha256 },
        genesis: demoGenesis({
          applications: applications.map(({ publicKey }) => ({ publicKey, serviceIds: [SERVICE] })),
          suppliers: suppliers.map(({ publicKey }) => ({ publicKey, services: [{ serviceId: SERVICE }] })),
          services: [{ id: SERVICE, computeUnitsPerRelay: UNITS }],
          params: { proof: { proofRequestProbability: 0, proofRequirementThreshold: 10n ** 15n } }
        })
      })
    ),
    Layer.provideMerge(SupplierKeysNative.layer(suppliers.map(({ privateKey }) => Redacted.make(privateKey)))),
    Layer.provideMerge(Layer.mergeAll(Layer.succeed(MinerSettings, settings), Layer.succeed(BulkSha256, nodeSha256)))
  )

/** Waits until the process has had nothing to do for a while; CPU ms since `before`. */
const quiet = (before: number): Effect.Effect<number> =>
  Effect.gen(function* () {
    let [last, calm] = [cpuMicros(), 0]
    for (let turn = 0; calm < 4 && turn < 400; turn++) {
      yield* Effect.sleep("50 millis")
      const now = cpuMicros()
      calm = now - last < 5_000 ? calm + 1 : 0
      last = now
    }
    return (last - before) / 1_000
  })

/** CPU ms of the miner for each block in the life of 1 000 sessions of one supplier, from their end to their settlement. */
const benchBlocks = () => {
  const applications = Array.from({ length: CLAIMS_OF_BLOCK }, (_, index) => testKey(`block application ${index}`))
  const { ingest, submission, fleet } = defaultMinerSettings
  const settings = {
    ingest: { ...ingest, deliveryWait: Duration.millis(100) },
    submission: { ...submission, blockTime: Duration.seconds(1), sealAfterReconnect: Duration.zero },
    fleet
  }
  return Effect.gen(function* () {
    const chain = yield* SimChain.SimChain
    const query = yield* ChainQuery
    const store = yield* SupplierStore
    yield* startMiner
    for (const { address } of applications) {
      const { header } = yield* query.session(ApplicationAddress.make(address), ServiceId.make(SERVICE), 1n)
      const relayBytes = randomBytes(500)
      yield* RelayLog.use((log) =>
        log.append({
          relay: {
            relayHash: nodeSha256(relayBytes),
            relayBytes,
            computeUnitsPerRelay: UNITS,
            sessionId: header.sessionId,
            sessionEndHeight: header.sessionEndBlockHeight,
            supplierOperatorAddress: signer.address,
            serviceId: SERVICE,
            applicationAddress: address,
            arrivalBlockHeight: 1n,
            publishedAtUnixNano: 0n,
            sessionStartHeight: header.sessionStartBlockHeight
          },
          trace: Option.none()
        })
      )
    }
    yield* quiet(cpuMicros())
    const blocks: Array<{ height: number; millis: number; claims: number }> = []
    const supplier = SupplierAddress.make(signer.address)
    for (let height = 2n; height <= 16n; height++) {
      yield* chain.produceBlock
      // What the block itself took is the chain's.
      const millis = yield* quiet(cpuMicros())
      blocks.push({ height: Number(height), millis, claims: (yield* query.claims(supplier, height)).length })
    }
    let settled = 0
    for (const session of yield* store.sessions(supplier)) {
      const stored = yield* store.load(supplier, session)
      if (Option.isSome(stored) && hasEnded(replay(stored.value.events))) settled++
    }
    return { claims: CLAIMS_OF_BLOCK, ended: settled, most: Math.max(...blocks.map(({ millis }) => millis)), blocks }
  }).pipe(Effect.provide(layerMining([signer], applications, settings)), Effect.scoped, Effect.runPromise)
}

const benchIdle = async (seconds: number) => {
  const [many, one] = [await idleMiner(IDLE_SUPPLIERS, seconds), await idleMiner(1, seconds)]
  const empty = "setTimeout(() => console.log(process.memoryUsage().rss / 2 ** 20), 1000)"
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", empty])
  const emptyMegabytes = Number(stdout)
  return {
    suppliers: IDLE_SUPPLIERS,
    ...many,
    oneSupplier: one,
    emptyMegabytes,
    byEmpty: many.megabytes / emptyMegabytes
  }
}

const quick = process.argv.includes("--quick")
const only = (name: string) => !process.argv.includes("--only") || process.argv.includes(name)
const claimTx = only("claim") ? benchClaimTx() : undefined
const proof = only("proof") ? benchColdProof() : undefined
const queries = only("queries") ? await benchQueries() : undefined
const block = only("block") ? await benchBlocks() : undefined
const idle = only("idle") ? await benchIdle(quick ? 20 : 60) : undefined
const target = (name: string, limit: number, value: number | undefined) =>
  value === undefined ? [] : [{ target: name, limit, value, holds: value < limit }]
print({
  claimTx,
  proof,
  queries,
  block,
  idle,
  targets: [
    ...target("claim transaction of 100 sessions, ms CPU", 50, claimTx?.cpuMillis),
    ...target("proof of a session of 100 000 relays from a cold trie, ms CPU", 20, proof?.cpuMillis),
    ...target("its node reads beyond the path", 20, proof?.beyondPath),
    ...target("the same query for a session's first relay", 2, queries?.mostOfOne),
    ...target("queries for a relay of a known session", 0.001, queries?.perKnownRelay),
    ...target("a block with 1 000 claims of ours, ms CPU", 1_000, block?.most),
    ...target("1 000 idle suppliers, share of a core", 0.05, idle?.core),
    ...target("1 000 idle suppliers, MB", 400, idle?.megabytes)
  ]
})
process.exit(0)
