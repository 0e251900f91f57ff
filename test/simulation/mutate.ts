/**
 * `npm run mutate [-- --seeds N] [--only TEXT]`: breaks one line at a time in a copy of the tree, runs the simulation there,
 * and prints which defects it caught. Ends with 1 if one survived or no longer applies.
 */
import { spawn } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { type Mutation, mutations } from "./Mutations.ts"

/** What the simulation needs of the tree. */
const COPIED = ["adapters", "domain", "layers", "test/simulation", "package.json"]

/** Longest run of one mutant in milliseconds; a mutant that hangs is caught. */
const TIME_LIMIT = 600_000

const root = fileURLToPath(new URL("../..", import.meta.url))

interface Verdict {
  readonly mutation: Mutation
  readonly outcome: "caught" | "survived" | "does not apply"
  readonly by: string
}

/** The tree as it is: a defect proves nothing where the simulation fails without it. */
const sound: Mutation = {
  name: "none",
  file: "package.json",
  line: '"name": "relaymill"',
  mutant: '"name": "relaymill"'
}

/** Breaks a copy and runs it. */
const judge = async (mutation: Mutation, seeds: number): Promise<Verdict> => {
  const copy = mkdtempSync(join(tmpdir(), "relaymill-mutant-"))
  try {
    for (const path of COPIED) cpSync(join(root, path), join(copy, path), { recursive: true })
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
    const file = join(copy, mutation.file)
    const source = readFileSync(file, "utf8")
    if (source.split(mutation.line).length !== 2) return { mutation, outcome: "does not apply", by: "" }
    writeFileSync(
      file,
      source.replace(mutation.line, () => mutation.mutant)
    )
    const { code, output } = await run(copy, seeds)
    if (code === 0) return { mutation, outcome: "survived", by: `${seeds} seeds` }
    const broken = /seed (\d+) breaks (\S+) at (\d+) ms: (.*)/.exec(output)
    const by =
      broken === null
        ? (output.trim().split("\n").at(-1) ?? "")
        : `seed ${broken[1]}, ${broken[2]}: ${broken[4]?.replace(/[0-9a-f]{40,}|pokt1[0-9a-z]{38}/g, (id) => id.slice(0, 9)) ?? ""}`
    return { mutation, outcome: "caught", by }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const run = (cwd: string, seeds: number): Promise<{ readonly code: number | null; readonly output: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["test/simulation/simulate.ts", "--seeds", `${seeds}`, "--no-shrink"], {
      cwd
    })
    let output = ""
    const timer = setTimeout(() => child.kill("SIGKILL"), TIME_LIMIT)
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ code, output })
    })
  })

const { values } = parseArgs({ options: { seeds: { type: "string", default: "300" }, only: { type: "string" } } })
const seeds = Number(values.seeds)
const queue = mutations.filter(({ name, file }) => `${name} ${file}`.includes(values.only ?? ""))
const verdicts = new Map<Mutation, Verdict>()
const started = performance.now()

const worker = async (): Promise<void> => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const verdict = await judge(next, seeds)
    verdicts.set(next, verdict)
    console.error(`${verdict.outcome}: ${next.name}`)
  }
}
const control = await judge(sound, seeds)
if (control.outcome !== "survived") {
  console.error(`the simulation fails without any defect: ${control.by}`)
  process.exit(1)
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))

console.log("| Defect | File | Result | Caught by |")
console.log("| --- | --- | --- | --- |")
let bad = 0
for (const mutation of mutations) {
  const verdict = verdicts.get(mutation)
  if (verdict === undefined) continue
  if (verdict.outcome !== "caught") bad++
  console.log(`| ${mutation.name} | \`${mutation.file}\` | ${verdict.outcome} | ${verdict.by.replaceAll("|", "/")} |`)
}
console.log(
  `\n${verdicts.size - bad} of ${verdicts.size} caught in ${((performance.now() - started) / 1_000).toFixed(0)} s, at most ${seeds} seeds each`
)
process.exitCode = bad === 0 ? 0 : 1
