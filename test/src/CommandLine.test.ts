import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import packageJson from "../../package.json" with { type: "json" }

const root = fileURLToPath(new URL("../..", import.meta.url))
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/config/${name}`, import.meta.url))

interface Run {
  readonly status: number
  readonly out: string
  readonly err: ReadonlyArray<string>
}

/** Runs `sh bin/relaymill` to its end. */
const relaymill = (...args: ReadonlyArray<string>): Promise<Run> =>
  new Promise((resolve) => {
    execFile("sh", ["bin/relaymill", ...args], { cwd: root }, (error, out, err) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : -1
      resolve({ status, out, err: err.split("\n").filter((line) => line !== "") })
    })
  })

describe("relaymill", () => {
  it("answers --version and --help with status 0", async () => {
    const [version, help, bare] = await Promise.all([relaymill("--version"), relaymill("miner", "--help"), relaymill()])
    assert.deepStrictEqual(version, { status: 0, out: `relaymill ${packageJson.version}\n`, err: [] })
    assert.strictEqual(help.status, 0)
    for (const flag of [
      "--config",
      "--redis-url",
      "--keys-file",
      "--consumer-name",
      "--hot-reload",
      "--session-ttl",
      "validate"
    ]) {
      assert.include(help.out, flag)
    }
    assert.strictEqual(bare.status, 0)
    assert.include(bare.out, "relayer")
  })

  it("refuses a wrong invocation with one sentence and status 2", async () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [
        ["relayr"],
        /^relaymill: unknown command "relayr" of relaymill; did you mean relayer\? Else see relaymill --help$/
      ],
      [["relayer", "--cofnig", "x"], /^relaymill: unknown flag --cofnig of relaymill relayer; did you mean --config\?/],
      [["relayer"], /^relaymill: relaymill relayer needs --config; add it, see relaymill relayer --help$/],
      [["miner", "--config", "a", "--config", "b"], /^relaymill: --config is given twice; keep one of them$/]
    ]
    for (const run of await Promise.all(
      cases.map(async ([args, expected]) => ({ expected, ...(await relaymill(...args)) }))
    )) {
      assert.deepStrictEqual([run.status, run.out, run.err.length], [2, "", 1], run.err.join("\n"))
      assert.match(run.err[0] ?? "", run.expected)
    }
  })

  it("refuses a file that cannot be used with its place and status 2", async () => {
    const [missing, wrong] = await Promise.all([
      relaymill("relayer", "--config", "no/such.yaml"),
      relaymill("relayer", "validate", "--config", fixture("relayer-mistakes.yaml"))
    ])
    assert.deepStrictEqual(missing, {
      status: 2,
      out: "",
      err: ["relaymill: no/such.yaml: no such file; give the path of a YAML file to --config"]
    })
    assert.strictEqual(wrong.status, 2)
    assert.deepStrictEqual(
      wrong.err.map((line) => line.replace(/^.*relayer-mistakes\.yaml: /, "")),
      [
        "line 3, redis.url: several hosts need redis-sentinel:// or redis-cluster://; write one host, or change the scheme",
        'line 10, services.eth.timeout_profile: there is no timeout profile "steaming"; write streaming, or define it under timeout_profiles',
        "line 12, services.eth.backends.json-rpc: is not a transport; write jsonrpc"
      ]
    )
  })

  it("refuses to start without keys, whatever else cannot be reached, and keeps secrets to itself", async () => {
    const [relayer, miner] = await Promise.all([
      relaymill("relayer", "--config", fixture("relayer.yaml"), "--redis-url", "redis://:hunter2@127.0.0.1:1"),
      relaymill("miner", "--config", fixture("miner-small.yaml"), "--hot-reload=false", "--session-ttl", "1h")
    ])
    for (const { err, status } of [relayer, miner]) {
      assert.strictEqual(status, 2)
      assert.match(err.at(-1) ?? "", /^relaymill: no usable supplier key: keys\.\S+: \S+ does not exist; create it or /)
    }
    assert.match(relayer.err.join("\n"), /^relaymill: warning: .*relayer\.yaml: line \d+, probe: unknown key, ignored/m)
    assert.notInclude(relayer.err.join("\n"), "hunter2")
  })

  it("refuses to release what is no supplier", async () => {
    const { err, status } = await relaymill(
      "miner",
      "release",
      "--config",
      fixture("miner-small.yaml"),
      "--supplier",
      "pokt1x"
    )
    assert.strictEqual(status, 2)
    assert.match(err.join("\n"), /^relaymill: --supplier: .*; write an operator address$/)
  })

  it("checks a file without starting", async () => {
    const file = fixture("miner-small.yaml")
    assert.deepStrictEqual(await relaymill("miner", "validate", "--config", file), {
      status: 0,
      out: `config OK: ${file}\n`,
      err: []
    })
  })
})
