/** States of suppliers: Go's JSON to the byte, what relayers make of it, and what miners write from the chain. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Option, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { decideServe, type KnownState } from "../../../domain/cache/SupplierGate.ts"
import {
  decodeSupplierState,
  encodeSupplierState,
  type SupplierState,
  supplierState
} from "../../../domain/cache/SupplierState.ts"
import { SupplierStates } from "../../../domain/cache/SupplierStates.ts"
import { SharedCache, SharedCacheUnavailable } from "../../../domain/ports/SharedCache.ts"
import { defaultSharedParams } from "../../../domain/protocol/SharedParams.ts"
import {
  activeState,
  aSupplier,
  type CacheWorld,
  makeWorld,
  portsOf,
  type ReplicaPorts,
  SUPPLIER
} from "./CacheWorld.ts"

const KEY = `supplier:${SUPPLIER}`
const utf8 = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const active: SupplierState = {
  ...activeState,
  services: ["anvil", "eth"],
  stakedEndpoints: [{ serviceId: "anvil", rpcType: "jsonrpc" }]
}

const ACTIVE_JSON =
  `{"status":"active","staked":true,"services":["anvil","eth"],` +
  `"staked_endpoints":[{"service_id":"anvil","rpc_type":"jsonrpc"}],"unstake_session_end_height":0,` +
  `"operator_address":"${SUPPLIER}","owner_address":"pokt1owner","last_updated":1700000000,` +
  `"last_refresh_session_start":91,"updated_by":"miner-1"}`

const statesOf = (world: CacheWorld, ports: ReplicaPorts = {}) =>
  Effect.map(Layer.build(Layer.provide(SupplierStates.layer, portsOf(world, ports))), (context) =>
    Context.get(context, SupplierStates)
  )

describe("a supplier's state as JSON", () => {
  it("has Go's fields in Go's order, and Go's omissions", () => {
    assert.strictEqual(encodeSupplierState(active), ACTIVE_JSON)
    assert.strictEqual(
      encodeSupplierState({
        ...active,
        status: "not_staked",
        staked: false,
        services: [],
        stakedEndpoints: [],
        ownerAddress: "",
        lastRefreshSessionStart: 0n,
        updatedBy: ""
      }),
      `{"status":"not_staked","staked":false,"services":[],"unstake_session_end_height":0,` +
        `"operator_address":"${SUPPLIER}","owner_address":"","last_updated":1700000000}`
    )
    assert.deepStrictEqual(decodeSupplierState(ACTIVE_JSON, SUPPLIER), Option.some(active))
  })

  it("is read with unknown fields, null lists and absent fields", () => {
    const read = (text: string) => decodeSupplierState(text, SUPPLIER)
    const grown = ACTIVE_JSON.replace('"staked":true', '"staked":true,"region":{"a":[1]}')
    assert.deepStrictEqual(read(grown), Option.some(active))
    const bare = Option.getOrThrow(read(`{"status":"not_staked","services":null,"staked_endpoints":null}`))
    assert.deepStrictEqual(bare, {
      status: "not_staked",
      staked: false,
      services: [],
      stakedEndpoints: [],
      unstakeSessionEndHeight: 0n,
      operatorAddress: SUPPLIER,
      ownerAddress: "",
      lastUpdated: 0,
      lastRefreshSessionStart: 0n,
      updatedBy: ""
    })
  })

  it("counts as absent when it is contaminated, another's, or garbage", () => {
    for (const text of [
      ACTIVE_JSON.replace('["anvil","eth"]', "[]"),
      ACTIVE_JSON.replace('["anvil","eth"]', "null"),
      ACTIVE_JSON.replace(SUPPLIER, "pokt1other"),
      ACTIVE_JSON.replace('"active"', '"retired"'),
      ACTIVE_JSON.slice(0, -5),
      ACTIVE_JSON.replace("1700000000", "-1"),
      ACTIVE_JSON.replace('"staked":true', '"staked":"yes"'),
      "null",
      "[]",
      ""
    ]) {
      assert.deepStrictEqual(decodeSupplierState(text, SUPPLIER), Option.none(), text)
    }
    // Unstaking without services is a true state: it serves nothing any more.
    const unstaking = ACTIVE_JSON.replace('"active"', '"unstaking"').replace('["anvil","eth"]', "[]")
    assert.isTrue(Option.isSome(decodeSupplierState(unstaking, SUPPLIER)))
  })
})

describe("a supplier's state computed from the chain", () => {
  const standing = {
    supplier: SUPPLIER,
    record: Option.some(aSupplier),
    params: defaultSharedParams,
    height: Option.some(95n),
    isHeld: true,
    nowSeconds: 1_700_000_000,
    replica: "miner-1"
  }
  const config = aSupplier.serviceConfigHistory[0]!

  it("has the services in force, each transport once, and the session it was computed in", () => {
    const state = Result.getOrThrow(supplierState(standing))
    assert.deepStrictEqual(
      [state.status, state.staked, state.services, state.lastRefreshSessionStart, state.updatedBy],
      ["active", true, ["anvil"], 91n, "miner-1"]
    )
    assert.deepStrictEqual(state.stakedEndpoints, [
      { serviceId: "anvil", rpcType: "jsonrpc" },
      { serviceId: "anvil", rpcType: "websocket" }
    ])
  })

  it("is not staked only when the chain says so", () => {
    const state = Result.getOrThrow(supplierState({ ...standing, record: Option.none() }))
    assert.deepStrictEqual([state.status, state.staked, state.services], ["not_staked", false, []])
  })

  it("is unstaking from the chain's word or when its key is given up, with its services", () => {
    const unbonding = { ...aSupplier, unstakeSessionEndHeight: 100n }
    for (const change of [{ record: Option.some(unbonding) }, { isHeld: false }]) {
      const state = Result.getOrThrow(supplierState({ ...standing, ...change }))
      assert.deepStrictEqual([state.status, state.staked, state.services], ["unstaking", true, ["anvil"]])
    }
  })

  it("is not written when it would say active for nothing, or before a height is known", () => {
    const later = { ...aSupplier, serviceConfigHistory: [{ ...config, activationHeight: 101n }] }
    const refused = supplierState({ ...standing, record: Option.some(later) })
    assert.strictEqual(Result.isFailure(refused) ? refused.failure.reason : "", "no_active_service")
    const boot = supplierState({ ...standing, height: Option.none() })
    assert.strictEqual(Result.isFailure(boot) ? boot.failure.reason : "", "unreliable_boot_snapshot")
    // The list of the live record serves until a height is known.
    const listed = { ...aSupplier, services: [config.service] }
    const early = Result.getOrThrow(supplierState({ ...standing, record: Option.some(listed), height: Option.none() }))
    assert.deepStrictEqual([early.services, early.lastRefreshSessionStart], [["anvil"], 0n])
  })

  it("leaves out configs that ended or have not begun", () => {
    const history = [
      { ...config, deactivationHeight: 95n },
      { ...config, service: { ...config.service, serviceId: "eth" }, activationHeight: 95n },
      { ...config, service: { ...config.service, serviceId: "sol" }, activationHeight: 96n }
    ]
    const state = Result.getOrThrow(
      supplierState({ ...standing, record: Option.some({ ...aSupplier, serviceConfigHistory: history }) })
    )
    assert.deepStrictEqual(state.services, ["eth"])
  })
})

describe("the relayer's gate", () => {
  const state = (change: Partial<SupplierState>): KnownState => ({ _tag: "State", state: { ...active, ...change } })
  const decide = (known: KnownState, change: Partial<Parameters<typeof decideServe>[1]> = {}) => {
    const decision = decideServe(known, { service: "anvil", transport: "jsonrpc", isKeyHeld: true, ...change })
    return decision._tag === "Refuse" ? decision.reason : decision.optimistic ? "optimistic" : "serve"
  }

  it("serves what is staked, unstaking suppliers too, and refuses the rest by name", () => {
    assert.strictEqual(decide(state({})), "serve")
    assert.strictEqual(decide(state({ status: "unstaking" })), "serve")
    assert.strictEqual(decide(state({ staked: false })), "not_staked")
    assert.strictEqual(decide(state({ status: "not_staked" })), "not_staked")
    assert.strictEqual(decide(state({ status: "unstaking", services: [] })), "no_services")
    assert.strictEqual(decide(state({}), { service: "sol" }), "service_not_staked")
  })

  it("serves a key it holds while nothing is known, and no other", () => {
    for (const _tag of ["Absent", "Unknown"] as const) {
      assert.strictEqual(decide({ _tag }), "optimistic")
      assert.strictEqual(decide({ _tag }, { isKeyHeld: false }), "no_state")
    }
  })

  it("never refuses a transport, but says which are not staked", () => {
    const ask = { service: "anvil", transport: "grpc", isKeyHeld: true }
    const staked = { _tag: "Serve", optimistic: false, isTransportStaked: true } as const
    assert.deepStrictEqual(decideServe(state({}), ask), { ...staked, isTransportStaked: false })
    assert.deepStrictEqual(decideServe(state({}), { ...ask, transport: "jsonrpc" }), staked)
    assert.deepStrictEqual(decideServe(state({ stakedEndpoints: [] }), ask), staked)
  })
})

describe("states in the shared cache", () => {
  it.effect("are read once a minute, at once when told, and never believed when contaminated", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      let reads = 0
      const cache = SharedCache.of({
        ...world.cache,
        get: (key) =>
          Effect.andThen(
            Effect.sync(() => reads++),
            world.cache.get(key)
          )
      })
      const states = yield* statesOf(world, { cache })
      assert.strictEqual((yield* states.state(SUPPLIER))._tag, "Absent")
      yield* world.cache.set(KEY, utf8(ACTIVE_JSON), Duration.infinity)
      yield* world.bus.publish("events:cache:supplier:invalidate", `{"operator_address":"${SUPPLIER}"}`)
      yield* TestClock.adjust("1 millis")
      const known = yield* states.state(SUPPLIER)
      assert.deepStrictEqual(known, { _tag: "State", state: active })
      const before = reads
      yield* TestClock.adjust("59 seconds")
      yield* states.state(SUPPLIER)
      assert.strictEqual(reads, before)
      yield* world.cache.set(KEY, utf8(ACTIVE_JSON.replace('["anvil","eth"]', "[]")), Duration.infinity)
      yield* world.bus.publish("events:cache:supplier:invalidate", "{}")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* states.state(SUPPLIER))._tag, "Absent")
      assert.strictEqual(reads, before + 1)
    })
  )

  it.effect("stay in force while Redis is away; unknown is not unstaked", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* world.cache.set(KEY, utf8(ACTIVE_JSON), Duration.infinity)
      let isAway = false
      const cache = SharedCache.of({
        ...world.cache,
        get: (key) =>
          Effect.suspend(() =>
            isAway ? Effect.fail(new SharedCacheUnavailable({ operation: "get", cause: "away" })) : world.cache.get(key)
          )
      })
      const states = yield* statesOf(world, { cache })
      yield* states.warm([SUPPLIER])
      isAway = true
      const other = yield* statesOf(world, { cache })
      assert.strictEqual((yield* other.state(SUPPLIER))._tag, "Unknown")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* states.state(SUPPLIER))._tag, "State")
      yield* TestClock.adjust("6 minutes")
      assert.strictEqual((yield* states.state(SUPPLIER))._tag, "Unknown")
      isAway = false
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* states.state(SUPPLIER))._tag, "State")
    })
  )

  it.effect("are published from the chain without end, told to Go's relayers, and removed", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const heard: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(world.bus.subscribe("events:cache:supplier:invalidate"), (payload) =>
          Effect.sync(() => void heard.push(payload))
        )
      )
      yield* TestClock.setTime(1_700_000_000_999)
      const states = yield* statesOf(world)
      yield* states.publish(SUPPLIER, { isHeld: true, replica: "miner-1" })
      yield* TestClock.adjust("30 days")
      assert.strictEqual(
        textOf(Option.getOrThrow(yield* world.cache.get(KEY))),
        `{"status":"active","staked":true,"services":["anvil"],"staked_endpoints":[` +
          `{"service_id":"anvil","rpc_type":"jsonrpc"},{"service_id":"anvil","rpc_type":"websocket"}],` +
          `"unstake_session_end_height":0,"operator_address":"${SUPPLIER}","owner_address":"${SUPPLIER}",` +
          `"last_updated":1700000000,"last_refresh_session_start":91,"updated_by":"miner-1"}`
      )
      yield* states.remove(SUPPLIER)
      assert.isTrue(Option.isNone(yield* world.cache.get(KEY)))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(
        heard,
        Array.from({ length: 2 }, () => `{"operator_address":"${SUPPLIER}"}`)
      )
    })
  )

  it.effect("are left as they are when the chain does not answer or says nothing that can be true", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* world.cache.set(KEY, utf8(ACTIVE_JSON), Duration.infinity)
      const states = yield* statesOf(world)
      const by = { isHeld: true, replica: "miner-1" }
      world.chain.away = true
      assert.isTrue(Option.isNone(yield* states.publish(SUPPLIER, by)))
      world.chain.away = false
      world.chain.supplierRecord = Option.some({ ...aSupplier, serviceConfigHistory: [], services: [] })
      assert.isTrue(Option.isNone(yield* states.publish(SUPPLIER, by)))
      assert.strictEqual(textOf(Option.getOrThrow(yield* world.cache.get(KEY))), ACTIVE_JSON)
      world.chain.supplierRecord = Option.none()
      const written = Option.getOrThrow(yield* states.publish(SUPPLIER, by))
      assert.deepStrictEqual([written.status, written.staked], ["not_staked", false])
    })
  )
})
