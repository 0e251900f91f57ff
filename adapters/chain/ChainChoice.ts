/**
 * Of which chain the nodes are. The configuration says so; where it does not, it is the chain that more than half of all
 * nodes name, or more than half of those that answer once each was asked. Nodes that disagree without a majority are
 * believed by nobody until they agree: a first answer is no reason to follow a node.
 */
import { Deferred, Effect } from "effect"
import type { ReadinessReason } from "../../domain/lifecycle/Readiness.ts"

/** What an answer led to: the chain is known now, or the nodes were found to disagree. */
export type Choice = "chosen" | "disagreement"

/** Mutable, one for a process. Endpoints are known by name. */
export class ChainChoice {
  readonly #names: ReadonlyArray<string>
  readonly #isConfigured: boolean
  readonly #said = new Map<string, string>()
  readonly #asked = new Set<string>()
  #everybodyAsked = Deferred.makeUnsafe<void>()
  #chainId: string | undefined
  #isDisputed = false

  /** `chainId`: that of the configuration. */
  constructor(names: ReadonlyArray<string>, chainId?: string) {
    this.#names = names
    this.#isConfigured = chainId !== undefined
    this.#chainId = chainId
  }

  /** The chain that is followed; undefined while it is not known. */
  get chainId(): string | undefined {
    return this.#chainId
  }

  /** Ends when each endpoint has answered or failed since the first one named a chain. */
  get everybodyAsked(): Deferred.Deferred<void> {
    return this.#everybodyAsked
  }

  /** Has nobody named a chain yet? What was asked before the first answer is asked again. */
  get isUnheard(): boolean {
    return this.#said.size === 0
  }

  /** An endpoint named its chain. */
  say(name: string, chainId: string): Choice | undefined {
    if (this.isUnheard) {
      this.#asked.clear()
      this.#everybodyAsked = Deferred.makeUnsafe<void>()
    }
    this.#said.set(name, chainId)
    return this.noteAsked(name)
  }

  /** An endpoint answered or failed. */
  noteAsked(name: string): Choice | undefined {
    this.#asked.add(name)
    const isComplete = this.#asked.size === this.#names.length
    const before = this.#chainId
    this.#chainId ??= this.#mostNamed(isComplete ? this.#said.size : this.#names.length)
    const isChosen = before === undefined && this.#chainId !== undefined
    if (isComplete || isChosen) Deferred.doneUnsafe(this.#everybodyAsked, Effect.void)
    if (isChosen) return "chosen"
    const wasDisputed = this.#isDisputed
    this.#isDisputed = this.#chainId === undefined && isComplete && this.#said.size > 0
    return this.#isDisputed && !wasDisputed ? "disagreement" : undefined
  }

  /** Blocking while the nodes disagree; a hint while the chain is the word of some of them. */
  get reasons(): ReadonlyArray<ReadinessReason> {
    if (this.#isConfigured) return []
    if (this.#isDisputed) {
      const words = [...this.#said].map(([name, chainId]) => `${name} says "${shown(chainId)}"`).join(", ")
      const remedy = "set pocket_node.chain_id, or take the wrong node out of pocket_node"
      return [{ text: `the nodes disagree about the chain, none is believed: ${words}; ${remedy}`, isBlocking: true }]
    }
    const silent = this.#names.filter((name) => !this.#said.has(name))
    if (this.#chainId === undefined || silent.length === 0) return []
    const text = `the chain "${shown(this.#chainId)}" is the word of some nodes only, ${silent.join(", ")} did not say; set pocket_node.chain_id`
    return [{ text, isBlocking: false }]
  }

  /** The chain that more than half of `of` name. */
  #mostNamed(of: number): string | undefined {
    const counts = new Map<string, number>()
    for (const chainId of this.#said.values()) {
      const count = (counts.get(chainId) ?? 0) + 1
      if (2 * count > of) return chainId
      counts.set(chainId, count)
    }
    return undefined
  }
}

const shown = (chainId: string): string => chainId.slice(0, 60)
