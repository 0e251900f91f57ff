/** `relaymill demo`: the whole product in one process, with a simulated chain and real relays. */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { checkCounts, countFlag } from "./CountFlag.ts"
import { RunFailed } from "./RunFailed.ts"
import { refused } from "./StartRefused.ts"

const relays = countFlag("relays", 60, 1, 100_000, "Relays in each session")
const sessions = countFlag("sessions", 2, 1, 100, "Sessions at the same time, one for each application")
const suppliers = countFlag("suppliers", 2, 1, 50, "Suppliers that serve every session")
const port = countFlag("port", 28_080, 0, 65_535, "Port of the relayer on 127.0.0.1, 0 for a free one")

/** `relaymill demo`. Fails with `StartRefused` for a number out of range; `once` exits 1 if nothing was settled. */
export const demoCommand = Command.make(
  "demo",
  {
    relays: relays.flag,
    sessions: sessions.flag,
    suppliers: suppliers.flag,
    port: port.flag,
    seed: Flag.String("seed").pipe(Flag.withDefault("relaymill"), Flag.withDescription("Makes the keys of all actors")),
    once: Flag.Boolean("once").pipe(
      Flag.withDefault(false),
      Flag.withDescription("End with the first settlement: exit 0, or 1 with the reason")
    ),
    data: Flag.String("data").pipe(
      Flag.optional,
      Flag.withDescription("Directory in which everything is kept and gone on with at the next start (made if absent)")
    )
  },
  Effect.fnUntraced(function* (options) {
    yield* checkCounts([
      [relays, options.relays],
      [sessions, options.sessions],
      [suppliers, options.suppliers],
      [port, options.port]
    ])
    // Loaded here, so that help and version answer without it.
    const { runDemo } = yield* Effect.promise(() => import("../layers/Demo.ts"))
    const isColored = (process.env["NO_COLOR"] ?? "") === ""
    return yield* runDemo({ ...options, isColored }, process.stdout).pipe(
      Effect.raceFirst(outputGone),
      Effect.catchTags({
        CannotListen: refused,
        DataDirectoryRefused: refused,
        ChainJournalRefused: refused,
        SpoolRefused: refused,
        DemoFailed: ({ reason }) => Effect.fail(new RunFailed({ reason }))
      })
    )
  })
).pipe(Command.withDescription("Run everything in one process with a simulated chain, no services needed"))

/**
 * Done when nobody reads the output any more (`relaymill demo | head`): the demo then drains as after Ctrl-C. The listener
 * stays, since the drain still writes.
 */
const outputGone = Effect.callback<void>((resume) => {
  process.stdout.on("error", () => resume(Effect.void))
})
