import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ConfigFile from "../../adapters/config/ConfigFile.ts"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { rpc } from "../adapters/simchain/devnet/TestDevnet.ts"

const relaymill = fileURLToPath(new URL("../../bin/relaymill", import.meta.url))

/** A devnet process until the scope ends; resolves with its first lines, up to the one that contains `last`. */
const started = (flags: ReadonlyArray<string>, last: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn("sh", [relaymill, "devnet", ...flags], { stdio: ["ignore", "pipe", "inherit"] })),
      (child) =>
        Effect.callback<void>((resume) => {
          if (child.exitCode !== null) return resume(Effect.void)
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGINT")
        })
    ),
    (child) => ({
      child,
      output: Effect.callback<string>((resume) => {
        let text = ""
        child.stdout.on("data", (chunk: Buffer) => {
          text += chunk.toString()
          if (text.includes(last)) resume(Effect.succeed(text))
        })
        child.once("exit", () => resume(Effect.succeed(text)))
      })
    })
  )

describe("relaymill devnet", () => {
  it.live(
    "writes files that a relayer and a miner accept, and makes blocks",
    () =>
      Effect.gen(function* () {
        const directory = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "devnet-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true }))
        )
        const ports = ["--rpc-port", "0", "--grpc-port", "0", "--control-port", "0"]
        const { output } = yield* started(
          [...ports, "--nodes", "2", "--home", directory, "--applications", "1"],
          "application pokt"
        )
        const text = yield* output
        const rpcUrl = /node 1: RPC (\S+), gRPC/.exec(text)?.[1] ?? ""
        const { config: relayer } = yield* ConfigFile.loadRelayer(`${directory}/relayer.yaml`)
        assert.lengthOf(relayer.pocketNode.moreNodes, 1)
        const { config: miner } = yield* ConfigFile.loadMiner(`${directory}/miner.yaml`)
        assert.strictEqual(miner.pocketNode.chainId, "pocket-devnet")
        assert.strictEqual(statSync(`${directory}/keys.yaml`).mode & 0o777, 0o600)
        const height = Effect.map(rpc(rpcUrl, "status"), ({ json }) =>
          Number(
            (json as { result: { sync_info: { latest_block_height: string } } }).result.sync_info.latest_block_height
          )
        )
        const deadline = Date.now() + 20_000
        let seen = yield* height
        while (seen < 2 && Date.now() < deadline) seen = yield* height
        assert.isAtLeast(seen, 2)
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )

  it.live(
    "refuses a number out of range",
    () =>
      Effect.gen(function* () {
        const wrong = yield* started(["--nodes", "0"], "\0")
        assert.strictEqual(yield* wrong.output, "")
        assert.strictEqual(wrong.child.exitCode, 2)
      }),
    30_000
  )
})
