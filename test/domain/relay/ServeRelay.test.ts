/** What serving promises beyond its refusals: order, what is charged, mined and signed when things go wrong half-way. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, type Layer, Logger, Option, Result, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { nodeSha256 } from "../../../adapters/crypto/NodeSha256.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import { delegate } from "../../../adapters/simchain/ApplicationLifecycle.ts"
import { SimChain } from "../../../adapters/simchain/SimChain.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { drain, unfinished } from "../../../domain/lifecycle/Drain.ts"
import { METER_CLEANUP } from "../../../domain/meter/MeterCleanup.ts"
import { BackendFailed } from "../../../domain/ports/Backends.ts"
import { Broadcast } from "../../../domain/ports/Broadcast.ts"
import { RelaySpool } from "../../../domain/ports/RelaySpool.ts"
import { decodeMinedRelay } from "../../../domain/relay/MinedRelay.ts"
import { dehydrate, relayHash } from "../../../domain/relay/Relay.ts"
import { decodeRelayRequest } from "../../../domain/relay/RelayRequest.ts"
import { decodeRelayResponse } from "../../../domain/relay/RelayResponse.ts"
import { ServeRelay } from "../../../domain/relay/ServeRelay.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import * as World from "../../support/ServingWorld.ts"

/** A world with a script for each test. */
const inWorld = <A, E>(
  options: Omit<World.WorldOptions, "script">,
  body: (script: World.Script) => Effect.Effect<A, E, WorldServices>
) => {
  const script = new World.Script()
  return body(script).pipe(Effect.provide(World.layer({ ...options, script })))
}
type WorldServices = Layer.Success<ReturnType<typeof World.layer>>

const unreachable = Effect.fail(
  new BackendFailed({ reason: "unreachable", service: World.SERVICE, rpcType: "jsonrpc" })
)

describe("a served relay", () => {
  it.effect("is the relay that is mined, byte for byte", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const body = World.requestBytes(header, "1")
        const answer = yield* World.serve(body)
        const [entry] = (yield* MemoryStores).supplier(World.supplier.address).log.entries()
        const mined = Result.getOrThrow(decodeMinedRelay(entry!.data))
        const leaf = dehydrate(
          Result.getOrThrow(decodeRelayRequest(body)),
          Result.getOrThrow(decodeRelayResponse(answer.body))
        )
        assert.deepStrictEqual(mined.relayBytes, leaf)
        assert.deepStrictEqual(Uint8Array.from(mined.relayHash), Uint8Array.from(relayHash(leaf, nodeSha256)))
        assert.deepInclude(mined, {
          computeUnitsPerRelay: 1_000_000n,
          sessionId: header.sessionId,
          sessionStartHeight: header.sessionStartBlockHeight,
          sessionEndHeight: header.sessionEndBlockHeight,
          supplierOperatorAddress: World.supplier.address,
          serviceId: World.SERVICE,
          applicationAddress: World.application.address,
          arrivalBlockHeight: 1n
        })
      })
    )
  )

  for (const status of [200, 201, 204, 302, 400, 404, 429, 499]) {
    it.effect(`with status ${status} is signed, charged and mined`, () =>
      inWorld({}, (script) =>
        Effect.gen(function* () {
          script.answer = () => Effect.succeed(World.anAnswer({ status, body: new Uint8Array() }))
          const header = yield* World.currentSession
          const signed = World.readSigned(yield* World.serve(World.requestBytes(header, "1")))
          assert.strictEqual(signed.status, status)
          assert.isUndefined(signed.error)
          assert.strictEqual(yield* World.logged, 1)
          assert.strictEqual(yield* World.charged(header), World.RELAY_COST)
        })
      )
    )
  }

  for (const status of [500, 502, 503]) {
    it.effect(`with status ${status} is passed on signed, neither charged nor mined, and may come again`, () =>
      inWorld({}, (script) =>
        Effect.gen(function* () {
          script.answer = () => Effect.succeed(World.anAnswer({ status, body: textToBytes("the backend's own") }))
          const header = yield* World.currentSession
          for (let i = 0; i < 2; i++) {
            const signed = World.readSigned(yield* World.serve(World.requestBytes(header, "1")))
            assert.strictEqual(signed.status, status)
            assert.strictEqual(signed.text, "the backend's own")
            assert.isUndefined(signed.error)
          }
          assert.strictEqual(yield* World.logged, 0)
          assert.strictEqual(yield* World.charged(header), 0n)
        })
      )
    )
  }

  it.effect("above the difficulty is charged and not mined", () =>
    inWorld(
      {
        genesis: {
          services: [{ id: World.SERVICE, computeUnitsPerRelay: 1_000_000n, targetHash: new Uint8Array(32) }]
        }
      },
      () =>
        Effect.gen(function* () {
          const header = yield* World.currentSession
          assert.strictEqual(World.readSigned(yield* World.serve(World.requestBytes(header, "1"))).status, 200)
          assert.strictEqual(yield* World.logged, 0)
          assert.strictEqual(yield* World.charged(header), World.RELAY_COST)
        })
    )
  )

  for (const [rpcType, served] of [
    [undefined, true],
    ["", true],
    ["0", true],
    ["3", true],
    ["jsonrpc", true],
    ["JSONRPC", true],
    ["1", false],
    ["5", false]
  ] as const) {
    it.effect(`with Rpc-Type ${rpcType ?? "absent"} is ${served ? "served" : "refused"}`, () =>
      inWorld({}, () =>
        Effect.gen(function* () {
          const header = yield* World.currentSession
          const answer = yield* World.serve(World.requestBytes(header, "1"), { rpcType })
          assert.strictEqual(World.readSigned(answer).status, served ? 200 : 503)
        })
      )
    )
  }

  it.effect("makes no span while tracing is off", () => {
    const spans: Array<string> = []
    const counting = Tracer.make({
      span(options) {
        spans.push(options.name)
        return new Tracer.NativeSpan(options)
      }
    })
    return inWorld({}, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        spans.length = 0
        yield* World.serve(World.requestBytes(header, "1"))
        assert.deepStrictEqual(spans, [])
      })
    ).pipe(Effect.withTracer(counting))
  })
})

describe("the session of a relay", () => {
  it.effect("is served through the last block of its grace", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const chain = yield* SimChain
        yield* chain.produceUntil(header.sessionEndBlockHeight + 1n)
        assert.strictEqual((yield* World.serve(World.requestBytes(header, "1"))).refusal, undefined)
        yield* chain.produceBlock
        assert.strictEqual((yield* World.serve(World.requestBytes(header, "2"))).refusal, "session_unknown")
      })
    )
  )

  it.effect("that starts with the next block is waited for, and served when it is there", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const chain = yield* SimChain
        const node = yield* SimNode
        yield* node.setFaults({ lagBlocks: 1n })
        yield* chain.produceUntil(7n)
        const far = yield* chain.makeNode()
        const header = yield* World.sessionOf(far.query, 7n)
        const waiting = yield* Effect.forkChild(World.serve(World.requestBytes(header, "1")))
        yield* TestClock.adjust("100 millis")
        assert.isUndefined(waiting.pollUnsafe())
        yield* chain.produceBlock
        assert.strictEqual((yield* Fiber.join(waiting)).refusal, undefined)
      }).pipe(Effect.scoped)
    )
  )

  it.effect("that starts with the next block is refused when the block does not come in time", () =>
    inWorld({ policy: { nextBlockWait: Duration.seconds(2) } }, () =>
      Effect.gen(function* () {
        const chain = yield* SimChain
        yield* (yield* SimNode).setFaults({ lagBlocks: 1n })
        yield* chain.produceUntil(7n)
        const far = yield* chain.makeNode()
        const header = yield* World.sessionOf(far.query, 7n)
        const waiting = yield* Effect.forkChild(World.serve(World.requestBytes(header, "1")))
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual((yield* Fiber.join(waiting)).refusal, "session_unknown")
      }).pipe(Effect.scoped)
    )
  )

  it.effect("that starts with the next block is not waited for by callers that cannot sign", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const chain = yield* SimChain
        yield* chain.produceUntil(6n)
        const header = { ...(yield* World.currentSession), sessionStartBlockHeight: 7n, sessionEndBlockHeight: 12n }
        const forged = World.requestBytes(header, "1", {
          signer: World.stranger,
          ring: [World.application.publicKey, World.stranger.publicKey]
        })
        assert.strictEqual((yield* World.serve(forged)).refusal, "ring_signature")
      })
    )
  )

  it.effect("goes on while the chain cannot be read", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        yield* World.serve(World.requestBytes(header, "1"))
        yield* (yield* SimNode).setFaults({ queriesFail: true })
        yield* TestClock.adjust("10 minutes")
        for (let i = 2; i < 200; i++) {
          assert.strictEqual((yield* World.serve(World.requestBytes(header, String(i)))).refusal, undefined)
        }
      })
    )
  )
})

describe("the ring of a relay", () => {
  it.effect("takes in a gateway that was delegated to after it was read", () => {
    const { publicKey, address } = World.stranger
    return inWorld({ genesis: { gateways: [{ publicKey: World.gateway.publicKey }, { publicKey }] } }, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const chain = yield* SimChain
        const byNewcomer = (salt: string) =>
          World.requestBytes(header, salt, { signer: World.stranger, ring: [World.application.publicKey, publicKey] })
        yield* World.serve(World.requestBytes(header, "1"))
        assert.strictEqual((yield* World.serve(byNewcomer("2"))).refusal, "ring_signature")
        yield* chain.administer(delegate(World.application.address, address))
        yield* chain.produceBlock
        // Within a second of the last reading the ring is not read again, however many strangers sign.
        assert.strictEqual((yield* World.serve(byNewcomer("3"))).refusal, "ring_signature")
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* World.serve(byNewcomer("4"))).refusal, undefined)
      })
    )
  })

  it.effect("cannot be decided for a stranger while the chain is away, and stays for its members", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        yield* World.serve(World.requestBytes(header, "1"))
        yield* (yield* SimNode).setFaults({ queriesFail: true })
        const stranger = World.requestBytes(header, "2", {
          signer: World.stranger,
          ring: [World.application.publicKey, World.stranger.publicKey]
        })
        assert.strictEqual((yield* World.serve(stranger)).refusal, "chain_unreadable")
        assert.strictEqual((yield* World.serve(World.requestBytes(header, "3"))).refusal, undefined)
      })
    )
  )
})

describe("optimistic serving", () => {
  const optimistic = { service: { validation: "optimistic" as const } }

  it.effect("asks the backend while it verifies, and answers what it answered", () =>
    inWorld(optimistic, (script) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const signed = World.readSigned(yield* World.serve(World.requestBytes(header, "1")))
        assert.strictEqual(signed.status, 200)
        assert.strictEqual(script.calls, 1)
        assert.strictEqual(yield* World.charged(header), World.RELAY_COST)
      })
    )
  )

  it.effect("interrupts the backend for a caller that does not verify, who sees no byte of its answer", () =>
    inWorld(optimistic, (script) =>
      Effect.gen(function* () {
        script.answer = () => Effect.never
        const header = yield* World.currentSession
        const forged = World.requestBytes(header, "1", {
          signer: World.stranger,
          ring: [World.application.publicKey, World.stranger.publicKey]
        })
        const answer = yield* World.serve(forged)
        assert.strictEqual(answer.refusal, "ring_signature")
        assert.strictEqual(script.calls, 1)
        assert.strictEqual(script.interrupted, 1)
        script.answer = () => Effect.succeed(World.anAnswer({ body: textToBytes("secret") }))
        const second = World.readSigned(yield* World.serve(forged))
        assert.notInclude(second.text, "secret")
        assert.strictEqual(yield* World.logged, 0)
        assert.strictEqual(yield* World.charged(header), 0n)
      })
    )
  )

  it.effect("refuses a replay whatever the backend answered", () =>
    inWorld(optimistic, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        yield* World.serve(World.requestBytes(header, "1"))
        assert.strictEqual((yield* World.serve(World.requestBytes(header, "1"))).refusal, "seen_before")
        assert.strictEqual(yield* World.logged, 1)
        assert.strictEqual(yield* World.charged(header), World.RELAY_COST)
      })
    )
  )
})

for (const validation of ["eager", "optimistic"] as const) {
  describe(`a relay that is given up (${validation})`, () => {
    it.effect("before the backend answered cancels the call, costs nothing and may come again", () =>
      inWorld({ service: { validation } }, (script) =>
        Effect.gen(function* () {
          const asked = yield* Deferred.make<void>()
          script.answer = () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
          const header = yield* World.currentSession
          const serving = yield* Effect.forkChild(World.serve(World.requestBytes(header, "1")))
          yield* Deferred.await(asked)
          yield* Fiber.interrupt(serving)
          assert.strictEqual(script.interrupted, 1)
          assert.strictEqual(yield* World.charged(header), 0n)
          script.answer = () => Effect.succeed(World.anAnswer())
          assert.strictEqual((yield* World.serve(World.requestBytes(header, "1"))).refusal, undefined)
          assert.strictEqual(yield* World.logged, 1)
        })
      )
    )

    it.effect("after the backend answered is charged and mined, once", () =>
      inWorld({ service: { validation } }, (script) =>
        Effect.gen(function* () {
          script.log = "silent"
          const header = yield* World.currentSession
          const serving = yield* Effect.forkChild(World.serve(World.requestBytes(header, "1")), {
            startImmediately: true
          })
          // Between the charge and the log nothing is waited for.
          yield* Effect.repeat(Effect.andThen(Effect.yieldNow, World.charged(header)), { until: (upokt) => upokt > 0n })
          const interrupting = yield* Effect.forkChild(Fiber.interrupt(serving), { startImmediately: true })
          yield* TestClock.adjust("250 millis")
          yield* Fiber.join(interrupting)
          assert.strictEqual(yield* (yield* RelaySpool).size, 1)
          script.log = "there"
          assert.strictEqual((yield* World.serve(World.requestBytes(header, "1"))).refusal, "seen_before")
          assert.strictEqual(yield* World.charged(header), World.RELAY_COST)
          assert.strictEqual(yield* World.logged, 1)
        })
      )
    )
  })
}

describe("a relay whose log is away", () => {
  for (const log of ["away", "silent"] as const) {
    it.effect(`goes to the spool when the log is ${log}, and to the log once it is back, announced first`, () =>
      inWorld({}, (script) =>
        Effect.gen(function* () {
          const header = yield* World.currentSession
          script.log = log
          const serving = yield* Effect.forkChild(World.serve(World.requestBytes(header, "1")))
          yield* TestClock.adjust("250 millis")
          assert.strictEqual((yield* Fiber.join(serving)).refusal, undefined)
          assert.strictEqual(yield* World.logged, 0)
          script.log = "there"
          const relays = yield* ServeRelay
          const house = yield* Effect.forkChild(relays.keepHouse)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(yield* World.logged, 1)
          assert.strictEqual(yield* (yield* RelaySpool).size, 0)
          assert.deepStrictEqual(script.announcements, [Option.some(header.sessionEndBlockHeight), Option.none()])
          yield* Fiber.interrupt(house)
        })
      )
    )
  }

  it.effect("is refused once the spool is full, and served once there is room", () =>
    inWorld({ spoolLimit: 2 }, (script) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        script.log = "away"
        const refusals = []
        for (const salt of ["1", "2", "3", "4"]) {
          refusals.push((yield* World.serve(World.requestBytes(header, salt))).refusal)
        }
        assert.deepStrictEqual(refusals, [undefined, undefined, "not_recordable", "not_recordable"])
        script.log = "there"
        const relays = yield* ServeRelay
        yield* relays.drain
        assert.strictEqual((yield* World.serve(World.requestBytes(header, "3"))).refusal, undefined)
        assert.strictEqual(yield* World.logged, 3)
        assert.strictEqual(yield* World.charged(header), 3n * World.RELAY_COST)
      })
    )
  )
})

describe("a drain", () => {
  it.effect("empties the spool although the meter store hangs", () =>
    inWorld({}, (script) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        script.log = "away"
        yield* World.serve(World.requestBytes(header, "1"))
        script.log = "there"
        script.giveBackHangs = true
        const relays = yield* ServeRelay
        const draining = yield* Effect.forkChild(
          drain([{ name: "spool flushed, meter settled", run: relays.drain }], Duration.seconds(1))
        )
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(draining)
        assert.strictEqual(yield* World.logged, 1)
      })
    )
  )

  it.effect("that cannot empty the spool gives back all the same, and is not finished", () =>
    inWorld({}, (script) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        script.log = "away"
        yield* World.serve(World.requestBytes(header, "1"))
        const relays = yield* ServeRelay
        const phase = { name: "spool flushed, meter settled", run: relays.drain }
        const draining = yield* Effect.forkChild(drain([phase], Duration.seconds(2)))
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(unfinished(yield* Fiber.join(draining)), [phase.name])
        assert.strictEqual(yield* World.consumed(header), World.RELAY_COST)
        // The log is back a second after the next attempt began.
        const again = yield* Effect.forkChild(drain([phase], Duration.seconds(2)))
        yield* TestClock.adjust("1 second")
        script.log = "there"
        yield* TestClock.adjust("100 millis")
        assert.deepStrictEqual(unfinished(yield* Fiber.join(again)), [])
        assert.strictEqual(yield* World.logged, 1)
      })
    )
  )
})

describe("the meter of a relay", () => {
  it.effect("lets a relay pass uncharged while the store is away and the operator prefers serving", () =>
    inWorld({}, (script) =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        script.meterAway = true
        assert.strictEqual((yield* World.serve(World.requestBytes(header, "1"))).refusal, undefined)
        script.meterAway = false
        assert.strictEqual(yield* World.charged(header), 0n)
        yield* TestClock.adjust("1 second")
        yield* World.serve(World.requestBytes(header, "2"))
        assert.strictEqual(yield* World.charged(header), World.RELAY_COST)
      })
    )
  )

  it.effect("gives back what a failed backend call had reserved", () =>
    inWorld({}, (script) =>
      Effect.gen(function* () {
        script.answer = () => unreachable
        const header = yield* World.currentSession
        for (let i = 0; i < 3; i++) yield* World.serve(World.requestBytes(header, "1"))
        assert.strictEqual(script.calls, 3)
        assert.strictEqual(yield* World.charged(header), 0n)
      })
    )
  )

  it.effect("gives back what it holds when the session's grace has ended", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const relays = yield* ServeRelay
        const house = yield* Effect.forkChild(relays.keepHouse)
        yield* World.serve(World.requestBytes(header, "1"))
        assert.isAbove(Number(yield* World.consumed(header)), Number(World.RELAY_COST))
        yield* (yield* SimChain).produceUntil(header.sessionEndBlockHeight + 2n)
        yield* TestClock.adjust("1 milli")
        assert.strictEqual(yield* World.consumed(header), World.RELAY_COST)
        yield* Fiber.interrupt(house)
      })
    )
  )

  it.effect("is given back as far as it is unspent when miners have sealed the session, and the session goes on", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const header = yield* World.currentSession
        const relays = yield* ServeRelay
        const broadcast = yield* Broadcast
        const house = yield* Effect.forkChild(relays.keepHouse)
        yield* TestClock.adjust("1 milli")
        yield* World.serve(World.requestBytes(header, "1"))
        assert.isAbove(Number(yield* World.consumed(header)), Number(World.RELAY_COST))
        yield* broadcast.publish(METER_CLEANUP, "of nobody")
        yield* broadcast.publish(METER_CLEANUP, `${header.sessionId}|${World.supplier.address}`)
        yield* TestClock.adjust("1 milli")
        assert.strictEqual(yield* World.consumed(header), World.RELAY_COST)
        assert.strictEqual((yield* World.serve(World.requestBytes(header, "2"))).refusal, undefined)
        assert.strictEqual(yield* World.charged(header), 2n * World.RELAY_COST)
        yield* Fiber.interrupt(house)
      })
    )
  )

  it.effect("serves exactly as many relays as the share pays for", () =>
    inWorld(
      {
        genesis: {
          applications: [
            {
              publicKey: World.application.publicKey,
              serviceIds: [World.SERVICE],
              gateways: [World.gateway.address],
              stake: World.stakeFor(7) + World.RELAY_COST
            }
          ]
        }
      },
      () =>
        Effect.gen(function* () {
          const header = yield* World.currentSession
          const answers = yield* Effect.forEach(
            Array.from({ length: 12 }, (_, i) => String(i)),
            (salt) => World.serve(World.requestBytes(header, salt)),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(answers.filter(({ refusal }) => refusal === undefined).length, 7)
          assert.strictEqual(answers.filter(({ refusal }) => refusal === "over_limit").length, 5)
          assert.strictEqual(yield* World.charged(header), 7n * World.RELAY_COST)
        })
    )
  )
})

describe("a defect", () => {
  it.effect("is logged once", () => {
    const errors: Array<unknown> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Error") errors.push(message)
    })
    return inWorld({}, (script) =>
      Effect.gen(function* () {
        script.answer = () => Effect.die(new Error("broken"))
        const header = yield* World.currentSession
        yield* World.serve(World.requestBytes(header, "1"))
        assert.strictEqual(errors.length, 1)
        script.answer = () => Effect.succeed(World.anAnswer())
        assert.strictEqual((yield* World.serve(World.requestBytes(header, "1"))).refusal, undefined)
      })
    ).pipe(Effect.provide(Logger.layer([logger])))
  })
})
