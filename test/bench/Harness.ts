/**
 * How the benchmarks measure: CPU time of the whole process (user and system, garbage collection included), contenders in
 * turn within each round, medians over the rounds. Compare only within one run: a busy machine then disturbs all alike.
 */

/** How long to measure. */
export interface BenchLength {
  /** Rounds that count; one more comes first and only warms up. */
  readonly rounds: number
  /** Part of the calls of a full run, above 0. */
  readonly share: number
}

export const FULL: BenchLength = { rounds: 7, share: 1 }
export const QUICK: BenchLength = { rounds: 3, share: 0.2 }

/** Something measured: `calls` calls a round in a full run. */
export interface Contender {
  readonly calls: number
  /** Gets the number of the call, counted on over the rounds. */
  readonly call: (index: number) => unknown
}

/** CPU time in µs for one call: one figure for each round. */
export type Samples<Name extends string> = Readonly<Record<Name, ReadonlyArray<number>>>

/** CPU time of this process so far, µs. */
export const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Measures the contenders in turn. */
export const interleave = <Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
  { rounds, share }: BenchLength
): Samples<Name> => {
  const names = Object.keys(contenders) as Array<Name> // The keys of this very record.
  const samples = Object.fromEntries(names.map((name) => [name, new Array<number>()])) as Record<Name, Array<number>> // as above
  const next = new Map<Name, number>()
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const { call, calls } = contenders[name]
      const count = Math.max(1, Math.round(calls * share))
      const first = next.get(name) ?? 0
      const before = cpuMicros()
      for (let index = first; index < first + count; index++) call(index)
      if (round > 0) samples[name].push((cpuMicros() - before) / count)
      next.set(name, first + count)
    }
  }
  return samples
}

/** The middle value; the upper one of two. NaN of none. */
export const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Median of each contender. */
export const medians = <Name extends string>(samples: Samples<Name>): Readonly<Record<Name, number>> =>
  Object.fromEntries(
    Object.entries<ReadonlyArray<number>>(samples).map(([name, values]) => [name, median(values)])
  ) as Record<Name, number> // The same keys.

/** Median over the rounds of one contender's time by another's in the same round. */
export const medianRatio = (values: ReadonlyArray<number>, by: ReadonlyArray<number>): number =>
  median(values.map((value, round) => value / (by[round] ?? Number.NaN)))

/** Three significant digits, which is more than the machine is good for. */
export const rounded = (value: number): number => Number(value.toPrecision(3))

/** Rounds every number in a value of records and arrays. */
export const roundedAll = (value: unknown): unknown => {
  if (typeof value === "number") return Number.isInteger(value) ? value : rounded(value)
  if (Array.isArray(value)) return value.map(roundedAll)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, roundedAll(inner)]))
}

/** Prints figures of one benchmark as JSON: for a file run alone. */
export const print = (figures: unknown): void => console.log(JSON.stringify(roundedAll(figures), undefined, 2))

/** Length of a benchmark run alone: `--quick` shortens it. */
export const lengthFromArguments = (): BenchLength => (process.argv.includes("--quick") ? QUICK : FULL)

/** Collects garbage if Node was started with `--expose-gc`, and tells whether it could. */
export const collectGarbage = (): boolean => {
  const collect = (globalThis as { readonly gc?: () => void }).gc // Present with --expose-gc only.
  collect?.()
  collect?.()
  return collect !== undefined
}
