/**
 * What one incarnation of a replica sees of the world. Every port call is one step: counted, recorded, perhaps failed,
 * delayed or the replica's last. A shut gate is a crash: calls of that incarnation, finalizers included, do nothing and
 * never return, and answers under way are never heard; what was sent before may still take effect.
 */
import { Effect, type Exit, Stream } from "effect"

import type { EffectOfFailure } from "./Faults.ts"

/** One port call of one replica. */
export interface Step {
  /** Name of the replica, such as `miner-2`. */
  readonly replica: string
  /** Counts its starts from 1. */
  readonly incarnation: number
  /** `SupplierStore.commit`. */
  readonly operation: string
  readonly args: ReadonlyArray<unknown>
}

/** What becomes of a step beside its effect. Absent: it runs and answers at once. */
export interface Directive {
  /** Virtual milliseconds before the call takes effect, and before its answer is heard. */
  readonly delayBefore?: number
  readonly delayAfter?: number
  /** Whether an interrupted call that has not taken effect yet never will; else it was sent and cannot be recalled. */
  readonly recallable?: boolean
  /** The call fails with this error, without effect, after it, or so many milliseconds before it. */
  readonly failure?: { readonly error: unknown; readonly effect: EffectOfFailure }
  /** The caller never hears an answer; the effect takes place after so many milliseconds, whatever becomes of the caller. */
  readonly lateEffect?: number
  /** The replica crashes before the call takes effect, or after it and before the answer is heard; it starts again later. */
  readonly crash?: { readonly moment: "before" | "after"; readonly restartAfter: number }
}

/** What a gate tells and asks of its world. */
export interface GateKeeper {
  /** A call was made; what is to become of it. */
  readonly begin: (step: Step) => Directive
  /** The call is about to take effect. */
  readonly entering: (step: Step) => void
  /** The call has taken effect, or failed by itself; called in the same turn. */
  readonly effected: (step: Step, exit: Exit.Exit<unknown, unknown>) => void
  /** The gate has just been shut by a directive; the replica is to start again after so many milliseconds. */
  readonly crashed: (replica: string, restartAfter: number) => void
  /** Virtual milliseconds. */
  readonly now: () => number
  /** Runs an effect on behalf of nobody. */
  readonly detach: (effect: Effect.Effect<unknown, unknown>) => void
}

/** Never returns, to no caller, not even when it is interrupted. */
const silence: Effect.Effect<never> = Effect.uninterruptible(Effect.never)

export class IncarnationGate {
  readonly replica: string
  readonly incarnation: number
  readonly #keeper: GateKeeper
  #shut = false

  constructor(replica: string, incarnation: number, keeper: GateKeeper) {
    this.replica = replica
    this.incarnation = incarnation
    this.#keeper = keeper
  }

  get isShut(): boolean {
    return this.#shut
  }

  shut(): void {
    this.#shut = true
  }

  /** The port as this incarnation sees it: methods, effects and streams pass the gate, plain values do not change. */
  wrap<Service extends object>(port: string, service: Service): Service {
    const gated: Record<string, unknown> = {}
    for (const [name, member] of Object.entries(service)) gated[name] = this.#member(`${port}.${name}`, member, [])
    // The same members under the same names, each with the type it had.
    return gated as Service
  }

  #member(operation: string, member: unknown, args: ReadonlyArray<unknown>): unknown {
    if (Effect.isEffect(member)) return this.#step(operation, args, member as Effect.Effect<unknown, unknown>)
    if (Stream.isStream(member)) return this.#stream(operation, args, member as Stream.Stream<unknown, unknown>)
    if (typeof member !== "function") return member
    return (...given: ReadonlyArray<unknown>) => this.#member(operation, member(...given), given)
  }

  /** Each element is a step. */
  #stream(operation: string, args: ReadonlyArray<unknown>, stream: Stream.Stream<unknown, unknown>) {
    return stream.pipe(Stream.mapEffect((element) => this.#step(operation, args, Effect.succeed(element))))
  }

  #step(operation: string, args: ReadonlyArray<unknown>, call: Effect.Effect<unknown, unknown>) {
    return Effect.suspend(() => {
      if (this.#shut) return silence
      const step: Step = { replica: this.replica, incarnation: this.incarnation, operation, args }
      const directive = this.#keeper.begin(step)
      const { crash } = directive
      if (crash?.moment === "before") return this.#crash(crash.restartAfter)
      const effected = this.#effect(step, call)
      if (directive.lateEffect !== undefined) {
        this.#keeper.detach(Effect.delay(effected, directive.lateEffect))
        return Effect.never
      }
      const { delayBefore, failure } = directive
      if (typeof failure?.effect === "number") this.#keeper.detach(Effect.delay(effected, failure.effect))
      const taken =
        failure !== undefined && failure.effect !== "done"
          ? Effect.fail(failure.error)
          : Effect.flatMap(effected, (exit) => {
              if (crash !== undefined) return this.#crash(crash.restartAfter)
              return failure === undefined ? exit : Effect.fail(failure.error)
            })
      return delayBefore === undefined && directive.delayAfter === undefined
        ? this.#heard(taken)
        : this.#heard(this.#slowed(taken, directive))
    })
  }

  #effect(step: Step, call: Effect.Effect<unknown, unknown>): Effect.Effect<Exit.Exit<unknown, unknown>> {
    return Effect.suspend(() => {
      this.#keeper.entering(step)
      return Effect.exit(Effect.onExit(call, (exit) => Effect.sync(() => this.#keeper.effected(step, exit))))
    })
  }

  /** Takes effect and answers late. What is interrupted on its way takes effect all the same, unless it can be recalled. */
  #slowed(
    call: Effect.Effect<unknown, unknown>,
    { delayBefore = 0, delayAfter = 0, recallable = false }: Directive
  ): Effect.Effect<unknown, unknown> {
    return Effect.suspend(() => {
      const sentAt = this.#keeper.now()
      const goesOn = Effect.sync(() => {
        const left = sentAt + delayBefore - this.#keeper.now()
        if (!recallable) this.#keeper.detach(Effect.delay(call, Math.max(0, left)))
      })
      return Effect.onInterrupt(Effect.sleep(delayBefore), () => goesOn).pipe(
        Effect.andThen(Effect.exit(call)),
        Effect.flatMap((exit) => Effect.andThen(Effect.sleep(delayAfter), exit))
      )
    })
  }

  /** The answer, unless the gate was shut meanwhile. */
  #heard(call: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> {
    return Effect.onExit(call, () => (this.#shut ? silence : Effect.void))
  }

  #crash(restartAfter: number): Effect.Effect<never> {
    return Effect.suspend(() => {
      this.#shut = true
      this.#keeper.crashed(this.replica, restartAfter)
      return silence
    })
  }
}
