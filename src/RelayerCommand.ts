/**
 * `relaymill relayer`: serves relays as its configuration file says; `relaymill relayer validate` only checks the file.
 */
import { Console, Effect, Option, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import { configFlag, overrideOf, reportLoading } from "./ConfigReport.ts"
import { refused } from "./StartRefused.ts"

/** Reads the file. The decoder is loaded here, so that help and version answer without it. */
const load = (file: string, redisUrl: Option.Option<Redacted.Redacted> = Option.none()) =>
  Effect.promise(() => import("../adapters/config/ConfigFile.ts")).pipe(
    Effect.flatMap((ConfigFile) =>
      reportLoading(
        ConfigFile.loadRelayer(file, overrideOf("--redis-url", ["redis", "url"], Option.map(redisUrl, Redacted.value)))
      )
    )
  )

const relayer = Command.make("relayer", {
  redisUrl: Flag.Redacted("redis-url").pipe(
    Flag.withMetavar("url"),
    Flag.withDescription("Replaces redis.url of the file"),
    Flag.optional
  )
}).pipe(Command.withSharedFlags({ config: configFlag }))

const validate = Command.make(
  "validate",
  {},
  Effect.fnUntraced(function* () {
    const { file } = yield* load((yield* relayer).config)
    yield* Console.log(`config OK: ${file}`)
  })
).pipe(Command.withDescription("Check a configuration file without starting: exit 0 if it is right, 2 if not"))

/** `relaymill relayer`, with `validate`. Fails as `minerCommand` does. */
export const relayerCommand = relayer.pipe(
  Command.withDescription("Serve relays"),
  Command.withHandler(
    Effect.fnUntraced(function* (input) {
      const { config } = yield* load(input.config, input.redisUrl)
      // Loaded here, as the decoder is.
      const Chain = yield* Effect.promise(() => import("../layers/Chain.ts"))
      const { runRelayer } = yield* Effect.promise(() => import("../layers/Relayer.ts"))
      return yield* runRelayer(config, Chain.layerRelayer(config)).pipe(
        Effect.catchTags({
          CannotListen: refused,
          KeyringRefused: refused,
          NoUsableKeys: refused,
          SpoolRefused: refused
        })
      )
    })
  ),
  Command.withSubcommands([validate])
)
