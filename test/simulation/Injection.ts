/** Turns the faults of a run into what becomes of each step: matches triggers and spans, adds the latency of every day. */
import { BackendFailed } from "../../domain/ports/Backends.ts"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { TxRefused } from "../../domain/ports/ChainTx.ts"
import { BroadcastUnavailable } from "../../domain/ports/Broadcast.ts"
import { LeasesUnavailable } from "../../domain/ports/Leases.ts"
import { MeterUnavailable } from "../../domain/ports/MeterStore.ts"
import { RelayLogUnavailable } from "../../domain/ports/RelayLog.ts"
import { SharedCacheUnavailable } from "../../domain/ports/SharedCache.ts"
import { StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import type { EffectOfFailure, Fault, Span, StepTrigger } from "./Faults.ts"
import type { Directive, Step } from "./Gate.ts"
import { hash } from "./SeededRandom.ts"

type FaultOf<Tag extends Fault["_tag"]> = Extract<Fault, { readonly _tag: Tag }>
type StepFault = Extract<Fault, { readonly at: StepTrigger }>

/** What a step has set off. */
interface Consequence {
  readonly fault: FaultOf<"Aftermath">
  readonly span: Span
}

/** Local calls: no time passes in them, and nothing fails. */
const LOCAL = new Set(["Blocks.latest", "Blocks.changes", "Broadcast.subscribe"])
const LOCAL_PORTS = new Set(["SupplierKeys", "RingVerifier", "RelaySpool", "Backends"])

/** How late the answers of a port are that is about to be away. */
const LEAD_DELAY_MILLIS = 1_300

/** Calls that wait for something and, interrupted, must not take it from others (`SupplierStore.deliveries`). */
const RECALLABLE = new Set(["SupplierStore.deliveries"])

export class Injection {
  readonly #seed: number
  readonly #counts = new Map<string, number>()
  readonly #triggers = new Map<string, Array<StepFault>>()
  readonly #outages: ReadonlyArray<FaultOf<"Outage">>
  readonly #flaky: ReadonlyArray<FaultOf<"Flaky">>
  readonly #slowness: ReadonlyArray<FaultOf<"Slowness">>
  readonly #pauses: ReadonlyArray<FaultOf<"Pause">>
  readonly #unheard: ReadonlyArray<FaultOf<"Unheard">>
  readonly #redeliveries: ReadonlyArray<FaultOf<"SteadyRedelivery">>
  /** After this moment only the latency of every day remains. */
  readonly #healedAt: number
  /** Operations of which the calls of all miners are counted together. */
  readonly #countedTogether = new Set<string>()
  readonly #consequences: Array<Consequence> = []
  /** Faults that have had an effect. */
  readonly fired = new Set<Fault>()

  constructor(seed: number, faults: ReadonlyArray<Fault>, healedAt: number) {
    this.#seed = seed
    this.#healedAt = healedAt
    for (const fault of faults) {
      if (!("at" in fault) || typeof fault.at === "number") continue
      // Only faults at a step have an object there.
      const at = fault as StepFault
      const key = triggerKey(at.at)
      this.#triggers.set(key, [...(this.#triggers.get(key) ?? []), at])
      if (at.at.replica === ALL_MINERS) this.#countedTogether.add(at.at.operation)
    }
    this.#outages = faults.filter((fault) => fault._tag === "Outage")
    this.#flaky = faults.filter((fault) => fault._tag === "Flaky")
    this.#slowness = faults.filter((fault) => fault._tag === "Slowness")
    this.#pauses = faults.filter((fault) => fault._tag === "Pause")
    this.#unheard = faults.filter((fault) => fault._tag === "Unheard")
    this.#redeliveries = faults.filter((fault) => fault._tag === "SteadyRedelivery")
  }

  /** What becomes of a step at `now`, milliseconds from the start of the run. */
  directive(step: Step, now: number): Directive {
    const directive = this.#directive(step, now)
    const recallable = RECALLABLE.has(step.operation) || isLocal(step.operation)
    return directive.delayBefore === undefined ? directive : { ...directive, recallable }
  }

  #directive(step: Step, now: number): Directive {
    const { replica, operation } = step
    const nth = this.#count(`${replica}|${operation}`)
    const any = this.#count(`${replica}|*`)
    const isCountedTogether = this.#countedTogether.has(operation) && aims(ALL_MINERS, replica)
    const nthOfAll = isCountedTogether ? this.#count(`${ALL_MINERS}|${operation}`) : 0
    if (now >= this.#healedAt) return this.#latency(step, any)
    let directive: Directive = this.#latency(step, any)
    for (const outage of this.#outages) {
      if (!concerns(outage.port, operation) || !aims(outage.replica, replica)) continue
      if (inSpan(outage.span, now)) directive = this.#failed(outage, directive, step, outage.effect)
      else if (inSpan({ from: outage.span.from - outage.lead, millis: outage.lead }, now)) {
        directive = { ...directive, delayAfter: LEAD_DELAY_MILLIS }
      }
    }
    for (const { fault, span } of this.#consequences) {
      if (!fault.calls.includes(operation) || !aims(fault.replica, replica) || !inSpan(span, now)) continue
      if (fault.late === undefined) directive = this.#failed(fault, directive, step, fault.effect)
      else {
        this.fired.add(fault)
        directive = { ...directive, delayBefore: 0, delayAfter: fault.late }
      }
    }
    for (const unheard of this.#unheard) {
      if (operation !== "SupplierStore.deliveries" || !aims(unheard.replica, replica)) continue
      if (!inSpan(unheard.span, now)) continue
      this.fired.add(unheard)
      directive = { ...directive, delayBefore: 0, delayAfter: unheard.millis }
    }
    for (const slow of this.#slowness) {
      if (!operation.startsWith(`${slow.port}.`) || !aims(slow.replica, replica) || !inSpan(slow.span, now)) continue
      this.fired.add(slow)
      directive = { ...directive, delayBefore: slow.millis / 2, delayAfter: slow.millis / 2 }
    }
    for (const flaky of this.#flaky) {
      if (flaky.replica !== replica || (flaky.operation !== "*" && flaky.operation !== operation)) continue
      if (!inSpan(flaky.span, now) || nth % flaky.every !== 0) continue
      directive = this.#failed(flaky, directive, step, flaky.effect)
    }
    for (const pause of this.#pauses) {
      if (pause.replica !== replica || !inSpan(pause.span, now)) continue
      this.fired.add(pause)
      directive = { ...directive, delayBefore: pause.span.from + pause.span.millis - now }
    }
    const triggered = [
      ...(this.#triggers.get(`${replica}|${operation}|${nth}`) ?? []),
      ...(this.#triggers.get(`${replica}|*|${any}`) ?? []),
      ...(isCountedTogether ? (this.#triggers.get(`${ALL_MINERS}|${operation}|${nthOfAll}`) ?? []) : [])
    ]
    for (const fault of triggered) {
      if (fault._tag === "Aftermath") {
        this.#consequences.push({ fault, span: { from: now + fault.after, millis: fault.millis } })
        continue
      }
      this.fired.add(fault)
      switch (fault._tag) {
        case "Crash":
          return { ...directive, crash: fault }
        case "Failure":
          directive = this.#failed(fault, directive, step, fault.effect)
          break
        case "Answer":
          directive = { ...directive, failure: { error: ANSWERS[fault.answer], effect: fault.effect } }
          break
        case "Slow":
          if (!isLocal(operation)) directive = { ...directive, delayBefore: fault.before, delayAfter: fault.after }
          break
        case "LateAppend":
          return { lateEffect: fault.millis }
      }
    }
    return directive
  }

  /** Whether deliveries are to be handed out again after this step. */
  redelivers(step: Step, now: number): boolean {
    if (now >= this.#healedAt) return false
    const any = this.#counts.get(`${step.replica}|*`) ?? 0
    const due = this.#redeliveries.find(({ replica, every }) => replica === step.replica && any % every === 0)
    if (due !== undefined) this.fired.add(due)
    return due !== undefined
  }

  #count(key: string): number {
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    return count
  }

  #failed(fault: Fault, directive: Directive, step: Step, effect: EffectOfFailure): Directive {
    const error = errorOf(step.operation, step.args)
    if (error === undefined) return directive
    this.fired.add(fault)
    return { ...directive, failure: { error, effect } }
  }

  /** Every third call to another machine takes up to 40 ms before or after its effect. */
  #latency({ replica, operation }: Step, nth: number): Directive {
    if (isLocal(operation)) return {}
    const drawn = hash(`${this.#seed}|${replica}|${nth}`)
    if (drawn % 3 !== 0) return {}
    return { delayBefore: (drawn >>> 4) % 40, delayAfter: (drawn >>> 12) % 40 }
  }
}

/** Target of what concerns every miner. */
export const ALL_MINERS = "miner-*"

const triggerKey = ({ replica, operation, nth }: StepTrigger): string => `${replica}|${operation}|${nth}`

const inSpan = ({ from, millis }: Span, now: number): boolean => from <= now && now < from + millis

/** `port` is that of the operation, or the operation itself. */
const concerns = (port: string, operation: string): boolean => operation === port || operation.startsWith(`${port}.`)

/** Refusals of a broadcast that say little about what became of it. */
const ANSWERS: Readonly<Record<FaultOf<"Answer">["answer"], TxRefused>> = {
  nonce_used: new TxRefused({
    reason: "nonce_used",
    codespace: "sdk",
    code: 18,
    log: "failed to add unordered nonce: sender has already used timeout 1: invalid request"
  }),
  expired: new TxRefused({
    reason: "expired",
    codespace: "sdk",
    code: 18,
    log: "unordered tx ttl exceeds 10m0s: invalid request"
  })
}

const aims = (target: string, replica: string): boolean =>
  target.endsWith("*") ? replica.startsWith(target.slice(0, -1)) : target === replica

const isLocal = (operation: string): boolean =>
  LOCAL.has(operation) || LOCAL_PORTS.has(operation.slice(0, operation.indexOf(".")))

/** The port's own error for "no answer", as its adapter would give it; none for calls that cannot fail so. */
const errorOf = (operation: string, args: ReadonlyArray<unknown>): unknown => {
  const [port = "", method = ""] = operation.split(".")
  const cause = "injected"
  // Methods are literals of the errors' schemas, checked there.
  switch (port) {
    case "SupplierStore":
      return new StoreUnavailable({ operation: method, cause })
    case "Leases":
      return method === "ttl" ? undefined : new LeasesUnavailable({ operation: method as "renew", cause })
    case "RelayLog":
      return new RelayLogUnavailable({ operation: method === "append" ? "append" : "announce", cause })
    case "MeterStore":
      return new MeterUnavailable({ operation: method as "take", cause })
    case "SharedCache":
      return new SharedCacheUnavailable({ operation: method as "get", cause })
    case "Broadcast":
      return method === "publish" ? new BroadcastUnavailable({ channel: String(args[0]), cause }) : undefined
    case "ChainQuery":
    case "ChainTx":
      return new ChainUnavailable({ operation: method, cause })
    case "Blocks":
      return method === "at" ? new ChainUnavailable({ operation: "block", cause }) : undefined
    case "Backends":
      return method === "forward"
        ? new BackendFailed({ reason: "unreachable", service: "", rpcType: "jsonrpc", cause })
        : undefined
    default:
      return undefined
  }
}
