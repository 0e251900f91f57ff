/** Configuration files with which relayers and miners run against a devnet, in the form of the Go fleet. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { bytesToHex } from "@noble/hashes/utils.js"
import { Effect, Redacted, Schema } from "effect"

/** The directory cannot be made or written. */
export class HomeRefused extends Schema.TaggedError<HomeRefused>()("HomeRefused", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.path} cannot be written (${this.detail}); choose another directory with --home`
  }
}

/** What the files are made of. */
export interface HomeContent {
  readonly directory: string
  readonly chainId: string
  readonly nodes: ReadonlyArray<{ readonly rpcUrl: string; readonly grpcTarget: string }>
  /** 32 bytes each. */
  readonly supplierKeys: ReadonlyArray<Redacted.Redacted<Uint8Array>>
  readonly redisUrl: string
  /** `host:port` at which the relayer serves. */
  readonly relayerAddress: string
  readonly service: string
  readonly backendUrl: string
  readonly blockTimeSeconds: number
}

/** Paths of the files. */
export interface Home {
  readonly relayer: string
  readonly miner: string
  readonly keys: string
}

/** A private key as key files and gateways read it, 64 hex digits: only for keys that come from a public seed. */
export const keyText = (key: Redacted.Redacted<Uint8Array>): string => bytesToHex(Redacted.value(key))

/** Writes `relayer.yaml`, `miner.yaml` and, readable by its owner alone, `keys.yaml`. Files of before are replaced. */
export const writeHome = (content: HomeContent): Effect.Effect<Home, HomeRefused> =>
  Effect.try({
    try: () => {
      const { supplierKeys } = content
      const directory = resolve(content.directory)
      mkdirSync(directory, { recursive: true })
      const home: Home = {
        relayer: `${directory}/relayer.yaml`,
        miner: `${directory}/miner.yaml`,
        keys: `${directory}/keys.yaml`
      }
      const keys = supplierKeys.map((key) => `  - ${quote(keyText(key))}\n`)
      writeFileSync(home.keys, `keys:\n${keys.join("")}`, { mode: 0o600 })
      chmodSync(home.keys, 0o600)
      writeFileSync(home.relayer, relayerYaml(content, home.keys))
      writeFileSync(home.miner, minerYaml(content, home.keys))
      return home
    },
    catch: (cause) =>
      new HomeRefused({ path: content.directory, detail: cause instanceof Error ? cause.message : String(cause) })
  })

const relayerYaml = (content: HomeContent, keys: string): string => `# A relayer of the devnet.
listen_addr: ${quote(content.relayerAddress)}
redis:
  url: ${quote(content.redisUrl)}
pocket_node:
${nodeYaml(content)}keys:
  keys_file: ${quote(keys)}
services:
  ${content.service}:
    backends:
      jsonrpc:
        url: ${quote(content.backendUrl)}
`

const minerYaml = (content: HomeContent, keys: string): string => `# A miner of the devnet.
redis:
  url: ${quote(content.redisUrl)}
pocket_node:
${nodeYaml(content)}  chain_id: ${quote(content.chainId)}
keys:
  keys_file: ${quote(keys)}
block_time_seconds: ${content.blockTimeSeconds}
`

const nodeYaml = ({ nodes: [first, ...others] }: HomeContent): string =>
  [
    first === undefined ? [] : addressYaml(first, "  ", "  "),
    others.length === 0 ? [] : ["  more_nodes:"],
    others.flatMap((node) => addressYaml(node, "    - ", "      "))
  ]
    .flat()
    .map((line) => `${line}\n`)
    .join("")

const addressYaml = (node: HomeContent["nodes"][number], first: string, next: string): ReadonlyArray<string> => [
  `${first}query_node_rpc_url: ${quote(node.rpcUrl)}`,
  `${next}query_node_grpc_url: ${quote(node.grpcTarget)}`,
  `${next}grpc_insecure: true`
]

/** A YAML text in double quotes, which JSON's are. */
const quote = (text: string): string => JSON.stringify(text)
