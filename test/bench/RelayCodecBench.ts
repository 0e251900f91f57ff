/**
 * Speed of the relay codecs over the golden vectors: CPU time of the process, best of five rounds, microseconds a call.
 * Encoding proper is `signableHash` without a hash; the other encodings add one allocation of the result by the engine.
 *
 * Run alone: `node test/bench/RelayCodecBench.ts`. On 2 shared cores, Node 24.21: decode request 0.63, response 0.55,
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

/** Calls in one round. */
const CALLS = 50_000
const ROUNDS = 5

const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Best CPU time of one call over all rounds; the first round warms up and is not counted. */
const microseconds = <A>(inputs: ReadonlyArray<A>, call: (input: A) => unknown): number => {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round <= ROUNDS; round++) {
    const before = cpuMicros()
    for (let i = 0; i < CALLS; i++) {
      const input = inputs[i % inputs.length]
      if (input !== undefined) call(input)
    }
    if (round > 0) best = Math.min(best, (cpuMicros() - before) / CALLS)
  }
  return Math.round(best * 1000) / 1000
}

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

console.table({
  decodeRelayRequest: microseconds(requestBytes, decodeRelayRequest),
  decodeRelayResponse: microseconds(responseBytes, decodeRelayResponse),
  decodeMinedRelay: microseconds(minedBytes, decodeMinedRelay),
  decodeHttpResponse: microseconds(httpBytes, decodeHttpResponse),
  refuseGarbage: microseconds([new Uint8Array(1000).fill(0x80)], decodeRelayRequest),
  validateRelayRequest: microseconds(requests, validateRelayRequest),
  signableHashWithoutHash: microseconds(requests, (request) => signableHash(request, (bytes) => bytes)),
  signableHashNode: microseconds(requests, (request) => signableHash(request, nodeSha256)),
  signableHashPure: microseconds(requests, (request) => signableHash(request)),
  encodeRelayRequest: microseconds(requests, encodeRelayRequest),
  encodeRelayResponse: microseconds(responses, encodeRelayResponse),
  dehydrate: microseconds(pairs, ({ request, response }) => dehydrate(request, response)),
  relayHashNode: microseconds(leaves, (leaf) => relayHash(leaf, nodeSha256)),
  encodeMinedRelay: microseconds(mined, encodeMinedRelay),
  encodeHttpResponse: microseconds(httpResponses, encodeHttpResponse),
  responsePayload: microseconds([answer], responsePayload)
})
