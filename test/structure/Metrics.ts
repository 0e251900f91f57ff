/** Finds the metrics that the source files construct. Works on text: a metric's name is a literal, or a prefix and one. */
import { lineAt, type SourceFile } from "./Sources.ts"

/** One place that constructs a metric. */
export interface MetricUse {
  readonly name: string
  readonly path: string
  readonly line: number
}

/** Names of ours begin like this. */
const LITERAL = /"((?:ha|relaymill|process|nodejs)_[a-z0-9_]+)"/g

/** `const counter = (name: string, …) => Metric.counter(`ha_miner_${name}`, …)`. */
const PREFIXED =
  /const (\w+) = \((\w+): string[^=]*=>\s*Metric\.\w+\(`((?:ha|relaymill|process|nodejs)_[a-z0-9_]*)\$\{(\w+)\}([a-z0-9_]*)`/g

/** A constructor and what follows: a literal, a template, or a parameter called `name`. */
const CONSTRUCTED = /\bMetric\.(?:counter|gauge|histogram|summary|frequency|timer)\(\s*([^\s,)]+)/g

/** Every metric of a file. */
export const metricsOf = ({ path, code }: SourceFile): ReadonlyArray<MetricUse> => [
  ...Array.from(code.matchAll(LITERAL), ({ 1: name = "", index }) => ({ name, path, line: lineAt(code, index) })),
  ...Array.from(code.matchAll(PREFIXED)).flatMap(([, maker = "", , prefix = "", , suffix = ""]) =>
    Array.from(code.matchAll(new RegExp(String.raw`\b${maker}\(\s*"([a-z0-9_]+)"`, "g")), ({ 1: part, index }) => ({
      name: `${prefix}${part}${suffix}`,
      path,
      line: lineAt(code, index)
    }))
  )
]

/** Constructors whose name cannot be told from the text, as `path:line`. */
export const unreadableMetricsOf = ({ path, code }: SourceFile): ReadonlyArray<string> =>
  Array.from(code.matchAll(CONSTRUCTED))
    .filter(
      ({ 1: argument = "" }) =>
        !/^(?:"(?:ha|relaymill|process|nodejs)_|`(?:ha|relaymill|process|nodejs)_[a-z_]*\$\{\w+\}|name$)/.test(argument)
    )
    .map(({ index, 1: argument }) => `${path}:${lineAt(code, index)} ${argument}`)

/** Objects of labels: of `withAttributes`, of the miner's `add` and `set`, of `fillGauge`; and lists of label names. */
const LABELS =
  /(?:withAttributes|Metrics\.add|Metrics\.set|\badd|\bset)\(\s*[\w.]+,\s*\{([^{}]*)\}|fillGauge\(\s*"[^"]+",\s*"[^"]*",\s*(?:\(\) =>[^,{}]*|[\w.]+),\s*\{([^{}()]*)\}|"(?:ha|relaymill|process|nodejs)_[a-z0-9_]+",\s*"[^"]*",\s*\[([^\]]*)\]|const labels = \{([^{}]*)\}/g

/** Every label that a file gives to metrics, by the place where it is named. */
export const labelsOf = ({ path, code }: SourceFile): ReadonlyArray<MetricUse> =>
  /\b(?:Metric|Metrics|fillGauge|series)\b/.test(code)
    ? Array.from(code.matchAll(LABELS)).flatMap((match) =>
        (match.slice(1).find((part) => part !== undefined) ?? "")
          .split(",")
          .map((part) => part.trim().split(":")[0]?.replaceAll('"', "") ?? "")
          .filter((name) => /^\w+$/.test(name))
          .map((name) => ({ name, path, line: lineAt(code, match.index) }))
      )
    : []
