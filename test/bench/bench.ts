/**
 * All benchmarks of the product, as one JSON object on stdout; progress goes to stderr. Figures are medians of interleaved
 * rounds; ratios are of one run. Each target is printed with its value and whether it holds; the exit status does not tell.
 *
 * `npm run bench -- [--quick] [--only NAME]…`; names: ring, signing, trie, proof, codec, serve, sqlite, tracing, demo.
 */
import { availableParallelism, cpus, totalmem } from "node:os"
import { parseArgs } from "node:util"
import { Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { loadSecp256k1Native } from "../../adapters/crypto/Secp256k1Native.ts"
import { sha256 as nobleSha256 } from "../../domain/crypto/Sha256.ts"
import { benchDemo } from "./DemoBench.ts"
import { FULL, print, QUICK } from "./Harness.ts"
import { benchProof } from "./ProofBench.ts"
import { benchRelayCodec } from "./RelayCodecBench.ts"
import { benchRing, benchSigning } from "./RingBench.ts"
import { benchServeRelayAlone } from "./ServeRelayBench.ts"
import { benchSqlite } from "./SqliteBench.ts"
import { targetsOf } from "./Targets.ts"
import { measureTracing } from "./TracingBench.ts"
import { benchTrie, type TrieFigures } from "./TrieBench.ts"

const NAMES = ["ring", "signing", "trie", "proof", "codec", "serve", "sqlite", "tracing", "demo"] as const
type Name = (typeof NAMES)[number]

const refuse = (sentence: string): never => {
  process.stderr.write(`${sentence}\n`)
  process.exit(2)
}

const readArguments = () => {
  try {
    return parseArgs({
      options: { quick: { type: "boolean", default: false }, only: { type: "string", multiple: true, default: [] } }
    }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

const { only, quick } = readArguments()
const unknown = only.filter((name) => !NAMES.some((known) => known === name))
if (unknown.length > 0) refuse(`no benchmark ${unknown.join(", ")}; there are ${NAMES.join(", ")}`)
const length = quick ? QUICK : FULL

/** The figures of one benchmark, or nothing if it was not asked for. */
const run = async <A>(name: Name, body: () => A | Promise<A>): Promise<A | undefined> => {
  if (only.length > 0 && !only.includes(name)) return undefined
  process.stderr.write(`${name} …`)
  const begun = performance.now()
  const figures = await body()
  process.stderr.write(` ${((performance.now() - begun) / 1000).toFixed(0)} s\n`)
  return figures
}

/** Each figure of a leaf at one size by the same at the size a tenth of it. */
const growth = (sizes: ReadonlyArray<TrieFigures>) =>
  sizes.slice(1).map((figures, index) => {
    const smaller = sizes[index] ?? figures
    return {
      leaves: figures.leaves,
      batch: figures.batch / smaller.batch,
      oneByOne: figures.oneByOne / smaller.oneByOne,
      everyNode: figures.everyNode / smaller.everyNode
    }
  })

// The processes of the demo come first: this one is still small then.
const demo = await run("demo", () => benchDemo(length))
const ring = await run("ring", () => [2, 5].map((size) => benchRing(size, length)))
const signing = await run("signing", () => benchSigning(length))
const codec = await run("codec", () => benchRelayCodec(length))
const trie = await run("trie", () => {
  const node = benchTrie(nodeSha256, length)
  const noble = benchTrie(nobleSha256, length)
  return { node, noble, tenFoldGrowth: { node: growth(node), noble: growth(noble) } }
})
const proof = await run("proof", () => benchProof(length))
// What cannot be avoided is defined with the native library, so without it there is nothing to compare with.
const native = Result.isSuccess(loadSecp256k1Native())
const serve = native ? await run("serve", () => benchServeRelayAlone(quick)) : undefined
const sqlite = await run("sqlite", () => benchSqlite(length))
const tracing = await run("tracing", () => measureTracing(Math.round(400 * length.share), length.rounds))

print({
  machine: {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? "unknown",
    memoryMegabytes: Math.round(totalmem() / 2 ** 20),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    native,
    length: quick ? "quick" : "full"
  },
  unit: "µs of CPU (user and system of the process) unless the name says otherwise",
  ring,
  signing,
  codec,
  trie,
  proof,
  serve,
  sqlite,
  tracing,
  demo,
  targets: targetsOf({
    ...(ring && { ring }),
    ...(trie && { trie }),
    ...(proof && { proof }),
    ...(serve && { serve }),
    ...(demo && { demo })
  })
})
