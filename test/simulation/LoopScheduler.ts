/**
 * Runs all fibers of one simulated run in one loop of this thread: first scheduled, first run; no event loop, no timer, no
 * wall clock. What is left to chance is drawn from the run's seed elsewhere, so a run repeats step by step.
 */
import { Effect, type Exit, type Fiber, type Scheduler } from "effect"

/** A run that does not get on is ended after so many tasks without one more turn of the clock. */
const MAX_TASKS_PER_TURN = 2_000_000

/** Fibers wake each other for ever and never wait for time. */
export class Livelock extends Error {
  override readonly name = "Livelock"
}

export class LoopScheduler implements Scheduler.Scheduler {
  readonly executionMode = "sync"
  #ready: Array<() => void> = []
  #head = 0
  #tasks = 0

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= 2_048
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => this.schedule(task), flush: () => {} }
  }

  /** Runs `task` after everything that is ready now. */
  schedule(task: () => void): void {
    this.#ready.push(task)
  }

  /** Tells that time went on: the run is not stuck. */
  turned(): void {
    this.#tasks = 0
  }

  /** Runs the effect, and everything that becomes ready meanwhile, until it ends or nothing is ready. */
  run<A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> | undefined {
    const fiber = Effect.runFork(effect, { scheduler: this })
    this.#drain(fiber)
    return fiber.pollUnsafe()
  }

  #drain(until: Fiber.Fiber<unknown, unknown>): void {
    while (this.#head < this.#ready.length && until.pollUnsafe() === undefined) {
      const task = this.#ready[this.#head]!
      this.#head++
      if (this.#head > 4_096) {
        this.#ready = this.#ready.slice(this.#head)
        this.#head = 0
      }
      if (++this.#tasks > MAX_TASKS_PER_TURN) throw new Livelock("fibers run on without waiting for time")
      task()
    }
  }
}
