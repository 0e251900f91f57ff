/** Transactions, claims and proofs that nobody honest sends: a typed refusal with its place, at a cost counted in fields and bytes. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  CREATE_CLAIM,
  decodeClaim,
  decodeCreateClaim,
  decodeSubmitProof,
  encodeClaim,
  encodeCreateClaim,
  encodeSubmitProof
} from "../../../domain/tx/ProofMessages.ts"
import { decodeTx, MAX_DEPTH, TxUndecodable } from "../../../domain/tx/TxDecode.ts"
import { WireError } from "../../../domain/wire/WireError.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"
import { Mutations, SampleIndex } from "../wire/Mutations.ts"
import { bytesField, counted, join, mutate, repeated, tag, textField, varint } from "../wire/WireBytes.ts"
import { countWireWork } from "../wire/WireWork.ts"

interface TransactionCase {
  readonly tx_hex: string
  readonly body_hex: string
  readonly auth_info_hex: string
  readonly simulated_tx_hex?: string
}

const MILLION = 1 << 20
const LENGTHS = [127n, (1n << 31n) - 1n, (1n << 31n) + 1n, 1n << 32n, (1n << 53n) + 1n, 1n << 63n, (1n << 64n) - 1n]
const transactions = loadVectors<ReadonlyArray<TransactionCase>>("transactions")
const messages = loadVectors<ReadonlyArray<{ readonly type_url: string; readonly bytes_hex: string }>>("messages")

/** Passes of the decoders over one field: it is checked, read, and inside an `Any` checked and read once more. */
const PASSES = 8
/** Views that one byte is in: one for each level that is walked into, and those of reading. Making a view visits nothing. */
const VIEWS = MAX_DEPTH + 4

const rawTx = (body: Uint8Array, auth: Uint8Array = hex(transactions[0]!.auth_info_hex)) =>
  join(bytesField(1, body), bytesField(2, auth), bytesField(3, repeated(1, 64)))

/** Decodes and counts: whatever comes out, fields and bytes are a few times the input's, and a refusal is typed. */
const decode = (bytes: Uint8Array) => {
  const { result, work } = countWireWork(() => decodeTx(bytes))
  assert.isAtMost(work.fields, PASSES * bytes.length + 16)
  assert.isAtMost(work.bytes, VIEWS * bytes.length + 16)
  if (Result.isFailure(result)) {
    assert.instanceOf(result.failure, TxUndecodable)
    assert.match(result.failure.path, /^(?:TxRaw|TxBody|AuthInfo)/)
    assert.isAbove(result.failure.reason.length, 0)
  } else {
    const { messages: read, signers, signatures, fee } = result.success
    assert.isAtMost(read.length + signers.length + signatures.length + (fee?.amount.length ?? 0), bytes.length / 2)
  }
  return result
}

const any = (typeUrl: string, value: Uint8Array) => join(textField(1, typeUrl), bytesField(2, value))

/** `levels` messages, each the field `field` of the one around it. */
const nested = (field: number, levels: number): Uint8Array => {
  const parts: Array<Uint8Array> = []
  let length = 0
  for (let level = 0; level < levels; level++) {
    const head = join(tag(field, 2), varint(length))
    parts.push(head)
    length += head.length
  }
  return join(...parts.toReversed())
}

describe("hostile transactions", () => {
  const floods: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["varint bytes", repeated(0x80, MILLION)],
    ["full bytes", repeated(0xff, MILLION)],
    ["zero bytes", repeated(0, MILLION)],
    ["empty signatures", Uint8Array.from({ length: MILLION / 4 }, (_, i) => (i % 2 === 0 ? 0x1a : 0))],
    ["one signature", bytesField(3, repeated(7, MILLION))],
    ["empty messages", rawTx(Uint8Array.from({ length: MILLION / 8 }, (_, i) => (i % 2 === 0 ? 0x0a : 0)))],
    [
      "empty claims",
      rawTx(join(...Array.from({ length: 3000 }, () => bytesField(1, any(CREATE_CLAIM, new Uint8Array(0))))))
    ],
    [
      "empty signers",
      rawTx(
        new Uint8Array(0),
        Uint8Array.from({ length: MILLION / 8 }, (_, i) => (i % 2 === 0 ? 0x0a : 0))
      )
    ],
    ["fee coins", rawTx(new Uint8Array(0), bytesField(2, join(...Array.from({ length: 30_000 }, () => hex("0a00")))))],
    ["a memo", rawTx(textField(2, "m".repeat(MILLION)))],
    ["a type URL", rawTx(bytesField(1, textField(1, "/".repeat(MILLION))))],
    ["a claim's address", rawTx(bytesField(1, any(CREATE_CLAIM, textField(1, "a".repeat(MILLION)))))],
    ["groups opened", repeated(0x0b, MILLION)],
    ["groups in the body", rawTx(repeated(0x0b, MILLION))],
    ["sign modes within each other", rawTx(new Uint8Array(0), bytesField(1, bytesField(2, nested(2, 20_000))))],
    ["extension options within each other", rawTx(bytesField(1023, nested(2, 20_000)))]
  ]
  for (const [name, bytes] of floods) {
    it(`cost a few times their length: ${name}`, () => {
      decode(bytes)
    })
  }

  it("name the place of what is wrong, however deep", () => {
    const place = (bytes: Uint8Array) => Result.getOrThrow(Result.flip(decode(bytes))).path
    const claim = (inner: Uint8Array) => rawTx(bytesField(1, any(CREATE_CLAIM, inner)))
    assert.strictEqual(place(repeated(0x80, 20)), "TxRaw")
    assert.strictEqual(place(rawTx(hex("0801"))), "TxBody.messages")
    assert.strictEqual(place(rawTx(bytesField(1, textField(1, "/x")))), "TxBody.messages")
    assert.strictEqual(place(claim(hex("0801"))), "TxBody.messages.MsgCreateClaim.supplier_operator_address")
    assert.strictEqual(
      place(claim(bytesField(2, hex("0801")))),
      "TxBody.messages.MsgCreateClaim.session_header.application_address"
    )
    assert.match(
      place(rawTx(new Uint8Array(0), bytesField(1, bytesField(2, nested(2, 9_000))))),
      /^AuthInfo\.signer_infos\.mode_info\./
    )
  })

  it("with a place deeper than messages go have a short one", () => {
    const refusal = Result.getOrThrow(
      Result.flip(decode(rawTx(new Uint8Array(0), bytesField(1, bytesField(2, nested(2, 90_000))))))
    )
    assert.isAtMost(refusal.path.split(".").length, MAX_DEPTH + 3)
  })

  it("with hostile lengths at every depth are refused", () => {
    for (const length of LENGTHS) {
      const field = (number: number) => join(tag(number, 2), varint(length), repeated(0, 20))
      for (const bytes of [
        field(1),
        field(2),
        field(3),
        rawTx(field(1)),
        rawTx(field(2)),
        rawTx(bytesField(1, field(2))),
        rawTx(bytesField(1, any(CREATE_CLAIM, field(3)))),
        rawTx(bytesField(1, any(CREATE_CLAIM, bytesField(2, field(1))))),
        rawTx(new Uint8Array(0), field(1)),
        rawTx(new Uint8Array(0), bytesField(1, field(1)))
      ]) {
        assert.isTrue(Result.isFailure(decode(bytes)), `${length}`)
      }
    }
  })

  const samples = transactions.flatMap(({ tx_hex, simulated_tx_hex }) => [hex(tx_hex), hex(simulated_tx_hex)])

  it("cut at any length are refused or end with a field", () => {
    const [bytes = new Uint8Array(0)] = samples.toSorted((a, b) => b.length - a.length)
    for (let length = 0; length < bytes.length; length++) decode(bytes.slice(0, length))
  })

  it.prop(
    "made of changed valid ones are refused with a place or read, at the same cost",
    { index: SampleIndex, other: SampleIndex, mutations: Mutations },
    ({ index, other, mutations }) => {
      const bytes = mutate(samples[index % samples.length]!, mutations)
      decode(bytes)
      const second = samples[other % samples.length]!
      decode(join(bytes.slice(0, bytes.length / 2), second.slice(second.length / 2)))
    },
    { arbitrary: { runs: 1500 } }
  )
})

/** A decoder of this module with an encoder of its values; fields that are messages or repeat are few. */
const codecs = [
  {
    subject: "MsgCreateClaim",
    samples: messages.filter(({ type_url }) => type_url === CREATE_CLAIM).map(({ bytes_hex }) => hex(bytes_hex)),
    reencode: (bytes: Uint8Array) => Result.map(decodeCreateClaim(bytes), encodeCreateClaim)
  },
  {
    subject: "MsgSubmitProof",
    samples: messages.filter(({ type_url }) => type_url !== CREATE_CLAIM).map(({ bytes_hex }) => hex(bytes_hex)),
    reencode: (bytes: Uint8Array) => Result.map(decodeSubmitProof(bytes), encodeSubmitProof)
  },
  {
    subject: "Claim",
    samples: messages
      .filter(({ type_url }) => type_url === CREATE_CLAIM)
      .map(({ bytes_hex }) => hex(`${bytes_hex}2002`)),
    reencode: (bytes: Uint8Array) => Result.map(decodeClaim(bytes), encodeClaim)
  }
] as const

for (const { subject, samples, reencode } of codecs) {
  /** Decodes behind a proxy that counts reads; what comes out is no larger than what went in, give or take a header. */
  const judge = (bytes: Uint8Array): Result.Result<Uint8Array, WireError> => {
    const watched = counted(bytes)
    const { result, work } = countWireWork(() => reencode(watched.bytes))
    assert.isAtMost(watched.visited(), 5 * bytes.length + 16)
    assert.isAtMost(work.fields, 2 * bytes.length + 16)
    assert.isAtMost(work.bytes, bytes.length)
    if (Result.isFailure(result)) {
      assert.instanceOf(result.failure, WireError)
      assert.strictEqual(result.failure.subject, subject)
      assert.isAtMost(result.failure.offset, bytes.length)
    } else assert.isAtMost(result.success.length, bytes.length + 16)
    return result
  }

  describe(`${subject} of hostile bytes`, () => {
    it("is read or refused at a cost of a few times its length", () => {
      const flood = (field: number) =>
        Uint8Array.from({ length: MILLION / 8 }, (_, i) => (i % 2 === 0 ? field * 8 + 2 : 0))
      for (const bytes of [
        repeated(0x80, MILLION),
        repeated(0xff, MILLION),
        repeated(0, MILLION),
        repeated(0x0b, MILLION),
        ...[1, 2, 3, 4, 9].map(flood),
        bytesField(2, flood(1)),
        textField(1, "a".repeat(MILLION / 4)),
        bytesField(3, repeated(9, MILLION / 4))
      ]) {
        judge(bytes)
      }
    })

    it("is refused with the field when a length is hostile", () => {
      for (const length of LENGTHS) {
        const hostile = (field: number) => join(tag(field, 2), varint(length), repeated(0, 9))
        const field = (bytes: Uint8Array) => Result.getOrThrow(Result.flip(judge(bytes))).field
        assert.strictEqual(field(hostile(1)), "supplier_operator_address")
        assert.strictEqual(field(hostile(2)), "session_header")
        assert.strictEqual(field(bytesField(2, hostile(3))), "session_header.session_id")
        assert.strictEqual(field(hostile(3)), subject === "MsgSubmitProof" ? "proof" : "root_hash")
        assert.strictEqual(field(hostile(77)), "#77")
      }
    })

    it("is refused when it is cut inside a field", () => {
      for (const sample of samples.slice(0, 3)) {
        for (let length = 0; length < sample.length; length += 1 + (length >> 7)) {
          const result = judge(sample.slice(0, length))
          if (Result.isSuccess(result)) assert.strictEqual(result.success.length, length)
        }
      }
    })

    it.prop(
      "is refused with a type or read to what encodes the same again, when valid bytes are changed",
      { index: SampleIndex, mutations: Mutations },
      ({ index, mutations }) => {
        const result = judge(mutate(samples[index % samples.length]!, mutations))
        if (Result.isSuccess(result)) {
          assert.strictEqual(toHex(Result.getOrThrow(reencode(result.success))), toHex(result.success))
        }
      },
      { arbitrary: { runs: 1000 } }
    )
  })
}
