/** The `ChainQuery` port over scripted nodes on real sockets: gRPC, and the same questions as ABCI queries. */
import { create, fromBinary } from "@bufbuild/protobuf"
import { status } from "@grpc/grpc-js"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { makeAbciTransport } from "../../../adapters/chain/AbciTransport.ts"
import { makeChainQueryNode } from "../../../adapters/chain/ChainQueryNode.ts"
import { makeCometRpc } from "../../../adapters/chain/CometRpc.ts"
import { defaultPoolSettings, makeEndpointPool } from "../../../adapters/chain/EndpointPool.ts"
import { makeGrpcTransport } from "../../../adapters/chain/GrpcTransport.ts"
import { makeQueryCalls } from "../../../adapters/chain/QueryCalls.ts"
import type { QueryTransport } from "../../../adapters/chain/QueryTransport.ts"
import { BaseAccountSchema, ModuleAccountSchema } from "../../../domain/chain/proto/cosmos/auth_pb.ts"
import { QueryAccountResponseSchema } from "../../../domain/chain/proto/cosmos/auth_pb.ts"
import { GetTxsEventResponseSchema } from "../../../domain/chain/proto/cosmos/tx_pb.ts"
import { ContinuousVestingAccountSchema } from "../../../domain/chain/proto/cosmos/vesting_pb.ts"
import { QueryGetApplicationResponseSchema } from "../../../domain/chain/proto/pocket/application_pb.ts"
import {
  ClaimSchema,
  QueryAllClaimsRequestSchema,
  QueryAllClaimsResponseSchema,
  QueryGetClaimResponseSchema
} from "../../../domain/chain/proto/pocket/proof_pb.ts"
import {
  QueryComputeUnitsPerRelayAtHeightRequestSchema,
  QueryGetServiceResponseSchema
} from "../../../domain/chain/proto/pocket/service_pb.ts"
import {
  QueryGetSessionRequestSchema,
  QueryGetSessionResponseSchema
} from "../../../domain/chain/proto/pocket/session_pb.ts"
import { QueryGetSupplierResponseSchema } from "../../../domain/chain/proto/pocket/supplier_pb.ts"
import type { ChainUnavailable } from "../../../domain/ports/Blocks.ts"
import type { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { encodeQuery } from "../../../domain/chain/QueryMessages.ts"
import { ApplicationAddress, ServiceId, SessionId, SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"
import { makeAbciNode } from "./AbciNode.ts"
import { type GrpcNode, makeGrpcNode } from "./GrpcNode.ts"

const vectors = loadVectors<ReadonlyArray<{ readonly type: string; readonly bytes_hex: string }>>("queries")
const vectorsOf = (type: string) => vectors.filter((one) => one.type === type).map((one) => hex(one.bytes_hex))

const noBlocks = {
  blockEvents: () => Effect.succeedNone,
  blockLimits: Effect.succeed({ maxBytes: undefined, maxGas: undefined })
}

const settings = { ...defaultPoolSettings("query"), deadline: Duration.millis(2_000) }

const over = (...transports: ReadonlyArray<QueryTransport>) =>
  Effect.gen(function* () {
    const pool = yield* makeEndpointPool(
      transports.map((client, index) => ({ name: `node${index}:9090`, client })),
      settings
    )
    return {
      pool,
      query: makeChainQueryNode(
        makeQueryCalls(pool, () => Effect.void),
        noBlocks
      )
    }
  })

const grpcTo = (node: GrpcNode) => makeGrpcTransport({ host: "127.0.0.1", port: node.port, isInsecure: true })

/** One way to ask, and how a test tells its node what to answer. */
interface Way {
  readonly name: string
  readonly make: Effect.Effect<
    {
      readonly query: ChainQuery["Service"]
      readonly answers: (bytes: Uint8Array) => void
      readonly notFound: () => void
      readonly refuses: (kind: "argument" | "handler" | "unimplemented", text: string) => void
      /** Path and request of the last call. */
      readonly asked: () => readonly [string, string] | undefined
    },
    never,
    Scope.Scope
  >
}

const grpcWay: Way = {
  name: "gRPC",
  make: Effect.gen(function* () {
    const node = yield* makeGrpcNode()
    const codes = {
      argument: status.INVALID_ARGUMENT,
      handler: status.INTERNAL,
      unimplemented: status.UNIMPLEMENTED
    }
    return {
      query: (yield* over(yield* grpcTo(node))).query,
      answers: (bytes) => (node.answer = () => ({ bytes, height: 9n })),
      notFound: () => (node.answer = () => ({ code: status.NOT_FOUND, details: "x: key not found" })),
      refuses: (kind, details) => (node.answer = () => ({ code: codes[kind], details })),
      asked: () => {
        const last = node.calls.at(-1)
        return last && [last.path, toHex(last.request)]
      }
    }
  })
}

const abciWay: Way = {
  name: "ABCI queries",
  make: Effect.gen(function* () {
    const node = yield* makeAbciNode
    const rpc = yield* makeCometRpc({ url: Redacted.make(node.url), maxResultsBytes: 1 << 20 })
    const sdk = (code: number, log: string) => (node.answer = () => ({ codespace: "sdk", code, log }))
    return {
      query: (yield* over(makeAbciTransport("node", rpc))).query,
      answers: (value) => (node.answer = () => ({ value, height: 9n })),
      notFound: () => sdk(22, "rpc error: code = NotFound desc = x: key not found"),
      refuses: (kind, text) =>
        kind === "argument"
          ? sdk(18, `rpc error: code = InvalidArgument desc = ${text}: invalid request`)
          : kind === "handler"
            ? sdk(6, `rpc error: code = Internal desc = ${text}: unknown request`)
            : sdk(6, "unknown query path: unknown request"),
      asked: () => {
        const last = node.queries.at(-1)
        return last && [last.path, last.data]
      }
    }
  })
}

for (const { name, make } of [grpcWay, abciWay]) {
  describe(`ChainQueryNode over ${name}`, () => {
    it.live("reads every answer of the vectors, asked as the vectors ask", () =>
      Effect.gen(function* () {
        const { query, answers, asked } = yield* make
        for (const bytes of vectorsOf("pocket.shared.QueryParamsResponse")) {
          answers(bytes)
          const params = yield* query.sharedParams
          assert.isTrue(params.numBlocksPerSession > 0n)
          assert.deepStrictEqual(asked(), ["/pocket.shared.Query/Params", ""])
        }
        for (const bytes of vectorsOf("pocket.shared.QueryParamsAtHeightResponse")) {
          answers(bytes)
          yield* query.sharedParamsAt(406_544n)
          assert.deepStrictEqual(asked(), ["/pocket.shared.Query/ParamsAtHeight", "0890e818"])
        }
        for (const bytes of vectorsOf("pocket.session.QueryParamsResponse")) {
          answers(bytes)
          assert.isTrue((yield* query.sessionParams).numSuppliersPerSession > 0n)
        }
        for (const bytes of vectorsOf("pocket.proof.QueryParamsResponse")) {
          answers(bytes)
          assert.isTrue((yield* query.proofParams).proofRequestProbability > 0)
        }
        const stakes: Array<bigint> = []
        for (const bytes of vectorsOf("pocket.supplier.QueryParamsResponse")) {
          answers(bytes)
          stakes.push((yield* query.supplierParams).minStake)
        }
        assert.deepStrictEqual(stakes, [891_129_954_939n, 310_762_547_454n, 476_950_708_683n])
        const sessionRequests = vectorsOf("pocket.session.QueryGetSessionRequest")
        for (const [index, bytes] of vectorsOf("pocket.session.QueryGetSessionResponse").entries()) {
          answers(bytes)
          const header = fromBinary(QueryGetSessionResponseSchema, bytes).session?.header
          const request = fromBinary(QueryGetSessionRequestSchema, sessionRequests[index]!)
          assert.strictEqual(request.applicationAddress, header?.applicationAddress)
          const session = yield* query.session(
            ApplicationAddress.make(request.applicationAddress),
            ServiceId.make(request.serviceId),
            request.blockHeight
          )
          assert.strictEqual(session.sessionId, header?.sessionId)
          assert.deepStrictEqual(asked(), ["/pocket.session.Query/GetSession", toHex(sessionRequests[index]!)])
        }
        for (const bytes of vectorsOf("pocket.application.QueryGetApplicationResponse")) {
          answers(bytes)
          const address = fromBinary(QueryGetApplicationResponseSchema, bytes).application!.address
          const found = Option.getOrThrow(yield* query.application(ApplicationAddress.make(address)))
          assert.strictEqual(found.address, address)
        }
        for (const bytes of vectorsOf("pocket.supplier.QueryGetSupplierResponse")) {
          answers(bytes)
          const address = fromBinary(QueryGetSupplierResponseSchema, bytes).supplier!.operatorAddress
          const found = Option.getOrThrow(yield* query.supplier(SupplierAddress.make(address)))
          assert.strictEqual(found.operatorAddress, address)
        }
        for (const bytes of vectorsOf("pocket.service.QueryGetServiceResponse")) {
          answers(bytes)
          const found = Option.getOrThrow(yield* query.service(ServiceId.make("eth")))
          assert.strictEqual(found.name, "Ethereum")
        }
        for (const bytes of vectorsOf("pocket.proof.QueryGetClaimResponse")) {
          answers(bytes)
          const claim = fromBinary(QueryGetClaimResponseSchema, bytes).claim!
          const operator = SupplierAddress.make(claim.supplierOperatorAddress)
          const sessionId = claim.sessionHeader!.sessionId
          const found = Option.getOrThrow(yield* query.claim(SessionId.make(sessionId), operator))
          assert.deepStrictEqual(found.rootHash, claim.rootHash)
        }
        for (const bytes of vectorsOf("pocket.proof.QueryAllClaimsResponse")) {
          const page = fromBinary(QueryAllClaimsResponseSchema, bytes)
          delete page.pagination
          answers(encodeQuery(QueryAllClaimsResponseSchema, page))
          const operator = SupplierAddress.make(page.claims[0]!.supplierOperatorAddress)
          assert.strictEqual((yield* query.claims(operator, 1n)).length, page.claims.length)
        }
        for (const bytes of vectorsOf("cosmos.auth.v1beta1.QueryAccountResponse")) {
          answers(bytes)
          const any = fromBinary(QueryAccountResponseSchema, bytes).account!
          const { address, accountNumber } = fromBinary(BaseAccountSchema, any.value)
          const found = Option.getOrThrow(yield* query.account(address))
          assert.strictEqual(found.accountNumber, accountNumber)
          assert.deepStrictEqual(yield* query.publicKey(address), Option.fromUndefinedOr(found.publicKey))
        }
        for (const bytes of vectorsOf("cosmos.bank.v1beta1.QueryBalanceResponse")) {
          answers(bytes)
          assert.isTrue((yield* query.balance("pokt1m2t38kre3xagfpccqznvqdvqfxz07t48p8sssy")) > 0n)
        }
        const units: Array<bigint> = []
        for (const bytes of vectorsOf("pocket.service.QueryComputeUnitsPerRelayAtHeightResponse")) {
          answers(bytes)
          units.push(yield* query.computeUnitsPerRelayAt(ServiceId.make("eth"), 61n))
          assert.deepStrictEqual(asked(), ["/pocket.service.Query/ComputeUnitsPerRelayAtHeight", "0a03657468103d"])
        }
        assert.strictEqual(units[0], 95_595n)
        for (const bytes of vectorsOf("pocket.service.QueryGetRelayMiningDifficultyAtHeightResponse")) {
          answers(bytes)
          assert.strictEqual((yield* query.difficultyTargetAt(ServiceId.make("eth"), 61n)).length, 32)
        }
      }).pipe(Effect.scoped)
    )

    it.live("keeps what is not there apart from what is not known", () =>
      Effect.gen(function* () {
        const { query, notFound, refuses } = yield* make
        const supplier = SupplierAddress.make("pokt1supplier")
        const reads: Readonly<Record<string, Effect.Effect<Option.Option<unknown>, ChainUnavailable>>> = {
          application: query.application(ApplicationAddress.make("pokt1app")),
          supplier: query.supplier(supplier),
          service: query.service(ServiceId.make("eth")),
          account: query.account("pokt1account"),
          publicKey: query.publicKey("pokt1account"),
          claim: query.claim(SessionId.make("ab"), supplier)
        }
        for (const [read, effect] of Object.entries(reads)) {
          notFound()
          assert.isTrue(Option.isNone(yield* effect), read)
          refuses("handler", "account pokt1account not found")
          assert.strictEqual((yield* Effect.flip(effect))._tag, "ChainUnavailable", read)
          refuses("argument", "malformed")
          assert.strictEqual((yield* Effect.flip(effect))._tag, "ChainUnavailable", read)
        }
        notFound()
        for (const effect of [
          Effect.asVoid(query.computeUnitsPerRelayAt(ServiceId.make("eth"), 1n)),
          Effect.asVoid(query.difficultyTargetAt(ServiceId.make("eth"), 1n))
        ]) {
          assert.strictEqual((yield* Effect.flip(effect))._tag, "ServiceNotFound")
        }
        for (const effect of [Effect.asVoid(query.balance("pokt1account")), Effect.asVoid(query.sharedParams)]) {
          assert.strictEqual((yield* Effect.flip(effect))._tag, "ChainUnavailable")
        }
      }).pipe(Effect.scoped)
    )

    it.live("reads from the chain's words why there is no session, and nothing from other words", () =>
      Effect.gen(function* () {
        const { query, refuses } = yield* make
        const session = Effect.flip(query.session(ApplicationAddress.make("pokt1app"), ServiceId.make("eth"), 7n))
        const texts = [
          ["future", "block height 9 is ahead of the last committed block height 7: error during session hydration"],
          [
            "no_application",
            'could not find app with address "pokt1app" at height 5: application for session not found not found '
          ],
          ["inactive_application", 'application "pokt1app" is not active for session ab: application is not active'],
          [
            "service_not_staked",
            'application "pokt1app" not staked for service ID "eth": application in session not staked for requested service'
          ],
          ["no_suppliers", "could not find suppliers for service eth at height 5: no suppliers not found for session"]
        ] as const
        for (const [reason, text] of texts) {
          refuses("handler", text)
          assert.deepInclude(yield* session, { _tag: "SessionNotFound", reason, height: 7n })
        }
        refuses("argument", "invalid address")
        assert.deepInclude(yield* session, { _tag: "SessionNotFound", reason: "malformed" })
        refuses("handler", "failed to load state at height 5; version does not exist")
        assert.deepInclude(yield* session, { _tag: "ChainUnavailable" })
      }).pipe(Effect.scoped)
    )

    it.live("believes no answer that is garbage, empty, or about somebody else", () =>
      Effect.gen(function* () {
        const { query, answers } = yield* make
        const [supplier] = vectorsOf("pocket.supplier.QueryGetSupplierResponse")
        for (const bytes of [
          Uint8Array.of(0xff, 0xff, 0xff),
          new Uint8Array(0),
          supplier!.subarray(0, 90),
          supplier!
        ]) {
          answers(bytes)
          const failure = yield* Effect.flip(query.supplier(SupplierAddress.make("pokt1other")))
          assert.deepInclude(failure.cause, { _tag: "EndpointFailed", kind: "undecodable" })
        }
      }).pipe(Effect.scoped)
    )

    it.live("reads tokenomics params as exact decimals, and none of them from what is no rate", () =>
      Effect.gen(function* () {
        const { query, answers, asked } = yield* make
        // Field 7 = 0.1, 9 = 0.975, 10 = 2; field 8 holds field 3 = 0.7.
        answers(hex("0a1f399a9999999999b93f420919666666666666e63f49333333333333ef3f5002"))
        const params = yield* query.tokenomicsParams
        assert.deepStrictEqual(asked(), ["/pocket.tokenomics.Query/Params", ""])
        assert.deepInclude(params, {
          globalInflationPerClaim: { numerator: 1n, denominator: 10n },
          mintRatio: { numerator: 975n, denominator: 1000n },
          overservicingBonusMultiplier: 2n
        })
        assert.deepStrictEqual(params.mintEqualsBurnClaimDistribution.supplier, { numerator: 7n, denominator: 10n })
        // Field 9 = −1, then not a number.
        for (const text of ["0a0949000000000000f0bf", "0a0949000000000000f87f"]) {
          answers(hex(text))
          assert.deepInclude((yield* Effect.flip(query.tokenomicsParams)).cause, { kind: "undecodable" })
        }
      }).pipe(Effect.scoped)
    )

    it.live("reads the account of every type", () =>
      Effect.gen(function* () {
        const { query, answers } = yield* make
        const base = create(BaseAccountSchema, { address: "pokt1a", accountNumber: 7n })
        const vesting = encodeQuery(
          ContinuousVestingAccountSchema,
          create(ContinuousVestingAccountSchema, { baseVestingAccount: { baseAccount: base } })
        )
        const accounts: ReadonlyArray<readonly [string, Uint8Array]> = [
          ["cosmos.auth.v1beta1.BaseAccount", encodeQuery(BaseAccountSchema, base)],
          [
            "cosmos.auth.v1beta1.ModuleAccount",
            encodeQuery(ModuleAccountSchema, create(ModuleAccountSchema, { baseAccount: base, name: "x" }))
          ],
          ["cosmos.vesting.v1beta1.ContinuousVestingAccount", vesting],
          ["cosmos.vesting.v1beta1.DelayedVestingAccount", vesting],
          ["cosmos.vesting.v1beta1.PeriodicVestingAccount", vesting],
          ["cosmos.vesting.v1beta1.PermanentLockedAccount", vesting]
        ]
        const answer = (typeUrl: string, value: Uint8Array) =>
          answers(
            encodeQuery(QueryAccountResponseSchema, create(QueryAccountResponseSchema, { account: { typeUrl, value } }))
          )
        for (const [type, value] of accounts) {
          answer(`/${type}`, value)
          const account = Option.getOrThrow(yield* query.account("pokt1a"))
          assert.deepInclude(account, { address: "pokt1a", accountNumber: 7n, publicKey: undefined }, type)
        }
        answer("/cosmos.auth.v1beta1.NewAccount", vesting)
        assert.deepInclude((yield* Effect.flip(query.account("pokt1a"))).cause, { kind: "undecodable" })
      }).pipe(Effect.scoped)
    )

    it.live("asks for live compute units where a node has no history of them", () =>
      Effect.gen(function* () {
        const { query, refuses } = yield* make
        refuses("unimplemented", "unknown method")
        const failure = yield* Effect.flip(query.computeUnitsPerRelayAt(ServiceId.make("eth"), 61n))
        assert.strictEqual(failure._tag, "ChainUnavailable")
      }).pipe(Effect.scoped)
    )
  })
}

describe("ChainQueryNode", () => {
  const operator = SupplierAddress.make("pokt1supplier")
  const page = (ids: ReadonlyArray<string>, nextKey: Uint8Array) =>
    encodeQuery(
      QueryAllClaimsResponseSchema,
      create(QueryAllClaimsResponseSchema, {
        claims: ids.map((sessionId) =>
          create(ClaimSchema, { supplierOperatorAddress: operator, sessionHeader: { sessionId } })
        ),
        pagination: { nextKey }
      })
    )

  it.live("reads all pages of claims from the state of the first", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const { query } = yield* over(yield* grpcTo(node))
      let height = 40n
      node.answer = ({ request }) => {
        height++
        const key = fromBinary(QueryAllClaimsRequestSchema, request).pagination!.key
        return key.length === 0
          ? { bytes: page(["a", "b"], Uint8Array.of(1)), height }
          : key[0] === 1
            ? { bytes: page([], Uint8Array.of(2)), height }
            : { bytes: page(["c"], new Uint8Array(0)), height }
      }
      const claims = yield* query.claims(operator, 1n)
      assert.deepStrictEqual(
        claims.map(({ sessionHeader }) => sessionHeader?.sessionId),
        ["a", "b", "c"]
      )
      assert.deepStrictEqual(
        node.calls.map((call) => call.height),
        [undefined, "41", "41"]
      )
      assert.deepStrictEqual(
        node.calls.map(({ request }) => fromBinary(QueryAllClaimsRequestSchema, request).filter),
        node.calls.map(() => ({ case: "supplierOperatorAddress" as const, value: operator }))
      )
    }).pipe(Effect.scoped)
  )

  it.live("reads claims from no state that is older than asked: another node is, or the same one a little later", () =>
    Effect.gen(function* () {
      const [behind, ahead] = [yield* makeGrpcNode(), yield* makeGrpcNode()]
      behind.answer = () => ({ bytes: page([], new Uint8Array(0)), height: 41n })
      ahead.answer = () => ({ bytes: page(["a"], new Uint8Array(0)), height: 42n })
      const two = yield* over(yield* grpcTo(behind), yield* grpcTo(ahead))
      for (let turn = 0; turn < 8; turn++) {
        assert.lengthOf(yield* two.query.claims(operator, 42n), 1)
        assert.deepStrictEqual(yield* two.pool.reasons, [])
      }
      const one = yield* over(yield* grpcTo(behind))
      behind.calls.length = 0
      behind.answer = () => ({
        bytes: page(behind.calls.length > 2 ? ["a"] : [], new Uint8Array(0)),
        height: behind.calls.length > 2 ? 42n : 41n
      })
      assert.lengthOf(yield* one.query.claims(operator, 42n), 1)
      behind.answer = () => ({ bytes: page([], new Uint8Array(0)), height: 41n })
      const failure = yield* Effect.flip(one.query.claims(operator, 43n))
      assert.deepInclude(failure.cause, { kind: "stale", operation: "claims" })
      assert.match(String(failure.cause), /its state is of height 41, asked was 43 or later/)
    }).pipe(Effect.scoped)
  )

  it.live("gives up on pages that go round or never end", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const { query } = yield* over(yield* grpcTo(node))
      node.answer = () => ({ bytes: page(["a"], Uint8Array.of(1)), height: 5n })
      assert.strictEqual((yield* Effect.flip(query.claims(operator, 1n)))._tag, "ChainUnavailable")
      assert.strictEqual(node.calls.length, 2)
      node.calls.length = 0
      let next = 0
      node.answer = () => ({ bytes: page([], Uint8Array.of(1, next >> 8, next++ & 255)), height: 5n })
      assert.strictEqual((yield* Effect.flip(query.claims(operator, 1n)))._tag, "ChainUnavailable")
      assert.strictEqual(node.calls.length, 500)
    }).pipe(Effect.scoped)
  )

  it.effect("gives up on pages that take longer than all may take together", () =>
    Effect.gen(function* () {
      const node = yield* TestClock.withLive(makeGrpcNode())
      const { query } = yield* TestClock.withLive(Effect.flatMap(grpcTo(node), (transport) => over(transport)))
      let next = 0
      const fork = Effect.runForkWith(yield* Effect.context<never>())
      node.answer = () => {
        fork(TestClock.adjust("11 seconds"))
        return { bytes: page(["a"], Uint8Array.of(1, next++)), height: 5n }
      }
      assert.strictEqual((yield* Effect.flip(query.claims(operator, 1n)))._tag, "ChainUnavailable")
      assert.strictEqual(node.calls.length, 3)
    }).pipe(Effect.scoped)
  )

  it.live("asks the next node when one is dead, silent, or answers garbage, and comes back from an outage", () =>
    Effect.gen(function* () {
      const [bytes] = vectorsOf("pocket.session.QueryParamsResponse")
      const [good, bad] = [yield* makeGrpcNode(), yield* makeGrpcNode()]
      good.answer = () => ({ bytes: bytes! })
      for (const told of [
        "silence",
        { bytes: Uint8Array.of(0xff) },
        { code: status.UNAVAILABLE, details: "node is restarting" },
        { code: status.UNIMPLEMENTED, details: "unknown service" }
      ] as const) {
        const { query } = yield* over(yield* grpcTo(bad), yield* grpcTo(good))
        bad.answer = () => told
        assert.strictEqual((yield* query.sessionParams).numSuppliersPerSession, 52n)
      }
      const { query } = yield* over(yield* grpcTo(good))
      let failures = 2
      good.answer = () => (failures-- > 0 ? { code: status.UNAVAILABLE, details: "not yet" } : { bytes: bytes! })
      assert.strictEqual((yield* query.sessionParams).numSuppliersPerSession, 52n)
    }).pipe(Effect.scoped)
  )

  it.live("reads the fee of the newest transaction of an action, as nodes of SDK 0.53 have to be asked", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const { query } = yield* over(yield* grpcTo(node))
      const amounts = [
        { denom: "upokt", amount: "1200" },
        { denom: "mact", amount: "7" },
        { denom: "upokt", amount: "34" }
      ]
      const answer = (txs: ReadonlyArray<object>) => ({
        bytes: encodeQuery(GetTxsEventResponseSchema, create(GetTxsEventResponseSchema, { txs: [...txs] }))
      })
      node.answer = () => answer([{ authInfo: { fee: { amount: amounts } } }])
      assert.deepStrictEqual(yield* query.recentFee("/pocket.proof.MsgCreateClaim"), Option.some(1_234n))
      assert.strictEqual(node.calls[0]?.path, "/cosmos.tx.v1beta1.Service/GetTxsEvent")
      // Field 3 = 2 (newest first), 4 = 1 and 5 = 1 (first page of one), 6 = the query.
      assert.strictEqual(
        toHex(node.calls[0]!.request),
        `180220012801322d${Buffer.from("message.action='/pocket.proof.MsgCreateClaim'").toString("hex")}`
      )
      node.answer = () => answer([])
      assert.deepStrictEqual(yield* query.recentFee("/pocket.proof.MsgCreateClaim"), Option.none())
      node.answer = () => ({ code: status.INTERNAL, details: "transaction indexing is disabled" })
      assert.strictEqual((yield* Effect.flip(query.recentFee("/x")))._tag, "ChainUnavailable")
    }).pipe(Effect.scoped)
  )

  it.live("takes live compute units while the method at heights is missing, and the history once it is there", () =>
    Effect.gen(function* () {
      const node = yield* makeGrpcNode()
      const { query } = yield* over(yield* grpcTo(node))
      const [service] = vectorsOf("pocket.service.QueryGetServiceResponse")
      node.answer = ({ path }) =>
        path.endsWith("/Service") ? { bytes: service! } : { code: status.UNIMPLEMENTED, details: "unknown method" }
      const live = fromBinary(QueryGetServiceResponseSchema, service!).service!.computeUnitsPerRelay
      const eth = ServiceId.make("eth")
      assert.strictEqual(yield* query.computeUnitsPerRelayAt(eth, 61n), live)
      assert.strictEqual(yield* query.computeUnitsPerRelayAt(eth, 61n), live)
      assert.deepStrictEqual(
        node.calls.map(({ path }) => path.split("/").at(-1)),
        ["ComputeUnitsPerRelayAtHeight", "Service", "Service"]
      )
      assert.strictEqual(
        fromBinary(QueryComputeUnitsPerRelayAtHeightRequestSchema, node.calls[0]!.request).blockHeight,
        61n
      )
    }).pipe(Effect.scoped)
  )
})
