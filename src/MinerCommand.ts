/**
 * `relaymill miner`: claims and proves what was relayed, as its configuration file says; `relaymill miner validate`
 * only checks the file.
 */
import { Console, Effect, Option, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import type { Override } from "../adapters/config/ConfigFile.ts"
import { configFlag, overrideOf, reportLoading } from "./ConfigReport.ts"
import { refuseWithoutChain } from "./MissingParts.ts"

/** Reads the file. The decoder is loaded here, so that help and version answer without it. */
const load = (file: string, overrides: ReadonlyArray<Override> = []) =>
  Effect.promise(() => import("../adapters/config/ConfigFile.ts")).pipe(
    Effect.flatMap((ConfigFile) => reportLoading(ConfigFile.loadMiner(file, overrides)))
  )

const replaces = (name: string, metavar: string, key: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(`Replaces ${key} of the file`), Flag.optional)

const miner = Command.make("miner", {
  keysFile: replaces("keys-file", "file", "keys.keys_file"),
  keysDir: replaces("keys-dir", "folder", "keys.keys_dir"),
  keyringBackend: replaces("keyring-backend", "name", "keys.keyring.backend"),
  keyringDir: replaces("keyring-dir", "folder", "keys.keyring.dir"),
  redisUrl: Flag.Redacted("redis-url").pipe(
    Flag.withMetavar("url"),
    Flag.withDescription("Replaces redis.url of the file"),
    Flag.optional
  ),
  consumerName: replaces("consumer-name", "name", "redis.consumer_name"),
  hotReload: Flag.Boolean("hot-reload").pipe(
    Flag.withDescription("Replaces hot_reload_enabled of the file"),
    Flag.optional
  ),
  sessionTtl: replaces("session-ttl", "duration", "session_ttl")
}).pipe(Command.withSharedFlags({ config: configFlag }))

const validate = Command.make(
  "validate",
  {},
  Effect.fnUntraced(function* () {
    const { file } = yield* load((yield* miner).config)
    yield* Console.log(`config OK: ${file}`)
  })
).pipe(Command.withDescription("Check a configuration file without starting: exit 0 if it is right, 2 if not"))

/**
 * `relaymill miner`, with `validate`. Fails with `StartRefused` for a configuration that is not right or parts that are
 * not built in.
 */
export const minerCommand = miner.pipe(
  Command.withDescription("Claim and prove relays"),
  Command.withHandler(
    Effect.fnUntraced(function* (input) {
      const { file } = yield* load(input.config, [
        ...overrideOf("--keys-file", ["keys", "keys_file"], input.keysFile),
        ...overrideOf("--keys-dir", ["keys", "keys_dir"], input.keysDir),
        ...overrideOf("--keyring-backend", ["keys", "keyring", "backend"], input.keyringBackend),
        ...overrideOf("--keyring-dir", ["keys", "keyring", "dir"], input.keyringDir),
        ...overrideOf("--redis-url", ["redis", "url"], Option.map(input.redisUrl, Redacted.value)),
        ...overrideOf("--consumer-name", ["redis", "consumer_name"], input.consumerName),
        ...overrideOf("--hot-reload", ["hot_reload_enabled"], Option.map(input.hotReload, String)),
        ...overrideOf("--session-ttl", ["session_ttl"], input.sessionTtl)
      ])
      return yield* refuseWithoutChain(file)
    })
  ),
  Command.withSubcommands([validate])
)
