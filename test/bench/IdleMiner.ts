/**
 * What `relaymill miner` takes while its suppliers have nothing to do: the command itself, over Redis and a devnet with
 * blocks of 5 s, each a process. Figures are those of the miner's own metrics.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Duration, Effect, Schedule } from "effect"
import { installRedis, redisBinaries } from "../support/RedisBinaries.ts"
import { freePort } from "../support/FreePort.ts"
import { redisProcess } from "../support/RedisProcess.ts"

/** CPU as a share of one core, memory at the end. */
export interface Idle {
  readonly core: number
  readonly megabytes: number
}

/** After the suppliers are owned: opened, registered, their stakes and balances looked at for the first time. */
const SETTLING = Duration.seconds(60)

/** A miner that owns so many suppliers, watched for so many seconds. */
export const idleMiner = (suppliers: number, seconds: number): Promise<Idle> =>
  Effect.gen(function* () {
    installRedis()
    const redis = yield* redisProcess(redisBinaries()[0]?.path ?? "redis-server")
    const home = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-idle-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const port = yield* freePort
    const devnet = yield* command(
      ["devnet", "--suppliers", `${suppliers}`, "--block-time", "5", "--home", home].concat(
        ["--rpc-port", "0", "--grpc-port", "0", "--control-port", "0"],
        ["--redis-url", `redis://127.0.0.1:${redis.port}`]
      )
    )
    yield* Effect.promise(() => once(devnet.stdout, "data"))
    const file = join(home, "miner.yaml")
    appendFileSync(file, `metrics:\n  addr: "127.0.0.1:${port}"\n`)
    const miner = yield* command(["miner", "--config", file])
    miner.stdout.resume()
    const read = Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
    const held = Effect.tryPromise(async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      if (sample(text, "ha_miner_supplier_claimed_count") < suppliers) throw new Error("not all suppliers are owned")
    })
    yield* Effect.retry(held, Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "2 minutes" })))
    yield* Effect.sleep(SETTLING)
    const before = sample(yield* read, "process_cpu_seconds_total")
    yield* Effect.sleep(Duration.seconds(seconds))
    const after = yield* read
    return {
      core: (sample(after, "process_cpu_seconds_total") - before) / seconds,
      megabytes: sample(after, "process_resident_memory_bytes") / 2 ** 20
    }
  }).pipe(Effect.scoped, Effect.runPromise)

/** Value of the first series of a metric, 0 without one. */
const sample = (text: string, name: string): number =>
  Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (.+)$`, "m").exec(text)?.[1] ?? 0)

/** The product's command, killed with the scope. */
const command = (args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const product = fileURLToPath(new URL("../../bin/relaymill", import.meta.url))
      const child = spawn("sh", [product, ...args], { stdio: ["ignore", "pipe", "ignore"] })
      return { child, stdout: child.stdout, ended: once(child, "close") }
    }),
    ({ child, ended }) =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await ended
      })
  )
