/**
 * Several endpoints of the chain that speak the same wire. A call goes to the best of them and, when it fails, to the
 * next, within one deadline; an endpoint that keeps failing rests and is tried again by a single call.
 */
import { Clock, Duration, Effect, Option, Random, Result, type Scope, Semaphore } from "effect"
import { monotonicMillisOf } from "../../domain/lifecycle/MonotonicTime.ts"
import type { ReadinessReason } from "../../domain/lifecycle/Readiness.ts"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { EndpointFailed, type FailureKind } from "./EndpointFailed.ts"
import { type BreakerSettings, type EndpointFault, EndpointFaults, EndpointHealth } from "./EndpointHealth.ts"
import { type ChainWire, endpointMetrics } from "./EndpointMetrics.ts"

/** One endpoint and what calls it. `name` is host and port: it is logged and shown, so no path and no credentials. */
export interface Endpoint<C> {
  readonly name: string
  readonly client: C
  /** Given where several pools call the endpoint: what one is told of it counts in all. */
  readonly faults?: EndpointFaults
}

/** How a pool calls. */
export interface EndpointPoolSettings extends BreakerSettings {
  readonly wire: ChainWire
  /** Longest time of a call with all its attempts. */
  readonly deadline: Duration.Duration
  /** Attempts after the first. */
  readonly retries: number
  /** Calls under way at the same moment; further ones wait within their deadline. */
  readonly concurrency: number
}

/** Deadline, attempts and rests that suit a node in reach: 5 s, two retries, five failures in a row, 2 s of rest. */
export const defaultPoolSettings = (wire: ChainWire): EndpointPoolSettings => ({
  wire,
  deadline: Duration.seconds(5),
  retries: 2,
  concurrency: 64,
  failureThreshold: 5,
  recovery: Duration.seconds(2)
})

/** What one endpoint said to a call that goes to all. */
export interface EndpointAnswer<A, E> {
  readonly endpoint: string
  readonly result: Result.Result<A, E | EndpointFailed>
}

/** Calls over the endpoints. A failure other than `EndpointFailed` is an answer: it is handed on and never retried. */
export interface EndpointPool<C> {
  /** Names in the order of the configuration. */
  readonly names: ReadonlyArray<string>
  /**
   * Asks the best endpoint, the next one when that fails. `operation` is a literal of the code: it labels metrics.
   * `ChainUnavailable.cause` is the last `EndpointFailed`.
   */
  readonly run: <A, E = never>(
    operation: string,
    use: (client: C, endpoint: string) => Effect.Effect<A, E | EndpointFailed>
  ) => Effect.Effect<A, E | ChainUnavailable>
  /** What the best endpoint has; when that is none, what another one has: nodes differ in what they keep and how far they are. */
  readonly find: <A>(
    operation: string,
    use: (client: C, endpoint: string) => Effect.Effect<Option.Option<A>, EndpointFailed>
  ) => Effect.Effect<Option.Option<A>, ChainUnavailable>
  /** Asks all endpoints at once that do not rest, all believed ones if every one rests; each within the deadline. */
  readonly each: <A, E = never>(
    operation: string,
    use: (client: C, endpoint: string) => Effect.Effect<A, E | EndpointFailed>
  ) => Effect.Effect<ReadonlyArray<EndpointAnswer<A, E>>>
  /**
   * Asks each endpoint once whose rest is over and that nobody has asked since: one that is well again would count as
   * resting for as long as nobody needs it.
   */
  readonly revive: <A, E = never>(
    operation: string,
    use: (client: C, endpoint: string) => Effect.Effect<A, E | EndpointFailed>
  ) => Effect.Effect<void>
  /** Says what is wrong with an endpoint that answers or, without a detail, that this is over. Unknown names are ignored. */
  readonly report: (endpoint: string, fault: EndpointFault, detail: string | undefined) => Effect.Effect<void>
  /** False of an endpoint that was reported to be of another chain or forked, and of unknown names. No I/O. */
  readonly isBelieved: (endpoint: string) => boolean
  /** What keeps endpoints from being asked; blocking when none is left. */
  readonly reasons: Effect.Effect<ReadonlyArray<ReadinessReason>>
}

/** How long a method that an endpoint does not have is not asked for there. */
const UNIMPLEMENTED_MILLIS = 60_000

/** Pause before endpoints are asked a second time: this, doubled each round, halved to doubled by chance. */
const ROUND_PAUSE_MILLIS = 100
const LONGEST_PAUSE_MILLIS = 1_000

/** Failures that an endpoint would repeat: only others are asked. */
const FOR_GOOD: ReadonlySet<FailureKind> = new Set(["internal", "undecodable", "unimplemented"])

/** Time that a call may need to end after its deadline. */
const GRACE_MILLIS = 100

interface Member<C> extends Endpoint<C> {
  readonly health: EndpointHealth
  /** Until when an operation is not asked of it, by name: those of the code. */
  readonly unimplemented: Map<string, number>
}

/**
 * A pool over endpoints, at least one. Its time is that of the clock it was made with, also for callers whose clock
 * stands still. The scope only holds its gauges.
 */
export const makeEndpointPool = <C>(
  endpoints: ReadonlyArray<Endpoint<C>>,
  settings: EndpointPoolSettings
): Effect.Effect<EndpointPool<C>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const metrics = yield* endpointMetrics(settings.wire)
    const semaphore = yield* Semaphore.make(settings.concurrency)
    const now = () => monotonicMillisOf(clock)
    const deadlineMillis = Duration.toMillis(settings.deadline)
    let calls = 0
    const members = endpoints.map((endpoint): Member<C> => ({
      ...endpoint,
      health: new EndpointHealth(clock, settings, endpoint.faults ?? new EndpointFaults()),
      unimplemented: new Map()
    }))
    for (const { health, name } of members) {
      yield* fillGauge(
        "relaymill_chain_endpoint_up",
        "Whether an endpoint of the chain is asked: 1 yes, 0 it rests after failures or is not believed",
        () => (health.down === undefined && !health.faults.isRefused ? 1 : 0),
        { wire: settings.wire, endpoint: name }
      )
    }
    yield* fillGauge(
      "relaymill_chain_calls",
      "Calls to the chain under way or waiting for their turn, by wire",
      () => calls,
      { wire: settings.wire }
    )

    /** One attempt within `millis`, counted and judged. An interrupted one says nothing of the endpoint. */
    const attempt = Effect.fnUntraced(function* <A, E>(
      member: Member<C>,
      operation: string,
      millis: number,
      use: (client: C, endpoint: string) => Effect.Effect<A, E | EndpointFailed>
    ) {
      const started = now()
      member.health.noteAsked()
      const result = yield* Effect.result(
        Effect.timeoutOrElse(use(member.client, member.name), {
          duration: Duration.millis(millis),
          orElse: () => Effect.fail(tooLate(member.name, operation, millis))
        })
      )
      const taken = now() - started
      if (Result.isSuccess(result) || !(result.failure instanceof EndpointFailed)) {
        metrics.asked(operation, "answered", taken / 1000)
        if (member.health.noteAnswer(taken)) {
          yield* Effect.logInfo("endpoint of the chain answers again").pipe(
            Effect.annotateLogs({ endpoint: member.name, wire: settings.wire })
          )
        }
        return result
      }
      const { kind, message } = result.failure
      metrics.asked(operation, kind, taken / 1000)
      if (kind === "unimplemented") member.unimplemented.set(operation, now() + UNIMPLEMENTED_MILLIS)
      if (member.health.noteFailure(kind, message)) {
        yield* Effect.logWarning("endpoint of the chain fails and rests").pipe(
          Effect.annotateLogs({ endpoint: member.name, wire: settings.wire, failure: message })
        )
      }
      return result
    })

    const knows = (member: Member<C>, operation: string) => (member.unimplemented.get(operation) ?? 0) <= now()

    /** Best first: those that may be asked, in the order of their rank, then of the configuration. */
    const candidates = (operation: string) =>
      members
        .filter((member) => member.health.isAvailable && knows(member, operation))
        .map((member) => ({ member, rank: member.health.rank }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ member }) => member)

    const whyNone = (operation: string): EndpointFailed => {
      const [lacking] = members
      // Only if nobody has it: one that rests might.
      if (lacking !== undefined && members.every((member) => !knows(member, operation))) {
        return unimplementedYet(lacking.name, operation)
      }
      const [first] = members
      const detail = members.map(({ name, health }) => `${name}: ${conditionOf(health) ?? "is not asked"}`).join("; ")
      return new EndpointFailed({ endpoint: first?.name ?? "none", operation, kind: "transport", detail })
    }

    const rounds = Effect.fnUntraced(function* <A, E>(
      operation: string,
      until: number,
      use: (client: C, endpoint: string) => Effect.Effect<A, E | EndpointFailed>
    ): Effect.fn.Return<A, E | EndpointFailed> {
      let last: EndpointFailed | undefined
      let attempts = 0
      const failedForGood = new Set<Member<C>>()
      for (let round = 0; ; round++) {
        const asked = candidates(operation).filter((member) => !failedForGood.has(member))
        const pause = round === 0 ? 0 : pauseMillis(round) * (0.5 + 1.5 * (yield* Random.next))
        if (asked.length === 0 || attempts > settings.retries || now() + pause >= until) {
          return yield* Effect.fail(last ?? whyNone(operation))
        }
        if (round > 0) yield* Effect.sleep(Duration.millis(pause))
        for (const [index, member] of asked.entries()) {
          const left = until - now()
          if (left <= 0 || attempts > settings.retries) return yield* Effect.fail(last ?? whyNone(operation))
          attempts++
          // An endpoint that is silent leaves time for the next.
          const result = yield* attempt(member, operation, index < asked.length - 1 ? left / 2 : left, use)
          if (Result.isSuccess(result)) return result.success
          if (!(result.failure instanceof EndpointFailed)) return yield* Effect.fail(result.failure)
          const failure = result.failure
          // That one endpoint lacks the method says less than how another failed.
          if (last === undefined || failure.kind !== "unimplemented") last = failure
          if (FOR_GOOD.has(failure.kind)) failedForGood.add(member)
        }
      }
    })

    const ownTime = Effect.provideService(Clock.Clock, clock)

    const run: EndpointPool<C>["run"] = <A, E = never>(
      operation: string,
      use: (client: C, endpoint: string) => Effect.Effect<A, E | EndpointFailed>
    ) =>
      Effect.suspend(() => {
        const until = now() + deadlineMillis
        calls++
        return semaphore
          .withPermits(1)(rounds(operation, until, use))
          .pipe(
            Effect.timeoutOrElse({
              duration: Duration.millis(deadlineMillis + GRACE_MILLIS),
              orElse: () => Effect.fail(noTurn(operation, deadlineMillis))
            }),
            Effect.mapError((error) =>
              error instanceof EndpointFailed ? new ChainUnavailable({ operation, cause: error }) : error
            ),
            Effect.ensuring(Effect.sync(() => calls--))
          )
      }).pipe(ownTime)

    const each: EndpointPool<C>["each"] = (operation, use) =>
      Effect.suspend(() => {
        const believed = members.filter(({ health }) => !health.faults.isRefused)
        const awake = believed.filter(({ health }) => health.isAvailable)
        return Effect.forEach(
          awake.length > 0 ? awake : believed,
          (member) =>
            Effect.map(attempt(member, operation, deadlineMillis, use), (result) => ({
              endpoint: member.name,
              result
            })),
          { concurrency: "unbounded" }
        )
      }).pipe(ownTime)

    return {
      names: members.map(({ name }) => name),
      run,
      find: Effect.fnUntraced(function* <A>(
        operation: string,
        use: (client: C, endpoint: string) => Effect.Effect<Option.Option<A>, EndpointFailed>
      ) {
        const found = yield* run<Option.Option<A>>(operation, use)
        if (Option.isSome(found) || members.length === 1) return found
        const answers = yield* each<Option.Option<A>>(operation, use)
        return Option.firstSomeOf(
          answers.map(({ result }) => (Result.isSuccess(result) ? result.success : Option.none<A>()))
        )
      }),
      each,
      revive: (operation, use) =>
        Effect.suspend(() =>
          Effect.forEach(
            members.filter(({ health }) => health.down !== undefined && health.isAvailable),
            (member) => attempt(member, operation, deadlineMillis, use),
            { concurrency: "unbounded", discard: true }
          )
        ).pipe(ownTime),
      report: Effect.fnUntraced(function* (name, fault, detail) {
        const member = members.find((candidate) => candidate.name === name)
        if (member === undefined || !member.health.faults.report(fault, detail)) return
        yield* (
          detail === undefined ? Effect.logInfo("endpoint of the chain is well again") : Effect.logWarning(detail)
        ).pipe(Effect.annotateLogs({ endpoint: name, wire: settings.wire, fault }))
      }),
      isBelieved: (name) => members.some((member) => member.name === name && !member.health.faults.isRefused),
      reasons: Effect.sync(() => {
        const isBlocking = members.every(({ health }) => health.down !== undefined || health.faults.isRefused)
        return members.flatMap(({ name, health }) => {
          const condition = conditionOf(health)
          return condition === undefined
            ? []
            : [{ text: `${settings.wire} endpoint ${name}: ${condition}`, isBlocking }]
        })
      })
    }
  })

/** Before chance, for rounds from 1. */
const pauseMillis = (round: number): number => Math.min(LONGEST_PAUSE_MILLIS, ROUND_PAUSE_MILLIS * 2 ** (round - 1))

/** What is wrong with an endpoint, in words; undefined when all is well. */
const conditionOf = (health: EndpointHealth): string | undefined => {
  const all = [...health.faults.details, ...(health.down === undefined ? [] : [`rests after ${health.down}`])]
  return all.length === 0 ? undefined : all.join(", ")
}

const tooLate = (endpoint: string, operation: string, millis: number) =>
  new EndpointFailed({ endpoint, operation, kind: "deadline", detail: `no answer within ${Math.round(millis)} ms` })

const noTurn = (operation: string, millis: number) =>
  new EndpointFailed({
    endpoint: "none",
    operation,
    kind: "overloaded",
    detail: `no turn within ${millis} ms: too many calls to the chain at once`
  })

const unimplementedYet = (endpoint: string, operation: string) =>
  new EndpointFailed({ endpoint, operation, kind: "unimplemented", detail: "it said so less than a minute ago" })
