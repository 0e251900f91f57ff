/** Results of scenarios as tables for people. */
import type { ScenarioResult } from "./Scenario.ts"
import type { Seen } from "./Sight.ts"

const RELAYS = [
  "scenario",
  "sent",
  "answered",
  "in trie",
  "claimed",
  "settled",
  "late",
  "refused",
  "takeover",
  "leader",
  "time",
  "result"
]

/** One row of cells under `RELAYS`. */
const relaysOf = ({ leaderMillis, name, problems, refused, seconds, takeoverMillis, totals }: ScenarioResult) => [
  name,
  ...[totals.sent, totals.answered, totals.inTrie, totals.claimed, totals.settled, totals.late].map(String),
  String(Object.values(refused).reduce((sum, count) => sum + count, 0)),
  inSeconds(takeoverMillis),
  inSeconds(leaderMillis),
  `${seconds.toFixed(0)} s`,
  problems.length === 0 ? "ok" : "FAILED"
]

const TXS = [
  "scenario",
  "claims due",
  "sent",
  "included",
  "settled",
  "proofs due",
  "sent",
  "included",
  "transactions",
  "landed",
  "refusals",
  "fees",
  "each",
  "useless"
]

/** One row of cells under `TXS`. */
const txsOf = ({
  name,
  txs: { claims, fees, landed, proofs, refusals, settled, txs, useless, uselessFees }
}: ScenarioResult) => [
  name,
  ...[claims.due, claims.sent, claims.included, settled, proofs.due, proofs.sent, proofs.included].map(String),
  ...[txs, landed, refusals, fees].map(String),
  landed === 0 ? "" : (Number(fees) / landed).toFixed(0),
  useless === 0 ? "0" : `${useless} (${uselessFees})`
]

const inSeconds = (millis: number | undefined): string =>
  millis === undefined ? "" : `${(millis / 1_000).toFixed(2)} s`

/** Tables in Markdown: relays, and what became of claims and proofs. Amounts are uPOKT. */
export const tablesOf = (results: ReadonlyArray<ScenarioResult>): string =>
  [
    [RELAYS, ...results.map(relaysOf)],
    [TXS, ...results.map(txsOf)]
  ]
    .map(table)
    .join("\n\n")

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const [head = [], ...body] = rows
  const widths = head.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n")
}

/** Problems, causes and what a person saw, one sentence a line. */
export const detailsOf = ({ atEnd, directory, name, problems, refused, sight }: ScenarioResult): string =>
  [
    ...Object.entries(refused).map(([cause, count]) => `  ${count} tries without an answer: ${cause}`),
    ...sight.ready.map(said("/ready")),
    ...sight.log.map(said("log")),
    ...atEnd.map((reason) => `  /ready at the end: ${reason}`),
    ...problems.map((problem) => `  ${name}: ${problem}`),
    ...(problems.length === 0 ? [] : [`  logs: ${directory}`])
  ].join("\n")

const said =
  (where: string) =>
  ({ kind, text, times }: Seen): string =>
    `  ${where} of ${kind} (${times}×): ${text}`
