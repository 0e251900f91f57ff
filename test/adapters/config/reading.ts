/** Reads configuration texts and fixtures the way the tests of this folder need them. */
import { readFileSync } from "node:fs"
import { Result } from "effect"
import { decode, type Loaded, type Override } from "../../../adapters/config/ConfigFile.ts"
import { describeFinding } from "../../../adapters/config/ConfigProblem.ts"
import type { Reader } from "../../../adapters/config/ConfigReader.ts"

/** Text of a file in test/fixtures/config. */
export const fixture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/config/${name}`, import.meta.url), "utf8")

/** The configuration of a text that has no problem; throws the problems otherwise. */
export const accepted = <A>(reader: Reader<A>, text: string, overrides?: ReadonlyArray<Override>): Loaded<A> =>
  Result.getOrThrowWith(decode(reader, "config.yaml", text, overrides), (error) => new Error(error.message))

/** `line 3, redis.url: …` for each problem of a text; empty if it is accepted. */
export const problems = (reader: Reader<unknown>, text: string): ReadonlyArray<string> => {
  const read = decode(reader, "config.yaml", text)
  if (Result.isSuccess(read)) return []
  return read.failure._tag === "ConfigInvalid" ? read.failure.problems.map(describeFinding) : [read.failure.message]
}

/** The warnings of an accepted text, in the same form. */
export const warnings = (reader: Reader<unknown>, text: string): ReadonlyArray<string> =>
  accepted(reader, text).warnings.map(describeFinding)

/** A relayer's file without its services. */
export const relayerHead = `pocket_node: { query_node_rpc_url: "http://n:26657", query_node_grpc_url: "n:9090" }
keys: { keys_file: k.yaml }
`

/** A relayer's file with one plain service, to which keys are added. */
export const aRelayer = (
  keys = ""
): string => `${relayerHead}services: { eth: { backends: { jsonrpc: { url: "http://b" } } } }
${keys}`

/** A relayer's file whose service `eth` has these settings, each line indented by nothing. */
export const aService = (settings: string): string =>
  `${relayerHead}services:\n  eth:\n${settings.trimEnd().replaceAll(/^/gm, "    ")}\n`

/** A miner's file with keys added. */
export const aMiner = (keys = ""): string => `${relayerHead}${keys}`
