/**
 * What tracing costs a relay: CPU of `ServeRelay` (user and system of the process, exporter included) with tracing off,
 * with every relay recorded, and with one in a hundred recorded. Spans go over OTLP to a collector in another process.
 * Each round serves the same signed relays through programs built anew, the three ways in turn.
 * Run with `node test/bench/TracingBench.ts`.
 *
 * linux-x64, 2 shared cores, Node 24.21: off 664-725 µs, all recorded 1.17-1.20 of off, one in a hundred 1.02-1.04.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Effect, Layer } from "effect"
import { ServeRelay } from "../../domain/relay/ServeRelay.ts"
import { StepTracer } from "../../domain/tracing/StepTracer.ts"
import * as Tracing from "../../layers/Tracing.ts"
import * as World from "../support/RelayingWorld.ts"

export interface TracingCost {
  /** CPU of one relay in µs: median of the rounds. */
  readonly offMicros: number
  readonly allMicros: number
  readonly hundredthMicros: number
  /** CPU with every relay recorded, and with one in a hundred, as a multiple of off in the same round: median. */
  readonly allRatio: number
  readonly hundredthRatio: number
}

/** The three ways, as the environment asks for them. */
const ways = {
  off: {},
  all: { OTEL_TRACES_SAMPLER: "always_on" },
  hundredth: { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.01" }
} as const
type Way = keyof typeof ways

/** Relays under way at the same time. */
const CONCURRENCY = 16

/** Measures `rounds` rounds of `relays` relays each, after one round that only warms up. */
export const measureTracing = async (relays = 400, rounds = 7): Promise<TracingCost> => {
  const sink = spawn(process.execPath, [fileURLToPath(new URL("OtlpSink.ts", import.meta.url))], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const [port] = (await once(sink.stdout, "data")) as [Buffer] // stdout without an encoding gives bytes
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port.toString().trim()}` }
  const saved = { ...process.env }
  try {
    const micros = await Effect.runPromise(Effect.scoped(alternate(endpoint, relays, rounds)))
    const offMicros = median(micros.off)
    const allMicros = median(micros.all)
    const hundredthMicros = median(micros.hundredth)
    return {
      offMicros,
      allMicros,
      hundredthMicros,
      allRatio: median(ratios(micros.all, micros.off)),
      hundredthRatio: median(ratios(micros.hundredth, micros.off))
    }
  } finally {
    clearEnvironment()
    Object.assign(process.env, saved)
    sink.stdin.end()
  }
}

/** All rounds over one chain: CPU in µs for each relay, by way. */
const alternate = Effect.fnUntraced(function* (
  endpoint: Readonly<Record<string, string>>,
  relays: number,
  rounds: number
) {
  const chain = Layer.succeedContext(yield* Layer.build(World.layerChain))
  const replica = World.layerReplica.pipe(Layer.provideMerge(chain), Layer.provide(World.layerBackendConstant))
  const header = yield* World.currentSession.pipe(Effect.provide(chain))
  const requests = Array.from({ length: relays }, (_, i) => World.requestBytes(header, `bench ${i}`))
  const micros: Record<Way, Array<number>> = { off: [], all: [], hundredth: [] }
  for (let round = 0; round <= rounds; round++) {
    for (const way of ["off", "all", "hundredth"] as const) {
      const environment = way === "off" ? {} : { ...endpoint, ...ways[way] }
      clearEnvironment()
      Object.assign(process.env, environment)
      const tracing = Tracing.layer(environment)
      const spent = yield* serveAll(requests).pipe(Effect.provide(replica.pipe(Layer.provideMerge(tracing))))
      if (round > 0) micros[way].push(spent)
    }
  }
  return micros
})

const clearEnvironment = () => {
  for (const name of Object.keys(process.env)) if (name.startsWith("OTEL_")) delete process.env[name]
}

/** CPU in µs for each relay. */
const serveAll = (requests: ReadonlyArray<Uint8Array>) =>
  Effect.gen(function* () {
    const relays = yield* ServeRelay
    const { step } = yield* StepTracer
    const serve = (body: Uint8Array) =>
      Effect.map(relays.serve({ body, rpcType: "3", headers: {}, peer: "bench" }), ({ refusal }) => {
        if (refusal !== undefined) throw new Error(`refused: ${refusal}`)
      }).pipe(
        step("POST", { kind: "server", root: true, attributes: { "http.request.method": "POST", "url.path": "/" } })
      )
    const start = process.cpuUsage()
    yield* Effect.forEach(requests, serve, { concurrency: CONCURRENCY, discard: true })
    const { user, system } = process.cpuUsage(start)
    return (user + system) / requests.length
  })

const ratios = (values: ReadonlyArray<number>, bases: ReadonlyArray<number>): ReadonlyArray<number> =>
  values.map((value, round) => value / (bases[round] ?? Number.NaN))

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cost = await measureTracing()
  console.log(
    `off ${cost.offMicros.toFixed(0)} µs, all recorded ${cost.allMicros.toFixed(0)} µs (${cost.allRatio.toFixed(2)} of off), ` +
      `one in a hundred ${cost.hundredthMicros.toFixed(0)} µs (${cost.hundredthRatio.toFixed(2)} of off)`
  )
}
