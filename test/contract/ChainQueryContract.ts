/** What every `ChainQuery` must do: records as the chain has them, absence as `none`, everything else as "cannot decide". */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Option, Result } from "effect"
import { addressOf } from "../../domain/keys/Address.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../domain/ports/ChainTx.ts"
import { ApplicationAddress, ServiceId, SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { BASE_TARGET } from "../../domain/relay/RelayDifficulty.ts"
import { sessionEnd, sessionStart } from "../../domain/session/SessionGrid.ts"
import { sessionId } from "../../domain/session/SessionId.ts"
import { testKey } from "../support/RelayBuilder.ts"
import { ChainWorld, reach, reachClaimWindow, worldClaim, worldSession, worldTx } from "./ChainWorld.ts"

type Ports = Blocks | ChainQuery | ChainTx | ChainWorld

/** Registers the suite; `layer` builds a fresh chain for each test. */
export const chainQueryContract = (name: string, layer: () => Layer.Layer<Ports>): void => {
  const test = <A, E>(title: string, body: Effect.Effect<A, E, Ports>) =>
    it.effect(title, () => body.pipe(Effect.provide(layer())))
  const stranger = testKey("a stranger to every chain").address

  describe(`ChainQuery, ${name}`, () => {
    test(
      "resolves params at every height to the live ones while nothing has changed",
      Effect.gen(function* () {
        const query = yield* ChainQuery
        const live = yield* query.sharedParams
        for (const height of [1n, 7n, 1_000_000n]) assert.deepStrictEqual(yield* query.sharedParamsAt(height), live)
        assert.isTrue((yield* query.sessionParams).numSuppliersPerSession >= 1n)
        assert.isTrue((yield* query.supplierParams).minStake > 0n)
        const { mintRatio } = yield* query.tokenomicsParams
        assert.isTrue(mintRatio.numerator > 0n && mintRatio.numerator <= mintRatio.denominator)
        const { maxBytes, maxGas } = yield* query.blockLimits
        assert.isTrue(maxBytes === undefined || maxBytes > 0n)
        assert.isTrue(maxGas === undefined || maxGas > 0n)
        const proof = yield* query.proofParams
        assert.isTrue(proof.proofRequestProbability >= 0 && proof.proofRequestProbability <= 1)
      })
    )

    test(
      "answers the session that contains a height, the same for each of its heights",
      Effect.gen(function* () {
        const { application, service, supplier } = yield* ChainWorld
        const query = yield* ChainQuery
        const blocks = yield* Blocks
        yield* reach(3n)
        const { height } = yield* blocks.latest
        const params = yield* query.sharedParams
        const session = yield* worldSession(height)
        assert.deepStrictEqual(session, yield* worldSession(0n))
        assert.deepStrictEqual(session.header, (yield* worldSession(sessionStart(params, height))).header)
        const start = sessionStart(params, height)
        const block = Option.getOrThrow(yield* blocks.at(start))
        assert.deepStrictEqual(session.header, {
          applicationAddress: application.address,
          serviceId: service,
          sessionId: sessionId({
            blockHash: block.hash,
            serviceId: service,
            applicationAddress: application.address,
            sessionStart: start
          }),
          sessionStartBlockHeight: start,
          sessionEndBlockHeight: sessionEnd(params, height)
        })
        assert.strictEqual(session.sessionId, session.header.sessionId)
        assert.strictEqual(session.numBlocksPerSession, params.numBlocksPerSession)
        assert.strictEqual(session.application.address, application.address)
        const own = session.suppliers.find(({ operatorAddress }) => operatorAddress === supplier.address)
        assert.deepStrictEqual(
          own?.services.map(({ serviceId }) => serviceId),
          [service]
        )
        assert.deepStrictEqual(own?.serviceConfigHistory, [])
      })
    )

    test(
      "says why there is no session",
      Effect.gen(function* () {
        const { application, service } = yield* ChainWorld
        const query = yield* ChainQuery
        const { height } = yield* (yield* Blocks).latest
        const cases = [
          [stranger, service, height, "no_application"],
          [application.address, "unknown", height, "service_not_staked"],
          [application.address, service, height + 1n, "future"],
          ["no address", service, height, "malformed"],
          [application.address, "no service id!", height, "malformed"],
          [application.address, service, -1n, "malformed"]
        ] as const
        for (const [address, id, at, reason] of cases) {
          const asked = yield* Effect.result(query.session(ApplicationAddress.make(address), ServiceId.make(id), at))
          assert.deepInclude(Result.isFailure(asked) ? asked.failure : undefined, { _tag: "SessionNotFound", reason })
        }
      })
    )

    test(
      "finds records, and says none for what is not there",
      Effect.gen(function* () {
        const { application, supplier, service, computeUnitsPerRelay } = yield* ChainWorld
        const query = yield* ChainQuery
        const foundApplication = yield* query.application(ApplicationAddress.make(application.address))
        assert.include(Option.getOrThrow(foundApplication).serviceIds, service)
        const foundSupplier = yield* query.supplier(SupplierAddress.make(supplier.address))
        assert.isTrue(Option.getOrThrow(foundSupplier).stake > 0n)
        const account = Option.getOrThrow(yield* query.account(supplier.address))
        assert.strictEqual(addressOf(account.publicKey!), supplier.address)
        assert.deepStrictEqual(yield* query.publicKey(supplier.address), Option.some(account.publicKey!))
        const foundService = Option.getOrThrow(yield* query.service(ServiceId.make(service)))
        assert.deepStrictEqual([foundService.id, foundService.computeUnitsPerRelay], [service, computeUnitsPerRelay])
        assert.isTrue((yield* query.balance(supplier.address)) > 0n)
        assert.isTrue(Option.isNone(yield* query.application(ApplicationAddress.make(stranger))))
        assert.isTrue(Option.isNone(yield* query.supplier(SupplierAddress.make(stranger))))
        assert.isTrue(Option.isNone(yield* query.account(stranger)))
        assert.isTrue(Option.isNone(yield* query.publicKey(stranger)))
        assert.isTrue(Option.isNone(yield* query.service(ServiceId.make("unknown"))))
        assert.strictEqual(yield* query.balance(stranger), 0n)
      })
    )

    test(
      "knows compute units and difficulty of services, and that a service is unknown",
      Effect.gen(function* () {
        const { service, computeUnitsPerRelay } = yield* ChainWorld
        const query = yield* ChainQuery
        const known = ServiceId.make(service)
        assert.strictEqual(yield* query.computeUnitsPerRelayAt(known, 1n), computeUnitsPerRelay)
        assert.deepStrictEqual(yield* query.difficultyTargetAt(known, 1n), BASE_TARGET)
        const unknown = ServiceId.make("unknown")
        for (const read of [
          Effect.asVoid(query.computeUnitsPerRelayAt(unknown, 1n)),
          Effect.asVoid(query.difficultyTargetAt(unknown, 1n))
        ]) {
          const asked = yield* Effect.result(read)
          assert.isTrue(Result.isFailure(asked) && asked.failure._tag === "ServiceNotFound")
        }
      })
    )

    test(
      "shows a claim once it is on chain, alone and among those of its supplier, and its event",
      Effect.gen(function* () {
        const { supplier, nextBlock } = yield* ChainWorld
        const [query, tx, blocks] = [yield* ChainQuery, yield* ChainTx, yield* Blocks]
        const operator = SupplierAddress.make(supplier.address)
        const header = yield* reachClaimWindow
        const id = SessionId.make(header.sessionId)
        assert.isTrue(Option.isNone(yield* query.claim(id, operator)))
        assert.deepStrictEqual(yield* query.claims(operator, 1n), [])
        const message = yield* worldClaim(header)
        const action = "/pocket.proof.MsgCreateClaim"
        assert.deepStrictEqual(yield* query.recentFee(action), Option.none())
        const built = yield* worldTx([message], tx.chainId, { fee: 2_345n })
        yield* tx.broadcast(built.txBytes)
        assert.isTrue(Option.isNone(yield* query.claim(id, operator)))
        yield* nextBlock
        const claim = Option.getOrThrow(yield* query.claim(id, operator))
        assert.deepStrictEqual(claim.sessionHeader, header)
        assert.deepStrictEqual([claim.supplierOperatorAddress, claim.proofValidationStatus], [supplier.address, 0])
        assert.deepStrictEqual(yield* query.claims(operator, 1n), [claim])
        assert.deepStrictEqual(yield* query.recentFee(action), Option.some(2_345n))
        assert.deepStrictEqual(yield* query.recentFee("/pocket.proof.MsgSubmitProof"), Option.none())
        assert.isTrue(Option.isNone(yield* query.claim(id, SupplierAddress.make(stranger))))
        assert.deepStrictEqual(yield* query.claims(SupplierAddress.make(stranger), 1n), [])
        const { height } = yield* blocks.latest
        const events = Option.getOrThrow(yield* query.blockEvents(height))
        assert.deepStrictEqual(
          events.map((event) => event._tag),
          ["ClaimCreated"]
        )
        assert.deepInclude(events[0], { supplierOperatorAddress: supplier.address, numRelays: 3n })
      })
    )

    test(
      "has events of committed blocks only; a quiet block has none",
      Effect.gen(function* () {
        const query = yield* ChainQuery
        const { height } = yield* (yield* Blocks).latest
        assert.deepStrictEqual(yield* query.blockEvents(height), Option.some([]))
        assert.isTrue(Option.isNone(yield* query.blockEvents(height + 1n)))
      })
    )

    test(
      "never takes a silent chain for an absent record",
      Effect.gen(function* () {
        const { supplier, service, setReadsBroken } = yield* ChainWorld
        const query = yield* ChainQuery
        yield* setReadsBroken(true)
        const reads: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          query.sharedParams,
          query.sharedParamsAt(1n),
          query.proofParams,
          query.sessionParams,
          query.supplierParams,
          query.tokenomicsParams,
          query.blockLimits,
          query.session(ApplicationAddress.make(stranger), ServiceId.make(service), 1n),
          query.application(ApplicationAddress.make(stranger)),
          query.supplier(SupplierAddress.make(stranger)),
          query.account(stranger),
          query.publicKey(stranger),
          query.service(ServiceId.make("unknown")),
          query.balance(supplier.address),
          query.computeUnitsPerRelayAt(ServiceId.make("unknown"), 1n),
          query.difficultyTargetAt(ServiceId.make("unknown"), 1n),
          query.claim(SessionId.make("abc"), SupplierAddress.make(stranger)),
          query.claims(SupplierAddress.make(stranger), 1n),
          query.recentFee("/pocket.proof.MsgCreateClaim"),
          query.blockEvents(1n)
        ]
        for (const read of reads) {
          const asked = yield* Effect.result(read)
          assert.isTrue(Result.isFailure(asked) && asked.failure._tag === "ChainUnavailable")
        }
        yield* setReadsBroken(false)
        assert.strictEqual(yield* query.balance(stranger), 0n)
      })
    )
  })
}
