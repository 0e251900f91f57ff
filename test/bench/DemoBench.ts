/**
 * Start and size of the whole product: the demo in a process of its own, from its start until it tells of its first mined
 * relay, and its resident memory when next to nothing is relayed. Run alone: `node test/bench/DemoBench.ts [--quick]`.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as wait } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { type BenchLength, FULL, lengthFromArguments, median, print } from "./Harness.ts"

export interface DemoFigures {
  /**
   * Wall-clock seconds from the start of the command until its relayer listens, and until its line about the first session
   * with a relay in it: that relay was served, verified by the gateway, logged and mined before. Medians.
   */
  readonly listenSeconds: number
  readonly firstRelaySeconds: number
  /** Resident memory in MB (10^6 bytes) some seconds later, at one relay a session; the largest of all starts. */
  readonly idleMegabytes: number
}

const command = fileURLToPath(new URL("../../bin/relaymill", import.meta.url))
/** A start takes a second or two; what takes longer than this has failed. */
const FIRST_RELAY_WITHIN_MS = 30_000

/** Three starts in full length, else one. About 10 s each. */
export const benchDemo = async (length: BenchLength): Promise<DemoFigures> => {
  const starts: Array<DemoStart> = []
  for (let start = 0; start < (length.share < FULL.share ? 1 : 3); start++) {
    starts.push(await startDemo(8_000 * length.share))
  }
  return {
    listenSeconds: median(starts.map(({ listenSeconds }) => listenSeconds)),
    firstRelaySeconds: median(starts.map(({ firstRelaySeconds }) => firstRelaySeconds)),
    idleMegabytes: Math.max(...starts.map(({ megabytes }) => megabytes))
  }
}

interface DemoStart {
  readonly listenSeconds: number
  readonly firstRelaySeconds: number
  readonly megabytes: number
}

const startDemo = async (idleMs: number): Promise<DemoStart> => {
  const begun = performance.now()
  // One relay a session: sent at once, then six seconds of nothing.
  const demo = spawn("sh", [command, "demo", "--port", "0", "--relays", "1", "--sessions", "1", "--suppliers", "1"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const exited = once(demo, "exit")
  const deadline = setTimeout(() => demo.kill("SIGKILL"), FIRST_RELAY_WITHIN_MS)
  const since = () => (performance.now() - begun) / 1000
  try {
    let listenSeconds = Number.NaN
    for await (const line of createInterface({ input: demo.stdout })) {
      if (line.includes("relaying at")) listenSeconds = since()
      if (!line.includes(" opened: ")) continue
      const firstRelaySeconds = since()
      demo.stdout.resume()
      clearTimeout(deadline)
      await wait(idleMs)
      return { listenSeconds, firstRelaySeconds, megabytes: residentMegabytes(demo.pid ?? 0) }
    }
    throw new Error("the demo ended before its first relay")
  } finally {
    clearTimeout(deadline)
    demo.kill("SIGTERM")
    await exited
  }
}

/** Of a process, from Linux's account of it; NaN elsewhere. */
const residentMegabytes = (pid: number): number => {
  try {
    const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    return (Number(kilobytes) * 1024) / 1e6
  } catch {
    return Number.NaN
  }
}

if (process.argv[1] === import.meta.filename) print(await benchDemo(lengthFromArguments()))
