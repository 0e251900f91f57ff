/**
 * Speed of the relay codecs over the golden vectors: CPU time of the process, microseconds a call.
 * Encoding proper is `signableHash` without a hash; the other encodings add one allocation of the result by the engine.
 *
 * Run alone: `node test/bench/RelayCodecBench.ts [--quick]`. On 2 shared cores, Node 24.21: decode request 0.63, response 0.55,
 * mined message 0.74; encode without allocation 0.45, request 1.6, response 1.4, leaf 2.1; HTTP response 1.5 either way;
 * payload of an answer with seven headers 3.9; refusal of garbage 5.
 */
import { Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { type BackendAnswer, responsePayload } from "../../domain/relay/BackendAnswer.ts"
import { decodeMinedRelay, encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { decodeHttpResponse, encodeHttpResponse } from "../../domain/relay/PoktHttp.ts"
import { dehydrate, relayHash } from "../../domain/relay/Relay.ts"
import {
  decodeRelayRequest,
  encodeRelayRequest,
  signableHash,
  validateRelayRequest
} from "../../domain/relay/RelayRequest.ts"
import { decodeRelayResponse, encodeRelayResponse } from "../../domain/relay/RelayResponse.ts"
import { hex, loadVectors } from "../vectors/load.ts"
import { type BenchLength, type Contender, interleave, lengthFromArguments, medians, print } from "./Harness.ts"

/** Calls in one round. */
const CALLS = 20_000

/** CPU time in µs of one call. */
export type RelayCodecFigures = Readonly<Record<CodecCall, number>>

const relays = loadVectors<ReadonlyArray<{ request_hex: string; response_hex: string; relay_hex: string }>>("relays")
const requestBytes = relays.map(({ request_hex }) => hex(request_hex))
const responseBytes = relays.map(({ response_hex }) => hex(response_hex))
const leaves = relays.map(({ relay_hex }) => hex(relay_hex))
const requests = requestBytes.map((bytes) => Result.getOrThrow(decodeRelayRequest(bytes)))
const responses = responseBytes.map((bytes) => Result.getOrThrow(decodeRelayResponse(bytes)))
const pairs = requests.flatMap((request, i) => {
  const response = responses[i]
  return response === undefined ? [] : [{ request, response }]
})
const minedBytes = loadVectors<ReadonlyArray<{ bytes_hex: string }>>("mined-relay").map(({ bytes_hex }) =>
  hex(bytes_hex)
)
const mined = minedBytes.map((bytes) => Result.getOrThrow(decodeMinedRelay(bytes)))
const httpCases = loadVectors<{ responses: ReadonlyArray<{ bytes_hex: string }> }>("http")
const httpBytes = httpCases.responses.map(({ bytes_hex }) => hex(bytes_hex))
const httpResponses = httpBytes.map((bytes) => Result.getOrThrow(decodeHttpResponse(bytes)))
const answer: BackendAnswer = {
  status: 200,
  rawHeaders: [
    ["Content-Type", "application/json"],
    ["Date", "Mon, 01 Jan 2026 00:00:00 GMT"],
    ["Content-Length", "500"],
    ["Connection", "keep-alive"],
    ["Keep-Alive", "timeout=5"],
    ["vary", "Origin"],
    ["x-custom-thing", "abc"]
  ],
  body: new Uint8Array(500).fill(65),
  gunzipped: false
}

/** One input after the other, over and over. */
const over = <A>(inputs: ReadonlyArray<A>, call: (input: A) => unknown): Contender => ({
  calls: CALLS,
  call: (index) => {
    const input = inputs[index % inputs.length]
    if (input !== undefined) call(input)
  }
})

const contenders = {
  decodeRelayRequest: over(requestBytes, decodeRelayRequest),
  decodeRelayResponse: over(responseBytes, decodeRelayResponse),
  decodeMinedRelay: over(minedBytes, decodeMinedRelay),
  decodeHttpResponse: over(httpBytes, decodeHttpResponse),
  refuseGarbage: over([new Uint8Array(1000).fill(0x80)], decodeRelayRequest),
  validateRelayRequest: over(requests, validateRelayRequest),
  signableHashWithoutHash: over(requests, (request) => signableHash(request, (bytes) => bytes)),
  signableHashNode: over(requests, (request) => signableHash(request, nodeSha256)),
  signableHashPure: over(requests, (request) => signableHash(request)),
  encodeRelayRequest: over(requests, encodeRelayRequest),
  encodeRelayResponse: over(responses, encodeRelayResponse),
  dehydrate: over(pairs, ({ request, response }) => dehydrate(request, response)),
  relayHashNode: over(leaves, (leaf) => relayHash(leaf, nodeSha256)),
  relayHashPure: over(leaves, (leaf) => relayHash(leaf)),
  encodeMinedRelay: over(mined, encodeMinedRelay),
  encodeHttpResponse: over(httpResponses, encodeHttpResponse),
  responsePayload: over([answer], responsePayload)
}

type CodecCall = keyof typeof contenders

/** All codecs; about 5 s in full length. */
export const benchRelayCodec = (length: BenchLength): RelayCodecFigures => medians(interleave(contenders, length))

if (process.argv[1] === import.meta.filename) print(benchRelayCodec(lengthFromArguments()))
