/** The demo as its user runs it: a process of its own, real sockets, signals, exit status. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const relaymill = fileURLToPath(new URL("../../bin/relaymill", import.meta.url))

/** Longest wait for a line: the first settlement comes after 12 blocks of a second, on a busy machine later. */
const PATIENCE_MILLIS = 50_000

interface Demo {
  readonly process: ChildProcess
  /** Everything printed so far, stdout and stderr in the order of arrival. */
  readonly output: () => string
  /** The first match of the pattern in the output; fails if the process ends or time runs out before. */
  readonly until: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly exit: Promise<number | null>
}

const startDemo = (...flags: ReadonlyArray<string>): Demo => {
  const child = spawn("sh", [relaymill, "demo", ...flags], { stdio: ["ignore", "pipe", "pipe"] })
  let text = ""
  const listeners = new Set<() => void>()
  const take = (chunk: Buffer) => {
    text += chunk.toString("utf8")
    for (const listener of listeners) listener()
  }
  child.stdout.on("data", take)
  child.stderr.on("data", take)
  const exit = once(child, "close").then(([code]) => code as number | null) // Node's `close` passes code and signal
  const until = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(text)
        if (match === null) return
        finish()
        resolve(match)
      }
      const give = (why: string) => {
        finish()
        reject(new Error(`${String(pattern)} did not come (${why}) in:\n${text}`))
      }
      const timer = setTimeout(() => give("time ran out"), PATIENCE_MILLIS)
      const finish = () => {
        clearTimeout(timer)
        listeners.delete(look)
      }
      listeners.add(look)
      void exit.then(() => give("the process ended"))
      look()
    })
  return { process: child, output: () => text, until, exit }
}

describe("relaymill demo", () => {
  it("takes relays to a settled claim and exits 0 with --once", async () => {
    const demo = startDemo("--once", "--port", "0", "--sessions", "1", "--suppliers", "1", "--relays", "30")
    assert.strictEqual(await demo.exit, 0, demo.output())
    const steps = [
      /opened: blocks 1 to 6/,
      /sealed at height 8: \d+ relays/,
      /claim sent at height \d+, transaction [0-9A-F]{12}/,
      /claim on chain: \d+ uPOKT/,
      /proof required/,
      /proof sent at height/,
      /proof validated by the chain/,
      /settled at height 12: earned [1-9]\d* uPOKT/,
      /relays: [1-9]\d* served and verified, 0 refused, 0 failed/,
      /sessions: 1 settled, 0 ended without pay; earned [1-9]\d* uPOKT/
    ]
    let from = 0
    for (const step of steps) {
      const found = demo.output().slice(from).search(step)
      assert.isAtLeast(found, 0, `${String(step)} is missing or out of order in:\n${demo.output()}`)
      from += found
    }
    assert.notInclude(demo.output(), "\u001b[", "no styles where the output is no terminal")
  })

  it("pays for exactly the relays it sealed", async () => {
    const demo = startDemo("--once", "--port", "0", "--sessions", "1", "--suppliers", "1", "--relays", "12")
    assert.strictEqual(await demo.exit, 0, demo.output())
    const sealed = /sealed at height 8: (\d+) relays, (\d+) compute units/.exec(demo.output())
    const earned = /settled at height 12: earned (\d+) uPOKT/.exec(demo.output())
    assert.strictEqual(BigInt(sealed?.[2] ?? 0), BigInt(sealed?.[1] ?? 0) * 100n)
    // 42 uPOKT for each compute unit: the chain's default multiplier 42 000 000 over granularity 1 000 000.
    assert.strictEqual(BigInt(earned?.[1] ?? 0), BigInt(sealed?.[2] ?? 0) * 42n)
  })

  it("drains on SIGINT, prints a summary and exits 0; answers strangers meanwhile", async () => {
    const demo = startDemo("--port", "0", "--sessions", "1", "--suppliers", "1")
    const [, url = ""] = await demo.until(/relaying at (http:\/\/127\.0\.0\.1:\d+)/)
    await demo.until(/height 2: [1-9]/)
    const refused = await fetch(url, { method: "POST", body: "not a relay" })
    assert.strictEqual(refused.status, 400)
    assert.deepStrictEqual(await refused.json(), { error: "body must be a RelayRequest" })
    const health = await fetch(`${url}/health`)
    assert.strictEqual(health.status, 200)
    await health.body?.cancel()
    demo.process.kill("SIGINT")
    assert.strictEqual(await demo.exit, 0, demo.output())
    assert.match(demo.output(), /draining\n[\s\S]*relays: [1-9]\d* served and verified, 0 refused, 0 failed/)
    assert.notInclude(demo.output(), "not finished in time")
  })

  it("drains and exits 0 when nobody reads its output any more", async () => {
    const demo = startDemo("--port", "0", "--sessions", "1", "--suppliers", "1")
    await demo.until(/height 1/)
    demo.process.stdout?.destroy()
    assert.strictEqual(await demo.exit, 0, demo.output())
    assert.notMatch(demo.output(), /EPIPE|\n\s+at /)
  })

  it("refuses a port in use with one sentence and exit 2", async () => {
    const server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo // a listening TCP server has one
    const demo = startDemo("--port", String(port))
    assert.strictEqual(await demo.exit, 2)
    assert.strictEqual(
      demo.output(),
      `relaymill: 127.0.0.1:${port} is in use by another process; choose another port or stop that process\n`
    )
    server.close()
  })
})
