/** The demo with a data directory, killed in the middle of traffic and started again: what was answered is not lost. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { closeFile, openFile } from "../../adapters/sqlite/SqliteFile.ts"

// The launcher replaces itself, so the signal reaches the process.
const relaymill = fileURLToPath(new URL("../../bin/relaymill", import.meta.url))

/** Longest wait for a line: a session takes twelve blocks of a second, on a busy machine more. */
const PATIENCE_MILLIS = 60_000

interface Demo {
  readonly process: ChildProcess
  readonly output: () => string
  /** The first match in the output; fails if the process ends or time runs out before. */
  readonly until: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly exit: Promise<number | null>
}

const startDemo = (data: string, ...flags: ReadonlyArray<string>): Demo => {
  const child = spawn("sh", [relaymill, "demo", "--port", "0", "--data", data, ...flags], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  let text = ""
  let listener = () => {}
  const take = (chunk: Buffer) => {
    text += chunk.toString("utf8")
    listener()
  }
  child.stdout.on("data", take)
  child.stderr.on("data", take)
  const exit = once(child, "close").then(([code]) => code as number | null) // Node's `close` passes code and signal
  const until = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const give = (why: string) => reject(new Error(`${String(pattern)} did not come (${why}) in:\n${text}`))
      const timer = setTimeout(() => give("time ran out"), PATIENCE_MILLIS)
      listener = () => {
        const match = pattern.exec(text)
        if (match === null) return
        clearTimeout(timer)
        resolve(match)
      }
      void exit.then(() => {
        clearTimeout(timer)
        give("the process ended")
      })
      listener()
    })
  return { process: child, output: () => text, until, exit }
}

const kill = async (demo: Demo) => {
  demo.process.kill("SIGKILL")
  await demo.exit
  const served = Array.from(demo.output().matchAll(/height \d+: (\d+) relays served and verified/g), ([, n]) =>
    Number(n)
  )
  return Math.max(0, ...served)
}

/** What the database holds at the end, read by nobody else. */
const audit = (directory: string) => {
  const database = openFile(directory)
  const number = (sql: string) => Number(database.prepare(sql).get()?.["n"] ?? 0)
  const sessions = database
    .prepare("SELECT no, id, count FROM session")
    .all()
    .map(({ count, id, no }) => ({
      id: String(id).slice(0, 8),
      count: Number(count),
      events: database
        .prepare("SELECT json FROM event WHERE session = ? ORDER BY place")
        .all(Number(no))
        .map(({ json }): { readonly _tag: string; readonly count?: string } => JSON.parse(String(json)))
    }))
  const late = sessions
    .flatMap(({ events }) => events)
    .reduce((sum, { _tag, count }) => sum + (_tag === "RelaysLate" ? Number(count) : 0), 0)
  const found = {
    sessions,
    relays: sessions.reduce((sum, { count }) => sum + count, 0) + late + number("SELECT count(*) AS n FROM entry"),
    aside: number("SELECT count(*) AS n FROM aside"),
    integrity: String(database.prepare("PRAGMA integrity_check").get()?.["integrity_check"])
  }
  closeFile(database, directory)
  return found
}

describe("relaymill demo --data", () => {
  it(
    "goes on after kill -9: sessions of before are settled or say why not, no answered relay is missing",
    { timeout: 180_000 },
    async () => {
      const parent = mkdtempSync(join(tmpdir(), "relaymill-demo-"))
      const directory = join(parent, "data")
      const flags = ["--sessions", "1", "--suppliers", "1", "--relays", "40"]
      try {
        const first = startDemo(directory, ...flags)
        await first.until(/height 4: [1-9]/)
        const other = startDemo(directory, ...flags)
        assert.strictEqual(await other.exit, 2)
        assert.match(
          other.output(),
          /^relaymill: \S+ is in use by process \d+ on \S+; stop it, or choose another directory\n$/
        )
        let served = await kill(first)
        // The newest one: it is open, or at least not sealed.
        const session = Array.from(first.output().matchAll(/(\w{8}) demo-eth \S+ opened: blocks/g)).at(-1)?.[1] ?? ""
        assert.strictEqual(statSync(directory).mode & 0o777, 0o700)

        const second = startDemo(directory, ...flags)
        await second.until(new RegExp(`${session}.* (claim sent at height|claim missed)`))
        served += await kill(second)

        // Blocks come each second, whether a busy machine gives the miner its turn in time or not: then it says so.
        const third = startDemo(directory, ...flags)
        const ending = new RegExp(
          `${session}.* (?:settled at height \\d+: earned ([1-9]\\d*) uPOKT|(?:claim|proof) missed \\(window_closed\\))`
        )
        const [, earned] = ending.exec(second.output()) ?? (await third.until(ending))
        third.process.kill("SIGINT")
        assert.strictEqual(await third.exit, 0, third.output())
        served += Number(/relays: (\d+) served and verified/.exec(third.output())?.[1])

        const { aside, integrity, relays, sessions } = audit(directory)
        assert.strictEqual(integrity, "ok")
        assert.strictEqual(aside, 0)
        assert.isAtLeast(relays, served, "answered relays that are in no trie, no log, and not counted late")
        const ended = sessions.find(({ id }) => id === session)
        const tags = ended?.events.map(({ _tag }) => _tag) ?? []
        if (earned === undefined) assert.isTrue(tags.includes("ClaimMissed") || tags.includes("ProofMissed"))
        else {
          assert.isTrue(tags.includes("Settled"))
          // 100 compute units a relay, 42 uPOKT for each: what was in the trie when the process was killed is paid for.
          assert.strictEqual(Number(earned), (ended?.count ?? 0) * 4_200)
        }
        const repeated = startDemo(directory, "--sessions", "2", "--suppliers", "1")
        assert.strictEqual(await repeated.exit, 2)
        assert.match(
          repeated.output(),
          /chain\.jsonl is of a chain that was started with --seed "relaymill" --sessions 1/
        )
      } finally {
        rmSync(parent, { recursive: true, force: true })
      }
    }
  )
})
