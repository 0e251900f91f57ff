/** Answers and events of a node that lies: a typed refusal or a value, never a crash, at a cost counted in fields, bytes and entries. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  decodeEvent,
  encodeEvent,
  eventType,
  InvalidChainEvent,
  type RawEvent
} from "../../../domain/chain/ChainEvents.ts"
import { decodeQuery, encodeQuery, messageType, QueryDecodeError } from "../../../domain/chain/QueryMessages.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"
import { Mutations, SampleIndex } from "../wire/Mutations.ts"
import { bytesField, join, mutate, repeated, tag, textField, varint } from "../wire/WireBytes.ts"
import { countWireWork } from "../wire/WireWork.ts"

const MILLION = 1 << 20
const QUARTER = 1 << 18
const queries = loadVectors<ReadonlyArray<{ readonly type: string; readonly bytes_hex: string }>>("queries")
const types = [...new Set(queries.map(({ type }) => type))]
const samples = queries.map(({ type, bytes_hex }) => ({ type, bytes: hex(bytes_hex) }))

/** Objects, list entries and fields of a decoded value, counted without recursion. */
const entriesOf = (value: unknown): number => {
  let count = 0
  const open: Array<unknown> = [value]
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next !== "object" || next === null || next instanceof Uint8Array) continue
    const inner = Array.isArray(next) ? next : Object.values(next)
    count += 1 + inner.length
    for (const entry of inner) open.push(entry)
  }
  return count
}

/** Entries of the largest message of these types when nothing is in it: what an empty sub-message of two bytes may cost. */
const WIDEST = 40

/**
 * Decodes and counts. Each byte is in at most three views: the sub-message's, the field's, a map entry's. What is refused
 * is looked at once more, to name the field.
 */
const decode = (name: string, bytes: Uint8Array) => {
  const type = messageType(name)!
  const { result, work } = countWireWork(() => decodeQuery(type, bytes))
  const passes = Result.isFailure(result) ? 2 : 1
  assert.isAtMost(work.fields, passes * (bytes.length + 1), name)
  assert.isAtMost(work.bytes, (2 + passes) * bytes.length, name)
  if (Result.isFailure(result)) {
    assert.instanceOf(result.failure, QueryDecodeError)
    assert.deepInclude(result.failure, { type: name, bytes: bytes.length })
  } else assert.isAtMost(entriesOf(result.success), WIDEST * (1 + bytes.length / 2), name)
  return result
}

describe("hostile answers to queries", () => {
  const flood = (field: number, size: number) =>
    Uint8Array.from({ length: size }, (_, i) => (i % 2 === 0 ? field * 8 + 2 : 0))

  for (const type of types) {
    it(`are refused or read at a cost of a few times their length: ${type}`, () => {
      for (const bytes of [
        repeated(0x80, QUARTER),
        repeated(0xff, QUARTER),
        repeated(0, QUARTER),
        repeated(0x0b, QUARTER),
        join(repeated(0x7b, QUARTER / 2), repeated(0x7c, QUARTER / 2)),
        textField(1, "a".repeat(QUARTER)),
        ...[1, 2, 3].map((field) => flood(field, 20_000)),
        ...[1, 2].map((field) => bytesField(1, flood(field, 20_000)))
      ]) {
        decode(type, bytes)
      }
    })

    it(`are refused when a length is hostile: ${type}`, () => {
      for (const length of [127n, 1n << 31n, 1n << 32n, (1n << 53n) + 1n, (1n << 64n) - 1n]) {
        for (const field of [1, 1000]) {
          const hostile = join(tag(field, 2), varint(length), repeated(0, 20))
          assert.isTrue(Result.isFailure(decode(type, hostile)), `${length}`)
        }
      }
    })
  }

  it.prop(
    "made of changed valid ones are refused with a type or read to what encodes the same again",
    { index: SampleIndex, mutations: Mutations },
    ({ index, mutations }) => {
      const { type, bytes } = samples[index % samples.length]!
      const result = decode(type, mutate(bytes, mutations))
      if (Result.isFailure(result)) return
      const again = encodeQuery(messageType(type)!, result.success)
      const second = Result.getOrThrow(decode(type, again))
      assert.strictEqual(toHex(encodeQuery(messageType(type)!, second)), toHex(again))
    },
    { arbitrary: { runs: 2000 } }
  )
})

const settled = encodeEvent(
  {
    _tag: "ClaimSettled",
    applicationAddress: "pokt1app",
    claimProofStatusInt: 0,
    serviceId: "eth",
    sessionEndBlockHeight: 40n,
    supplierOperatorAddress: "pokt1sup",
    claimedUpokt: 12_000n,
    numRelays: 4n,
    numClaimedComputeUnits: 400n,
    numEstimatedComputeUnits: 400n,
    numEstimatedRelays: 4n,
    proofRequirementInt: 2,
    settledUpokt: 11_000n,
    mintedUpokt: 11_000n,
    overservicingLossUpokt: 1_000n,
    deflationLossUpokt: 0n,
    mintRatio: "1",
    sessionId: "ab".repeat(32),
    supplierOwnerAddress: "pokt1own",
    rewardDistribution: { pokt1aa: 2n },
    rewardDistributionDetailed: [{ recipientAddress: "pokt1aa", opReason: "TLM_X", amount: 2n }]
  },
  "EndBlock"
)
const keys = settled.attributes.map(({ key }) => key).filter((key) => key !== "mode")

const sizeOf = (raw: RawEvent): number =>
  raw.attributes.reduce((sum, { key, value }) => sum + key.length + value.length, 0)

/** Decodes and counts entries: those of the event and the length of a refusal stay below the attributes' length. */
const judge = (attributes: RawEvent["attributes"]) => {
  const raw: RawEvent = { type: eventType("ClaimSettled"), attributes }
  const result = decodeEvent(raw)
  if (Result.isFailure(result)) {
    assert.instanceOf(result.failure, InvalidChainEvent)
    assert.strictEqual(result.failure.type, raw.type)
    assert.isAtMost(result.failure.message.length, 2 * sizeOf(raw) + 200)
  } else assert.isAtMost(entriesOf(result.success), sizeOf(raw) + 50)
  return result
}

const withValue = (changed: string, value: string) =>
  judge(settled.attributes.map((attribute) => (attribute.key === changed ? { key: changed, value } : attribute)))

describe("hostile events", () => {
  const depth = 200_000
  const values: ReadonlyArray<readonly [name: string, value: string]> = [
    ["lists within each other", "[".repeat(depth) + "]".repeat(depth)],
    ["objects within each other", `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`],
    ["lists that are not closed", "[".repeat(depth)],
    ["texts that are not closed", '"'.repeat(depth + 1)],
    ["a list of many", JSON.stringify(Array.from({ length: 50_000 }, () => ({ a: 1 })))],
    ["an object of many", JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, 1])))],
    ["an object with a name of 1 MB", JSON.stringify({ ["k".repeat(MILLION)]: 1 })],
    ["a number of 1 MB", "9".repeat(MILLION)]
  ]
  for (const [name, value] of values) {
    it(`are refused at the attribute, for any key, with ${name}`, () => {
      for (const key of keys) {
        const failure = Result.getOrThrow(Result.flip(withValue(key, value)))
        const camel = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
        assert.isTrue(
          failure.reason.includes(key) || failure.reason.includes(camel),
          `${key}: ${failure.reason.slice(0, 200)}`
        )
      }
      if (!name.includes("not closed"))
        assert.isTrue(Result.isSuccess(judge([...settled.attributes, { key: "other", value }])))
    })
  }

  it("with an amount or a 64-bit number of 1 MB are refused before it is computed", () => {
    for (const key of keys.filter((name) => /^num_|height$|upokt$/.test(name))) {
      for (const unit of ["", "upokt"]) {
        const result = withValue(key, JSON.stringify(`${"9".repeat(MILLION)}${unit}`))
        assert.match(
          Result.getOrThrow(Result.flip(result)).reason,
          /Expected an? (?:amount in upokt|64-bit integer)/,
          key
        )
      }
    }
  })

  it("with a text of 1 MB where any text may stand keep it as it is", () => {
    const event = Result.getOrThrow(withValue("service_id", JSON.stringify("s".repeat(MILLION))))
    assert.strictEqual(event?._tag === "ClaimSettled" ? event.serviceId.length : 0, MILLION)
  })

  it("with an attribute many times over have the last one", () => {
    const many = Array.from({ length: 50_000 }, (_, i) => ({ key: "num_relays", value: `"${i}"` }))
    const event = Result.getOrThrow(judge([...settled.attributes, ...many]))
    assert.strictEqual(event?._tag === "ClaimSettled" ? event.numRelays : undefined, 49_999n)
    const unknown = Array.from({ length: 50_000 }, (_, i) => ({ key: `new_${i}`, value: "1" }))
    assert.isTrue(Result.isSuccess(judge([...settled.attributes, ...unknown])))
    const broken = judge([...settled.attributes, ...many, { key: "num_relays", value: "{}" }])
    assert.include(Result.getOrThrow(Result.flip(broken)).reason, "numRelays")
  })

  it("with names of an object's own workings touch nothing", () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "_tag", "then"]) {
      const result = judge([...settled.attributes, { key: name, value: `{"polluted":true}` }])
      assert.deepStrictEqual(Result.getOrThrow(result), Result.getOrThrow(judge(settled.attributes)), name)
      withValue("reward_distribution", `{"${name}":"1upokt"}`)
    }
    assert.isUndefined(({} as Record<string, unknown>)["polluted"])
  })

  const decodeText = (bytes: Uint8Array) => String.fromCharCode(...bytes)
  const encodeText = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))

  it.prop(
    "made of changed valid ones are refused with a type or read to what is written the same again",
    { index: SampleIndex, inKey: SampleIndex, mutations: Mutations },
    ({ index, inKey, mutations }) => {
      const at = index % settled.attributes.length
      const changed = settled.attributes.map((attribute, i) => {
        if (i !== at) return attribute
        const { key, value } = attribute
        return inKey % 4 === 0
          ? { key: decodeText(mutate(encodeText(key), mutations)), value }
          : { key, value: decodeText(mutate(encodeText(value), mutations)) }
      })
      const result = judge(changed)
      if (Result.isFailure(result) || result.success === undefined) return
      const again = encodeEvent(result.success, "EndBlock")
      assert.deepStrictEqual(Result.getOrThrow(decodeEvent(again)), result.success)
    },
    { arbitrary: { runs: 2000 } }
  )
})
