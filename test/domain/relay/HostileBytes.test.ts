/** Every decoder of the relay messages against damaged and hostile bytes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { decodeMinedRelay, encodeMinedRelay } from "../../../domain/relay/MinedRelay.ts"
import {
  decodeHttpRequest,
  decodeHttpResponse,
  encodeHttpRequest,
  encodeHttpResponse
} from "../../../domain/relay/PoktHttp.ts"
import { decodeRelay, encodeRelay } from "../../../domain/relay/Relay.ts"
import {
  decodeRelayRequest,
  encodeRelayRequest,
  signableHash,
  validateRelayRequest
} from "../../../domain/relay/RelayRequest.ts"
import {
  decodeRelayResponse,
  encodeRelayResponse,
  responseSignableHash,
  validateRelayResponse
} from "../../../domain/relay/RelayResponse.ts"
import { WireError } from "../../../domain/wire/WireError.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"
import { bytesField, counted, join, mutate, repeated, tag, textField, varint } from "../wire/WireBytes.ts"
import { http } from "./HttpVectors.ts"
import { relays, signable } from "./RelayVectors.ts"

interface Codec {
  readonly subject: string
  readonly samples: ReadonlyArray<Uint8Array>
  /** Numbers of the fields that are sub-messages, from the top. */
  readonly nested: ReadonlyArray<number>
  readonly decode: (bytes: Uint8Array) => Result.Result<unknown, WireError>
  /** Decodes, uses and encodes again. */
  readonly reencode: (bytes: Uint8Array) => Result.Result<Uint8Array, WireError>
}

const some = <A>(cases: ReadonlyArray<A>): ReadonlyArray<A> => cases.slice(0, 6)

const codecs: ReadonlyArray<Codec> = [
  {
    subject: "RelayRequest",
    samples: [
      ...some(relays).map(({ request_hex }) => hex(request_hex)),
      ...signable.requests.map(({ input_hex }) => hex(input_hex))
    ],
    nested: [1, 1],
    decode: decodeRelayRequest,
    reencode: (bytes) =>
      Result.map(decodeRelayRequest(bytes), (request) => {
        signableHash(request)
        validateRelayRequest(request)
        return encodeRelayRequest(request)
      })
  },
  {
    subject: "RelayResponse",
    samples: [
      ...some(relays).map(({ response_hex }) => hex(response_hex)),
      ...signable.responses.map(({ input_hex }) => hex(input_hex))
    ],
    nested: [1, 1],
    decode: decodeRelayResponse,
    reencode: (bytes) =>
      Result.map(decodeRelayResponse(bytes), (response) => {
        responseSignableHash(response)
        validateRelayResponse(response)
        return encodeRelayResponse(response)
      })
  },
  {
    subject: "Relay",
    samples: some(relays).map(({ relay_hex }) => hex(relay_hex)),
    nested: [1, 1, 1],
    decode: decodeRelay,
    reencode: (bytes) => Result.map(decodeRelay(bytes), encodeRelay)
  },
  {
    subject: "MinedRelayMessage",
    samples: some(loadVectors<ReadonlyArray<{ readonly bytes_hex: string }>>("mined-relay")).map(({ bytes_hex }) =>
      hex(bytes_hex)
    ),
    nested: [],
    decode: decodeMinedRelay,
    reencode: (bytes) => Result.map(decodeMinedRelay(bytes), encodeMinedRelay)
  },
  {
    subject: "POKTHTTPRequest",
    samples: some(http.requests).map(({ bytes_hex }) => hex(bytes_hex)),
    nested: [2, 2],
    decode: decodeHttpRequest,
    reencode: (bytes) =>
      Result.map(decodeHttpRequest(bytes), (request) => Result.getOrThrow(encodeHttpRequest(request)))
  },
  {
    subject: "POKTHTTPResponse",
    samples: some(http.responses).map(({ bytes_hex }) => hex(bytes_hex)),
    nested: [2, 2],
    decode: decodeHttpResponse,
    reencode: (bytes) =>
      Result.map(decodeHttpResponse(bytes), (response) => Result.getOrThrow(encodeHttpResponse(response)))
  }
]

/** Wraps content in the sub-messages of a codec, innermost last. */
const wrapped = ({ nested }: Codec, content: Uint8Array): Uint8Array =>
  nested.reduceRight((inner, field) => bytesField(field, inner), content)

const Kind = Schema.Literals(["flip", "cut", "splice", "repeat", "insert"])
const Mutations = Schema.Array(
  Schema.Struct({
    kind: Kind,
    at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 })),
    value: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
  })
)
const Index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 }))

for (const codec of codecs) {
  const { subject, samples } = codec

  const isTypedRefusal = (result: Result.Result<unknown, WireError>): boolean =>
    Result.isFailure(result) && result.failure instanceof WireError && result.failure.subject === subject

  describe(`${subject} against hostile bytes`, () => {
    it("never throws on input truncated at any length, and does not take part of a field for a message", () => {
      for (const sample of some(samples)) {
        for (let length = 0; length < sample.length; length++) {
          const result = codec.reencode(sample.slice(0, length))
          if (Result.isSuccess(result)) assert.isAtMost(result.success.length, length + 2)
          else assert.isAtMost(result.failure.offset, length)
        }
      }
    })

    it("accepts whole unknown fields behind a message and refuses garbage there", () => {
      for (const sample of some(samples)) {
        if (Result.isFailure(codec.decode(sample))) continue
        const canonical = toHex(Result.getOrThrow(codec.reencode(sample)))
        const unknown = join(sample, textField(1000, "more"), tag(1001, 5), repeated(1, 4))
        assert.strictEqual(toHex(Result.getOrThrow(codec.reencode(unknown))), canonical)
        for (const garbage of [[0], [0x80], [0x04], [0x0c], [0xfa, 0x3e, 0x7f], [0xfb, 0x3e], [0x07]]) {
          assert.isTrue(isTypedRefusal(codec.decode(join(sample, Uint8Array.from(garbage)))))
        }
      }
    })

    it("refuses hostile lengths at every depth", () => {
      const lengths = [
        1n,
        127n,
        (1n << 31n) - 1n,
        1n << 32n,
        (1n << 53n) + 1n,
        (1n << 63n) - 1n,
        1n << 63n,
        (1n << 64n) - 1n
      ]
      for (const length of lengths) {
        const field = join(tag(1000, 2), varint(length))
        assert.isTrue(isTypedRefusal(codec.decode(field)))
        assert.isTrue(isTypedRefusal(codec.decode(wrapped(codec, field))))
        assert.isTrue(isTypedRefusal(codec.decode(join(wrapped(codec, field), repeated(0, 200)))))
      }
    })

    it("refuses unclosed groups and skips deep closed ones at every depth", () => {
      const deep = join(...Array.from({ length: 9000 }, () => tag(1000, 3)))
      const closed = join(deep, ...Array.from({ length: 9000 }, () => tag(1000, 4)))
      for (const place of [(content: Uint8Array) => content, (content: Uint8Array) => wrapped(codec, content)]) {
        assert.isTrue(isTypedRefusal(codec.decode(place(deep))))
        assert.isTrue(isTypedRefusal(codec.decode(place(closed.slice(0, -2)))))
        assert.isTrue(Result.isSuccess(codec.decode(place(closed))))
      }
    })

    it("refuses 1 MB of varint bytes at once and reads other floods only a few times", () => {
      const million = 1 << 20
      const cheap = counted(repeated(0x80, million))
      assert.isTrue(isTypedRefusal(codec.decode(cheap.bytes)))
      assert.isAtMost(cheap.visited(), 16)
      const quarter = million / 4
      const floods = [1, 2, 3, 4].map((field) =>
        Uint8Array.from({ length: quarter }, (_, i) => (i % 2 === 0 ? field * 8 + 2 : 0))
      )
      const nested = wrapped(codec, floods[1]!)
      for (const flood of [...floods, nested, textField(2, "a".repeat(quarter))]) {
        const watched = counted(flood)
        codec.decode(watched.bytes)
        assert.isAtMost(watched.visited(), 5 * flood.length + 16)
      }
    })

    it.effect.prop(
      "decodes changed bytes to a typed refusal or to a value whose encoding is stable",
      { index: Index, mutations: Mutations },
      ({ index, mutations }) =>
        Effect.sync(() => {
          const bytes = mutate(samples[index % samples.length]!, mutations)
          const result = codec.reencode(bytes)
          if (Result.isFailure(result)) return assert.isTrue(isTypedRefusal(result))
          assert.strictEqual(toHex(Result.getOrThrow(codec.reencode(result.success))), toHex(result.success))
          return undefined
        }),
      { arbitrary: { runs: 1500 } }
    )
  })
}
