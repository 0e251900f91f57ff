/** Results of scenarios as a table for people. */
import type { ScenarioResult } from "./Scenario.ts"

const HEAD = [
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

/** One row of cells under `HEAD`. */
const row = ({ leaderMillis, name, problems, refused, seconds, takeoverMillis, totals }: ScenarioResult) => [
  name,
  ...[totals.sent, totals.answered, totals.inTrie, totals.claimed, totals.settled, totals.late].map(String),
  String(Object.values(refused).reduce((sum, count) => sum + count, 0)),
  inSeconds(takeoverMillis),
  inSeconds(leaderMillis),
  `${seconds.toFixed(0)} s`,
  problems.length === 0 ? "ok" : "FAILED"
]

const inSeconds = (millis: number | undefined): string =>
  millis === undefined ? "" : `${(millis / 1_000).toFixed(2)} s`

/** A table in Markdown. */
export const tableOf = (results: ReadonlyArray<ScenarioResult>): string => {
  const rows = [HEAD, ...results.map(row)]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`
  const [head = [], ...body] = rows
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n")
}

/** Problems and causes of a result, one sentence a line. */
export const detailsOf = ({ directory, name, problems, refused }: ScenarioResult): string =>
  [
    ...Object.entries(refused).map(([cause, count]) => `  ${count} tries without an answer: ${cause}`),
    ...problems.map((problem) => `  ${name}: ${problem}`),
    ...(problems.length === 0 ? [] : [`  logs: ${directory}`])
  ].join("\n")
