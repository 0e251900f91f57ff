/**
 * `relaymill miner`: claims and proves what was relayed, as its configuration file says; `relaymill miner validate`
 * only checks the file, and `relaymill miner release` gives a supplier back to Go miners.
 */
import { Console, Duration, Effect, Option, Redacted, Result } from "effect"
import { Command, Flag } from "effect/cli"
import type { Override } from "../adapters/config/ConfigFile.ts"
import { decodeAddress } from "../domain/keys/Address.ts"
import { SupplierAddress } from "../domain/protocol/Identifiers.ts"
import { configFlag, overrideOf, reportLoading } from "./ConfigReport.ts"
import { RunFailed } from "./RunFailed.ts"
import { refused, StartRefused } from "./StartRefused.ts"

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

const release = Command.make(
  "release",
  {
    supplier: Flag.String("supplier").pipe(
      Flag.withMetavar("address"),
      Flag.withDescription("Operator address of the supplier to give back")
    ),
    patience: Flag.Int("patience").pipe(
      Flag.withMetavar("seconds"),
      Flag.withDefault(600),
      Flag.withDescription("How long to mine on until nothing is being claimed or proved (default 600)")
    )
  },
  Effect.fnUntraced(function* ({ supplier, patience }) {
    const { config } = yield* load((yield* miner).config)
    const address = decodeAddress(supplier)
    if (Result.isFailure(address)) {
      return yield* new StartRefused({
        sentences: [`--supplier: ${address.failure.message}; write an operator address`]
      })
    }
    const { Chain, Miner } = yield* program
    const sessions = yield* Miner.releaseForGo(
      config,
      Chain.layerMiner(config),
      SupplierAddress.make(supplier),
      Duration.seconds(patience)
    ).pipe(
      Effect.catchTags({ KeyringRefused: refused, NoUsableKeys: refused }),
      Effect.mapError((error) => (error._tag === "StartRefused" ? error : new RunFailed({ reason: error.message })))
    )
    yield* Console.log(`${supplier} is released: Go miners go on with ${sessions.length} open sessions`)
    for (const session of sessions) yield* Console.log(session)
  })
).pipe(Command.withDescription("Give a supplier back to Go miners, once no miner of this kind runs"))

/** Loaded when it is needed, so that help and version answer without it. */
const program = Effect.all({
  Chain: Effect.promise(() => import("../layers/Chain.ts")),
  Miner: Effect.promise(() => import("../layers/Miner.ts"))
})

/** `relaymill miner`, with `validate` and `release`. Fails with `StartRefused` for what keeps it from starting. */
export const minerCommand = miner.pipe(
  Command.withDescription("Claim and prove relays"),
  Command.withHandler(
    Effect.fnUntraced(function* (input) {
      const { config } = yield* load(input.config, [
        ...overrideOf("--keys-file", ["keys", "keys_file"], input.keysFile),
        ...overrideOf("--keys-dir", ["keys", "keys_dir"], input.keysDir),
        ...overrideOf("--keyring-backend", ["keys", "keyring", "backend"], input.keyringBackend),
        ...overrideOf("--keyring-dir", ["keys", "keyring", "dir"], input.keyringDir),
        ...overrideOf("--redis-url", ["redis", "url"], Option.map(input.redisUrl, Redacted.value)),
        ...overrideOf("--consumer-name", ["redis", "consumer_name"], input.consumerName),
        ...overrideOf("--hot-reload", ["hot_reload_enabled"], Option.map(input.hotReload, String)),
        ...overrideOf("--session-ttl", ["session_ttl"], input.sessionTtl)
      ])
      const { Chain, Miner } = yield* program
      return yield* Miner.runMinerProcess(config, Chain.layerMiner(config)).pipe(
        Effect.catchTags({ CannotListen: refused, KeyringRefused: refused, NoUsableKeys: refused })
      )
    })
  ),
  Command.withSubcommands([validate, release])
)
