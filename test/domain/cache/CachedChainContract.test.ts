/** The cached chain is a `ChainQuery` like any other, and what one replica reads from Redis is what the chain said. */
import { assert, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as BroadcastMemory from "../../../adapters/memory/BroadcastMemory.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import * as SharedCacheMemory from "../../../adapters/memory/SharedCacheMemory.ts"
import { demoGenesis } from "../../../adapters/simchain/Genesis.ts"
import * as SimChain from "../../../adapters/simchain/SimChain.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import * as CachedChainQuery from "../../../domain/cache/CachedChainQuery.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { ApplicationAddress, ServiceId, SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { chainQueryContract } from "../../contract/ChainQueryContract.ts"
import { ChainWorld } from "../../contract/ChainWorld.ts"
import { testKey } from "../../support/RelayBuilder.ts"

const application = testKey("application")
const supplier = testKey("supplier")
const gateway = testKey("gateway")
const verifiers = rememberingVerifiers()

const genesis = demoGenesis({
  applications: [{ publicKey: application.publicKey, serviceIds: ["anvil"], gateways: [gateway.address] }],
  gateways: [{ publicKey: gateway.publicKey }],
  suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: "anvil" }] }],
  services: [{ id: "anvil", computeUnitsPerRelay: 100n }]
})

const node = Layer.suspend(() =>
  Layer.provideMerge(
    SimChain.layerNode(),
    Layer.unwrap(Effect.as(TestClock.setTime(1_800_000_000_000), SimChain.layer({ genesis, verifiers })))
  )
)

const shared = Layer.provide(
  Layer.merge(SharedCacheMemory.layer, BroadcastMemory.layer),
  Layer.fresh(MemoryStores.layer)
)

const cached = CachedChainQuery.layer({ blockTime: Duration.seconds(1) })

const world = Layer.effect(
  ChainWorld,
  Effect.gen(function* () {
    const chain = yield* SimChain.SimChain
    const { setFaults } = yield* SimNode
    return ChainWorld.of({
      // The height reaches the caches by their stream of blocks.
      nextBlock: Effect.andThen(chain.produceBlock, TestClock.adjust("1 millis")),
      setReadsBroken: (queriesFail) => setFaults({ queriesFail }),
      setTxsBroken: (txsFail) => setFaults({ txsFail }),
      application,
      supplier,
      service: "anvil",
      computeUnitsPerRelay: 100n
    })
  })
)

chainQueryContract("through the caches over a simulated chain", () =>
  Layer.mergeAll(cached, world).pipe(Layer.provideMerge(Layer.merge(node, shared)))
)

it.effect("a replica that reads only Redis sees the chain's own records", () =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Layer.merge(node, shared))
    const chain = Context.get(context, SimChain.SimChain)
    yield* chain.produceUntil(25n)
    const direct = Context.get(context, ChainQuery)
    const replica = Effect.map(
      Layer.build(Layer.fresh(Layer.provide(cached, Layer.succeedContext(context)))),
      (built) => Context.get(built, ChainQuery)
    )
    const [anvil, app] = [ServiceId.make("anvil"), ApplicationAddress.make(application.address)]
    const reads = (query: ChainQuery["Service"]) =>
      Effect.all([
        query.application(app),
        query.supplier(SupplierAddress.make(supplier.address)),
        query.service(anvil),
        query.publicKey(supplier.address),
        query.sharedParams,
        query.sessionParams,
        query.session(app, anvil, 11n),
        query.sharedParamsAt(20n),
        query.computeUnitsPerRelayAt(anvil, 11n),
        query.difficultyTargetAt(anvil, 11n)
      ])
    const expected = yield* reads(direct)
    assert.deepStrictEqual(yield* reads(yield* replica), expected)
    const second = yield* replica
    yield* Context.get(context, SimNode).setFaults({ queriesFail: true })
    for (const [at, found] of (yield* reads(second)).entries()) assert.deepStrictEqual(found, expected[at], `${at}`)
  })
)
