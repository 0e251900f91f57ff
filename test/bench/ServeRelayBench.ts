/**
 * CPU of one whole relay (user and system of the relayer's process): HTTP in, `ServeRelay` over embedded stores and
 * the native verifier, HTTP out to a backend, against what cannot be avoided, measured in the same rounds: a bare
 * `node:http` and undici proxy between the same two peers, one verification, one signature, one decode and encode.
 * The sum leaves out what the parts cost together in one process at a relayer's pace (sleeping peers, cold caches): `bare`
 * is that floor. Run alone: `node test/bench/ServeRelayBench.ts`.
 *
 * linux-x64, 2 shared cores, little else running, Node 24.21: relay 367 µs; sum 249 (proxy 39, verification 173,
 * signature 33, codec 4), ratio 1.47; bare 291, ratio 1.25. Figures and what they are made of: `docs/performance.md`.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { Duration, Effect, Layer, ManagedRuntime, References, Result } from "effect"
import { Pool } from "undici"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { makeRingVerificationNative } from "../../adapters/crypto/RingVerificationNative.ts"
import { loadSecp256k1Native } from "../../adapters/crypto/Secp256k1Native.ts"
import { makeSupplierSigningNative } from "../../adapters/crypto/SupplierSigningNative.ts"
import * as BackendsHttp from "../../adapters/http/BackendsHttp.ts"
import { MemoryStores } from "../../adapters/memory/MemoryStores.ts"
import { RelayServer } from "../../adapters/http/RelayServer.ts"
import { textToBytes } from "../../domain/wire/ByteText.ts"
import { decodeRelayRequest, signableHash } from "../../domain/relay/RelayRequest.ts"
import {
  buildResponse,
  encodeRelayResponse,
  responseSignableHash,
  withSignature
} from "../../domain/relay/RelayResponse.ts"
import { responsePayload } from "../../domain/relay/BackendAnswer.ts"
import { DEFAULT_MEMBER_CAPACITY } from "../../domain/ring/RingVerifierPure.ts"
import * as RingSignature from "../../domain/ring/RingSignature.ts"
import * as World from "../support/ServingWorld.ts"
import { type BenchLength, cpuMicros, lengthFromArguments, median, medianRatio, print } from "./Harness.ts"
import { BACKEND_BODY, type PeerCommand, type PeerReply } from "./ServeRelayPeers.ts"

/** µs of CPU for one relay, medians over the rounds. */
export interface ServeFigures {
  /** The whole relay. */
  readonly serve: number
  /** The same with the backend asked while the request is verified: rounds of its own after the others, as the only relayer. */
  readonly optimistic: number
  /** A bare proxy that does the four things below for each relay and nothing else, at the pace of a relayer. */
  readonly bare: number
  /** `serve` by `bare`, of each round: median. */
  readonly byBare: number
  /** The proxy alone. */
  readonly proxy: number
  readonly verify: number
  readonly sign: number
  readonly codec: number
  /** Sum of the four before. */
  readonly unavoidable: number
  /** `serve` by the sum, of each round: median. */
  readonly byUnavoidable: number
  /** Relays a second in the rounds of `serve`; client and backend share the machine. */
  readonly relaysPerSecond: number
}

/** Relays of a round in a full run. */
const RELAYS = 3_000
/** In a shorter one the start of each round, with peers and caches that have slept, is a large part. */
const SHORTEST_ROUND = 2_000
const WARM_UP_RELAYS = 5_000
const CONNECTIONS = 32
/** Signed requests sent in turn. The relayer remembers half as many, so each of them is new when it comes again. */
const REQUESTS = 512

/** Measures in rounds, the contenders in turn. */
export const benchServeRelay = async ({ rounds, share }: BenchLength): Promise<ServeFigures> => {
  const native = Result.getOrThrow(loadSecp256k1Native())
  const peers = new URL("ServeRelayPeers.ts", import.meta.url)
  const spawn = () => fork(fileURLToPath(peers), { execArgv: [], serialization: "advanced" })
  const [backend, client] = [spawn(), spawn()]
  try {
    const backendPort = portOf(await ask(backend, { do: "backend" }))
    const eager = await relayer("eager", backendPort)
    const pure = pureContenders(native, eager.bodies)
    const proxy = await startProxy(backendPort, () => {})
    let turn = 0
    const bare = await startProxy(backendPort, () => {
      turn++
      pure.verify(turn)
      pure.sign(turn)
      pure.codec(turn)
    })
    const count = Math.max(SHORTEST_ROUND, Math.round(RELAYS * share))
    // The optimising compiler needs some thousands of relays, however short the rounds are.
    const warmUps = Math.ceil(WARM_UP_RELAYS / count)

    const through = async (port: number, requests: ReadonlyArray<Uint8Array>) => {
      await ask(client, { do: "requests", bodies: requests })
      const [begun, before] = [performance.now(), cpuMicros()]
      const reply = await ask(client, { do: "load", port, count, connections: CONNECTIONS })
      const cpu = (cpuMicros() - before) / count
      if (!("bad" in reply) || reply.bad > 0) throw new Error(`relays were refused: ${JSON.stringify(reply)}`)
      return { cpu, perSecond: (count * 1_000) / (performance.now() - begun) }
    }

    const warmUp = async ({ bodies, port }: Relayer) => {
      for (let i = 0; i < warmUps; i++) await through(port, bodies)
    }

    const samples = {
      serve: [],
      optimistic: [],
      bare: [],
      proxy: [],
      verify: [],
      sign: [],
      codec: [],
      rate: []
    } as Record<"serve" | "optimistic" | "bare" | "proxy" | "verify" | "sign" | "codec" | "rate", Array<number>> // filled below
    for (let round = 0; round <= rounds; round++) {
      if (round === 0) await warmUp(eager)
      const served = await through(eager.port, eager.bodies)
      const proxied = await through(proxy.port, eager.bodies)
      const bared = await through(bare.port, eager.bodies)
      const of = (call: (index: number) => unknown) => {
        const before = cpuMicros()
        for (let i = 0; i < count; i++) call(i)
        return (cpuMicros() - before) / count
      }
      const [verify, sign, codec] = [of(pure.verify), of(pure.sign), of(pure.codec)]
      // What a miner would have taken long ago is no memory of the relayer's.
      await eager.emptyLog()
      if (round === 0) continue
      samples.serve.push(served.cpu)
      samples.rate.push(served.perSecond)
      samples.proxy.push(proxied.cpu)
      samples.bare.push(bared.cpu)
      samples.verify.push(verify)
      samples.sign.push(sign)
      samples.codec.push(codec)
    }
    await Promise.all([eager.stop(), proxy.stop(), bare.stop()])
    // Beside the other it would show each place of the code both ways of validation, which no process does.
    const optimistic = await relayer("optimistic", backendPort)
    await warmUp(optimistic)
    for (let round = 0; round < rounds; round++) {
      samples.optimistic.push((await through(optimistic.port, optimistic.bodies)).cpu)
      await optimistic.emptyLog()
    }
    await optimistic.stop()
    const sums = samples.proxy.map(
      (proxied, i) => proxied + (samples.verify[i] ?? 0) + (samples.sign[i] ?? 0) + (samples.codec[i] ?? 0)
    )
    return {
      serve: median(samples.serve),
      optimistic: median(samples.optimistic),
      bare: median(samples.bare),
      byBare: medianRatio(samples.serve, samples.bare),
      proxy: median(samples.proxy),
      verify: median(samples.verify),
      sign: median(samples.sign),
      codec: median(samples.codec),
      unavoidable: median(sums),
      byUnavoidable: medianRatio(samples.serve, sums),
      relaysPerSecond: median(samples.rate)
    }
  } finally {
    for (const peer of [backend, client]) peer.disconnect()
  }
}

const ask = async (peer: ChildProcess, command: PeerCommand): Promise<PeerReply> => {
  const answered = once(peer, "message")
  peer.send(command)
  const [reply] = (await answered) as [PeerReply] // what `ServeRelayPeers` sends
  return reply
}

const portOf = (reply: PeerReply): number => ("port" in reply ? reply.port : 0)

interface Relayer {
  readonly port: number
  /** Signed requests of its chain's sessions. */
  readonly bodies: ReadonlyArray<Uint8Array>
  readonly emptyLog: () => Promise<void>
  readonly stop: () => Promise<void>
}

const relayer = async (validation: "eager" | "optimistic", backendPort: number): Promise<Relayer> => {
  const world = World.layerWithoutBackend({
    service: { validation },
    policy: { seenPerSession: REQUESTS / 2 },
    genesis: {
      applications: [
        {
          publicKey: World.application.publicKey,
          serviceIds: [World.SERVICE],
          gateways: [World.gateway.address],
          stake: World.stakeFor(1_000_000_000)
        }
      ]
    }
  })
  const layer = RelayServer.layer({ host: "127.0.0.1", port: 0, maxBodyBytes: 1_048_576 }).pipe(
    Layer.provideMerge(world),
    Layer.provide(
      BackendsHttp.layer([
        {
          service: World.SERVICE,
          rpcType: "jsonrpc",
          endpoints: [
            {
              url: new URL(`http://127.0.0.1:${backendPort}/`),
              basePath: undefined,
              headers: {},
              authorization: undefined
            }
          ],
          loadBalancing: "round_robin",
          timeout: Duration.seconds(30),
          connectTimeout: Duration.seconds(5),
          headersTimeout: Duration.zero,
          keepAliveDelay: Duration.seconds(30),
          maxConnections: 100,
          idleTimeout: Duration.seconds(90),
          maxAnswerBytes: 10_485_760,
          maxRetries: 1,
          failureThreshold: 5,
          recovery: Duration.seconds(30)
        }
      ])
    ),
    Layer.provide(Layer.succeed(References.MinimumLogLevel, "Warn"))
  )
  const runtime = ManagedRuntime.make(layer)
  const { port, header } = await runtime.runPromise(
    Effect.all({ port: Effect.map(RelayServer, (server) => server.port), header: World.currentSession })
  )
  return {
    port,
    bodies: Array.from({ length: REQUESTS }, (_, i) => World.requestBytes(header, String(i))),
    emptyLog: () =>
      runtime.runPromise(
        Effect.map(MemoryStores, (stores) => {
          const { log } = stores.supplier(World.supplier.address)
          log.acknowledge(log.take("bench", Number.MAX_SAFE_INTEGER).map(({ id }) => id))
        })
      ),
    stop: () => runtime.dispose()
  }
}

/**
 * A bare proxy: whole body in, `work` on it, one call to the backend, an answer of a relay's size out. Without work it is
 * the proxy alone.
 */
const startProxy = async (backendPort: number, work: () => void) => {
  const pool = new Pool(`http://127.0.0.1:${backendPort}`, { connections: 100 })
  const call = World.payloadOf("1")
  const headers = ["content-type", "application/json", "accept-encoding", "identity"]
  const server: Server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      work()
      const answer: Array<Buffer> = []
      pool.dispatch(
        { path: "/", method: "POST", headers, body: call.subarray(0, 80) },
        {
          onRequestStart: () => {},
          onResponseStart: () => {},
          onResponseData: (_, chunk) => void answer.push(chunk),
          onResponseEnd: () => {
            const body = Buffer.concat([...answer, Buffer.alloc(400)])
            response
              .writeHead(200, { "content-type": "application/x-protobuf", "content-length": body.length })
              .end(body)
          },
          onResponseError: (_, error) => void response.destroy(error)
        }
      )
    })
  })
  server.keepAliveTimeout = 120_000
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: (server.address() as AddressInfo).port, // TCP: never a path
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await pool.destroy()
    }
  }
}

/** What one relay costs at least, without I/O. */
const pureContenders = (
  native: Parameters<typeof makeRingVerificationNative>[0],
  bodies: ReadonlyArray<Uint8Array>
) => {
  const { verify } = makeRingVerificationNative(native, { memberCapacity: DEFAULT_MEMBER_CAPACITY })
  const sign = makeSupplierSigningNative(native)
  const signed = bodies.map((body) => {
    const request = Result.getOrThrow(decodeRelayRequest(body))
    return {
      body,
      message: signableHash(request, nodeSha256),
      signature: Result.getOrThrow(RingSignature.decode(request.meta.signature, 16))
    }
  })
  const at = (index: number) => signed[index % signed.length] ?? signed[0]!
  const answer = World.anAnswer({ body: textToBytes(BACKEND_BODY) })
  const noSignature = new Uint8Array(64)
  return {
    verify: (index: number) => {
      const { message, signature } = at(index)
      if (!verify(message, signature)) throw new Error("a good signature was refused")
    },
    sign: (index: number) => sign(World.supplier.privateKey, at(index).message),
    codec: (index: number) => {
      const { meta } = Result.getOrThrow(decodeRelayRequest(at(index).body))
      if (meta.sessionHeader === undefined) throw new Error("a request without a session")
      const response = Result.getOrThrow(
        buildResponse({ sessionHeader: meta.sessionHeader, payload: responsePayload(answer) }, nodeSha256)
      )
      responseSignableHash(response, nodeSha256)
      return encodeRelayResponse(withSignature(response, noSignature))
    }
  }
}

/** The same in a process of its own, as a relayer is: what has run in one before is in its heap and compiled code. */
export const benchServeRelayAlone = async (quick: boolean): Promise<ServeFigures> => {
  const child = fork(import.meta.filename, quick ? ["--quick"] : [], { execArgv: ["--expose-gc"] })
  const ended = once(child, "exit")
  const [figures] = await Promise.race([once(child, "message"), ended.then(() => [])])
  await ended
  if (figures === undefined) throw new Error("the serving benchmark ended without figures")
  return figures as ServeFigures // what the process below sends
}

if (import.meta.main) {
  const figures = await benchServeRelay(lengthFromArguments())
  if (process.send === undefined) print(figures)
  else process.send(figures)
  process.disconnect?.()
}
