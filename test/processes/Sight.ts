/**
 * What a person sees of a fleet while something goes wrong: the reasons that `/ready` gives and the warnings of the logs,
 * each sentence once, with what differs from run to run put into words.
 */
import { Effect, type Scope } from "effect"
import type { ChildProcess } from "./ChildProcess.ts"

/** One sentence, and who said it. */
export interface Seen {
  /** `miner` or `relayer`. */
  readonly kind: string
  readonly text: string
  readonly times: number
}

/** Sentences of a scenario, in the order in which they were first said. */
export interface Sight {
  readonly ready: ReadonlyArray<Seen>
  readonly log: ReadonlyArray<Seen>
}

/** A process that has probes. */
export interface Watched {
  readonly name: string
  readonly process: ChildProcess
  /** Base URL of its probes. */
  readonly probes: string
}

/** What is seen, and what `/ready` says now. */
export interface SightWatch {
  readonly seen: () => Sight
  /** Asks every process that runs: those that are not ready, and all reasons. */
  readonly now: Effect.Effect<{ readonly notReady: ReadonlyArray<string>; readonly reasons: ReadonlyArray<string> }>
}

const LOOK = "400 millis"
const ANSWER_MILLIS = 2_000
/** Sentences kept of one kind. */
const MOST = 60

/** Asks all probes again and again until the scope ends. `members` gives those that run now. */
export const watchSight = (
  members: () => ReadonlyArray<Watched>,
  nodes: ReadonlyArray<{ readonly rpcUrl: string; readonly grpcTarget: string }>
): Effect.Effect<SightWatch, never, Scope.Scope> =>
  Effect.gen(function* () {
    const words = wordsFor(nodes)
    const ready = new Sentences()
    const ask = Effect.suspend(() =>
      Effect.forEach(
        members().filter(({ process }) => process.isRunning()),
        ({ name, probes }) =>
          Effect.map(
            Effect.promise(() => readyOf(probes)),
            (answer) => ({ name, kind: kindOf(name), ...answer })
          ),
        { concurrency: "unbounded" }
      )
    )
    const look = Effect.map(ask, (answers) => {
      for (const { kind, lines } of answers) {
        for (const line of lines) if (!isUsual(line)) ready.add(kind, words(line))
      }
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(LOOK))))
    return {
      seen: () => {
        const log = new Sentences()
        for (const { name, process } of members()) {
          for (const { text, times } of process.warnings()) {
            if (!isUsual(text)) log.add(kindOf(name), words(text), times)
          }
        }
        return { ready: ready.all(), log: log.all() }
      },
      now: Effect.map(ask, (answers) => ({
        notReady: answers.filter(({ status }) => status !== 200).map(({ name, status }) => `${name}: ${status}`),
        reasons: answers.flatMap(({ lines, name }) =>
          lines.filter((line) => !isUsual(line)).map((line) => `${name}: ${words(line)}`)
        )
      }))
    }
  })

/** Said by every fleet of these tests, whatever goes wrong: its Redis may keep nothing, its stakes are small. */
const isUsual = (line: string): boolean =>
  line === "Ready" || /writes nothing to disk|one missed proof takes/.test(line)

const kindOf = (name: string): string => name.replace(/-.*$/, "")

const readyOf = async (probes: string): Promise<{ status: number; lines: ReadonlyArray<string> }> => {
  try {
    const response = await fetch(`${probes}/ready`, { signal: AbortSignal.timeout(ANSWER_MILLIS) })
    return { status: response.status, lines: (await response.text()).split("\n").filter((line) => line !== "") }
  } catch {
    return { status: 0, lines: [] }
  }
}

/** Distinct sentences: those that differ in numbers and names only count as one. */
class Sentences {
  readonly #kept = new Map<string, Seen>()

  add(kind: string, text: string, times = 1): void {
    const key = `${kind} ${text.replace(/pokt1[0-9a-z]+|[0-9A-Fa-f]{16,}|[0-9]+/g, "#")}`
    const known = this.#kept.get(key)
    if (known === undefined && this.#kept.size >= MOST) return
    this.#kept.set(key, { kind, text: known?.text ?? text, times: (known?.times ?? 0) + times })
  }

  all(): ReadonlyArray<Seen> {
    return [...this.#kept.values()]
  }
}

/** Names of the nodes instead of their ports, which differ from run to run. */
const wordsFor = (nodes: Parameters<typeof watchSight>[1]) => {
  const names = nodes.flatMap(({ grpcTarget, rpcUrl }, index) => [
    [rpcUrl.replace(/^http:\/\//, ""), `node-${index + 1}:26657`] as const,
    [grpcTarget, `node-${index + 1}:9090`] as const
  ])
  return (text: string): string => names.reduce((said, [address, name]) => said.replaceAll(address, name), text)
}
