/**
 * From a file on disk to a checked configuration: read, parse, apply the command line, decode, report everything at once.
 * Decoding is a pure function of the text; only `load` touches the disk.
 */
import { Effect, FileSystem, Option, type PlatformError, Result } from "effect"
import {
  ConfigFileUnreadable,
  type ConfigFinding,
  ConfigInvalid,
  type ConfigError,
  type ConfigSyntaxError
} from "./ConfigProblem.ts"
import type { Reader } from "./ConfigReader.ts"
import { Findings } from "./Findings.ts"
import { type MinerConfig, minerConfig } from "./MinerConfig.ts"
import { type RelayerConfig, relayerConfig } from "./RelayerConfig.ts"
import { readYaml, type YamlMapping, type YamlNode } from "./YamlSource.ts"

/** A configuration that can be used, and what its operator should know. */
export interface Loaded<A> {
  readonly file: string
  readonly config: A
  /** In the order of the file. */
  readonly warnings: ReadonlyArray<ConfigFinding>
}

/** A command line flag that replaces a key of the file. */
export interface Override {
  /** As typed: `--redis-url`. */
  readonly flag: string
  /** Names of the key and the sections around it, from the top. */
  readonly path: readonly [string, ...Array<string>]
  /** The value as it would be written in the file. */
  readonly text: string
}

/** Files above this size are refused unread. Real ones have some kilobytes. */
const MAX_FILE_BYTES = 8 * 1024 * 1024

/** Reads and checks a relayer's file. */
export const loadRelayer = (file: string, overrides: ReadonlyArray<Override> = []): Loading<RelayerConfig> =>
  load(relayerConfig, file, overrides)

/** Reads and checks a miner's file. */
export const loadMiner = (file: string, overrides: ReadonlyArray<Override> = []): Loading<MinerConfig> =>
  load(minerConfig, file, overrides)

/** A configuration to be read from disk. */
export type Loading<A> = Effect.Effect<Loaded<A>, ConfigError, FileSystem.FileSystem>

/** Decodes a file's text. `file` is only named in errors. */
export const decode = <A>(
  reader: Reader<A>,
  file: string,
  text: string,
  overrides: ReadonlyArray<Override> = []
): Result.Result<Loaded<A>, ConfigSyntaxError | ConfigInvalid> => {
  const source = readYaml(file, text)
  if (Result.isFailure(source)) return Result.fail(source.failure)
  const findings = new Findings()
  if (source.success.moreDocuments) {
    findings.warning(
      "",
      undefined,
      "only the first document counts, everything after the second --- is ignored; remove it"
    )
  }
  const config = reader.read(overrides.reduce(applyOverride, source.success.root), "", findings)
  const [first, ...others] = inFileOrder(findings.problems)
  if (first !== undefined) return Result.fail(new ConfigInvalid({ file, problems: [first, ...others] }))
  return Option.match(config, {
    // A reader that returns nothing has noted why: this is a fault of the reader, not of the file.
    onNone: () => Result.fail(new ConfigInvalid({ file, problems: [{ place: "", sentence: "cannot be decoded" }] })),
    onSome: (value) => Result.succeed({ file, config: value, warnings: inFileOrder(findings.warnings) })
  })
}

const load = <A>(reader: Reader<A>, file: string, overrides: ReadonlyArray<Override>): Loading<A> =>
  Effect.flatMap(readText(file), (text) => Effect.fromResult(decode(reader, file, text, overrides)))

const readText = Effect.fnUntraced(function* (file: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const unreadable = (cause: PlatformError.PlatformError) =>
    new ConfigFileUnreadable({ file, reason: reasonOf(cause), cause })
  const info = yield* Effect.mapError(fileSystem.stat(file), unreadable)
  if (info.type === "Directory") return yield* new ConfigFileUnreadable({ file, reason: "not a file" })
  if (info.size > BigInt(MAX_FILE_BYTES)) return yield* new ConfigFileUnreadable({ file, reason: "too large" })
  const bytes = yield* Effect.mapError(fileSystem.readFile(file), unreadable)
  return yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => new ConfigFileUnreadable({ file, reason: "not UTF-8" })
  })
})

const reasonOf = (error: PlatformError.PlatformError): ConfigFileUnreadable["reason"] => {
  switch (error.reason._tag) {
    case "NotFound":
      return "missing"
    case "PermissionDenied":
      return "no permission"
    default:
      return "unreadable"
  }
}

/** The mapping with one value replaced; a section that is missing is added, one that is no mapping stays as it is. */
const applyOverride = (root: YamlMapping, override: Override): YamlMapping => {
  const put = (mapping: YamlMapping, [name, ...rest]: ReadonlyArray<string>): YamlMapping => {
    if (name === undefined) return mapping
    const present = mapping.entries.get(name)
    const replaced: YamlNode =
      rest.length === 0
        ? { kind: "scalar", text: override.text, line: 0, flag: override.flag }
        : present === undefined || present.kind === "null"
          ? put({ kind: "mapping", entries: new Map(), line: 0 }, rest)
          : present.kind === "mapping"
            ? put(present, rest)
            : present
    return { ...mapping, entries: new Map([...mapping.entries, [name, replaced]]) }
  }
  return put(root, override.path)
}

const inFileOrder = (findings: ReadonlyArray<ConfigFinding>): ReadonlyArray<ConfigFinding> =>
  findings.toSorted((a, b) => (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER))
