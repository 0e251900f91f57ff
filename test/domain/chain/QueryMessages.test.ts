import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Account from "../../../domain/chain/Account.ts"
import * as Application from "../../../domain/chain/Application.ts"
import { InvalidChainRecord } from "../../../domain/chain/Coin.ts"
import * as Claim from "../../../domain/chain/Claim.ts"
import * as Params from "../../../domain/chain/ModuleParams.ts"
import {
  ClaimSchema,
  QueryGetClaimResponseSchema,
  QueryParamsResponseSchema as ProofParamsResponse
} from "../../../domain/chain/proto/pocket/proof_pb.ts"
import { QueryParamsResponseSchema as SharedParamsResponse } from "../../../domain/chain/proto/pocket/shared_pb.ts"
import { encodeClaim } from "../../../domain/tx/ProofMessages.ts"
import { BroadcastTxResponseSchema } from "../../../domain/chain/proto/cosmos/tx_pb.ts"
import { QueryAccountResponseSchema } from "../../../domain/chain/proto/cosmos/auth_pb.ts"
import {
  QueryAllApplicationsResponseSchema,
  QueryGetApplicationResponseSchema
} from "../../../domain/chain/proto/pocket/application_pb.ts"
import {
  QueryGetRelayMiningDifficultyResponseSchema,
  QueryGetServiceResponseSchema
} from "../../../domain/chain/proto/pocket/service_pb.ts"
import {
  QueryGetSessionResponseSchema,
  QueryParamsResponseSchema as SessionParamsResponse
} from "../../../domain/chain/proto/pocket/session_pb.ts"
import { QueryGetSupplierResponseSchema } from "../../../domain/chain/proto/pocket/supplier_pb.ts"
import { decodeQuery, encodeQuery, messageType, QueryDecodeError } from "../../../domain/chain/QueryMessages.ts"
import * as Service from "../../../domain/chain/Service.ts"
import * as Session from "../../../domain/chain/Session.ts"
import * as Supplier from "../../../domain/chain/Supplier.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface QueryCase {
  readonly name: string
  readonly type: string
  readonly bytes_hex: string
  readonly text: string
}

const cases = loadVectors<ReadonlyArray<QueryCase>>("queries")
const ofType = (type: string) => cases.filter((vector) => vector.type === type).map((vector) => hex(vector.bytes_hex))

describe("query messages", () => {
  it("are all known by full name", () => {
    assert.strictEqual(cases.length, 123)
    for (const vector of cases) assert.isDefined(messageType(vector.type), vector.type)
  })

  cases.forEach((vector, index) => {
    it(`decodes and encodes again: ${index} ${vector.name}`, () => {
      const type = messageType(vector.type)!
      const bytes = hex(vector.bytes_hex)
      const message = Result.getOrThrow(decodeQuery(type, bytes))
      assert.isUndefined(message.$unknown)
      assert.strictEqual(toHex(encodeQuery(type, message)), vector.bytes_hex)
    })
  })

  it("refuses every truncation with a typed error or reads a shorter message, and never throws", () => {
    const results = cases.flatMap((vector) => {
      const type = messageType(vector.type)!
      const bytes = hex(vector.bytes_hex)
      const found: Array<Result.Result<unknown, QueryDecodeError>> = []
      for (let cut = 0; cut < bytes.length; cut += 1 + (cut >> 6)) {
        found.push(decodeQuery(type, bytes.subarray(0, cut)))
      }
      return found
    })
    assert.isTrue(results.some(Result.isFailure))
    for (const result of results) {
      if (Result.isFailure(result)) assert.instanceOf(result.failure, QueryDecodeError)
    }
  })

  it("refuses hostile lengths", () => {
    for (const bytes of ["0affffffff0f", "0affffffffffffffffff01", "0a80808080808080808080", "0a05", "07"]) {
      const result = decodeQuery(QueryGetSessionResponseSchema, hex(bytes))
      assert.isTrue(Result.isFailure(result), bytes)
    }
  })

  it("drops unknown fields", () => {
    const message = Result.getOrThrow(decodeQuery(QueryGetServiceResponseSchema, hex("0a00f83f01")))
    assert.strictEqual(toHex(encodeQuery(QueryGetServiceResponseSchema, message)), "0a00")
  })

  it("keeps raw address bytes in the log of a refused broadcast", () => {
    const log = "66656520ff00fe" // "fee " and three bytes that are not UTF-8
    const message = Result.getOrThrow(decodeQuery(BroadcastTxResponseSchema, hex(`0a0920093207${log}`)))
    assert.strictEqual(toHex(message.txResponse!.rawLog), log)
  })
})

describe("chain records", () => {
  it("keep every field of an application", () => {
    for (const bytes of ofType("pocket.application.QueryGetApplicationResponse")) {
      const { application } = Result.getOrThrow(decodeQuery(QueryGetApplicationResponseSchema, bytes))
      const record = Result.getOrThrow(Application.fromMessage(application!))
      const again = Application.toMessage(record)
      assert.deepStrictEqual(Result.getOrThrow(Application.fromMessage(again)), record)
      assert.deepStrictEqual(again, application)
    }
    for (const bytes of ofType("pocket.application.QueryAllApplicationsResponse")) {
      const { applications } = Result.getOrThrow(decodeQuery(QueryAllApplicationsResponseSchema, bytes))
      for (const application of applications) {
        const record = Result.getOrThrow(Application.fromMessage(application))
        // An absent stake comes back as 0upokt.
        if (application.stake !== undefined) assert.deepStrictEqual(Application.toMessage(record), application)
      }
    }
  })

  it("keep every field of a supplier", () => {
    for (const bytes of ofType("pocket.supplier.QueryGetSupplierResponse")) {
      const { supplier } = Result.getOrThrow(decodeQuery(QueryGetSupplierResponseSchema, bytes))
      assert.deepStrictEqual(Supplier.toMessage(Result.getOrThrow(Supplier.fromMessage(supplier!))), supplier)
    }
  })

  it("keep every field of a session", () => {
    for (const bytes of ofType("pocket.session.QueryGetSessionResponse")) {
      const { session } = Result.getOrThrow(decodeQuery(QueryGetSessionResponseSchema, bytes))
      const record = Result.getOrThrow(Session.fromMessage(session!))
      assert.strictEqual(record.header.sessionId, record.sessionId)
      assert.deepStrictEqual(Session.toMessage(record), session)
    }
  })

  it("keep every field of params", () => {
    for (const bytes of ofType("pocket.shared.QueryParamsResponse")) {
      const { params } = Result.getOrThrow(decodeQuery(SharedParamsResponse, bytes))
      assert.deepStrictEqual(Params.sharedToMessage(Result.getOrThrow(Params.sharedFromMessage(params))), params)
      for (const [field, name] of [
        ["numBlocksPerSession", "num_blocks_per_session"],
        ["computeUnitsToTokensMultiplier", "compute_units_to_tokens_multiplier"],
        ["computeUnitCostGranularity", "compute_unit_cost_granularity"]
      ] as const) {
        const refused = Params.sharedFromMessage({ ...params!, [field]: 0n })
        assert.strictEqual(Result.getOrThrow(Result.flip(refused)).field, name)
      }
    }
    for (const bytes of ofType("pocket.session.QueryParamsResponse")) {
      const { params } = Result.getOrThrow(decodeQuery(SessionParamsResponse, bytes))
      assert.deepStrictEqual(Params.sessionToMessage(Result.getOrThrow(Params.sessionFromMessage(params))), params)
    }
    for (const bytes of ofType("pocket.proof.QueryParamsResponse")) {
      const { params } = Result.getOrThrow(decodeQuery(ProofParamsResponse, bytes))
      assert.deepStrictEqual(Params.proofToMessage(Result.getOrThrow(Params.proofFromMessage(params))), params)
      assert.isTrue(Result.isFailure(Params.proofFromMessage({ ...params!, proofRequestProbability: Number.NaN })))
    }
    assert.isTrue(Result.isFailure(Params.sharedFromMessage(undefined)))
    assert.isTrue(Result.isFailure(Params.sessionFromMessage(undefined)))
    assert.isTrue(Result.isFailure(Params.proofFromMessage(undefined)))
  })

  it("a claim's record encodes to the bytes the chain stores", () => {
    for (const bytes of ofType("pocket.proof.QueryGetClaimResponse")) {
      const { claim } = Result.getOrThrow(decodeQuery(QueryGetClaimResponseSchema, bytes))
      const record = Claim.fromMessage(claim!)
      assert.deepStrictEqual(Claim.toMessage(record), claim)
      assert.strictEqual(toHex(encodeClaim(record)), toHex(encodeQuery(ClaimSchema, claim!)))
    }
  })

  it("keep every field of a service and of its difficulty", () => {
    for (const bytes of ofType("pocket.service.QueryGetServiceResponse")) {
      const { service } = Result.getOrThrow(decodeQuery(QueryGetServiceResponseSchema, bytes))
      assert.deepStrictEqual(Service.toMessage(Service.fromMessage(service!)), service)
    }
    for (const bytes of ofType("pocket.service.QueryGetRelayMiningDifficultyResponse")) {
      const { relayMiningDifficulty } = Result.getOrThrow(
        decodeQuery(QueryGetRelayMiningDifficultyResponseSchema, bytes)
      )
      const record = Service.difficultyFromMessage(relayMiningDifficulty!)
      assert.deepStrictEqual(Service.difficultyToMessage(record), relayMiningDifficulty)
    }
  })

  it("keep every field of an account", () => {
    for (const bytes of ofType("cosmos.auth.v1beta1.QueryAccountResponse")) {
      const { account } = Result.getOrThrow(decodeQuery(QueryAccountResponseSchema, bytes))
      const record = Result.getOrThrow(Account.fromAny(account!))
      assert.match(record.address, /^pokt1/)
      assert.deepStrictEqual(Account.toAny(record), account)
    }
  })

  it("refuse an account of an unknown type and an amount that is no number", () => {
    const account = Account.fromAny({ $typeName: "google.protobuf.Any", typeUrl: "/x.Y", value: hex("0a00") })
    assert.isTrue(Result.isFailure(account))
    const application = Application.toMessage(
      Result.getOrThrow(
        Application.fromMessage(
          Result.getOrThrow(
            decodeQuery(QueryGetApplicationResponseSchema, ofType("pocket.application.QueryGetApplicationResponse")[0]!)
          ).application!
        )
      )
    )
    for (const amount of ["", "-1", "1.5", "0x10", " 1", "1e3", "9".repeat(81)]) {
      const result = Application.fromMessage({
        ...application,
        stake: { $typeName: "cosmos.base.v1beta1.Coin", denom: "upokt", amount }
      })
      assert.isTrue(Result.isFailure(result), amount)
      if (Result.isFailure(result)) assert.instanceOf(result.failure, InvalidChainRecord)
    }
  })
})
