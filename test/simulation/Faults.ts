/**
 * What goes wrong in a run, as data: a list of records drawn from the seed. Each record can be left out without changing
 * the others, so that a failing run shrinks to the faults it needs.
 */
import type { NodeFaults } from "../../adapters/simchain/NodeFaults.ts"
import type { SeededRandom } from "./SeededRandom.ts"

/**
 * The `nth` call (from 1) of `operation` by the replica, over all its incarnations. `*`: any operation. `miner-*`: the calls
 * of all miners are counted together.
 */
export interface StepTrigger {
  readonly replica: string
  readonly operation: string
  readonly nth: number
}

/** A span of virtual time in milliseconds from the start of the run. */
export interface Span {
  readonly from: number
  readonly millis: number
}

/**
 * What a call that fails did: nothing, all of it (a lost reply), or all of it but so many milliseconds after the caller
 * gave it up.
 */
export type EffectOfFailure = "none" | "done" | number

export type BackendMode = "status_500" | "unreachable" | "timeout" | "too_large" | "unhealthy" | "slow"

export type Fault =
  /** The replica dies at a step and starts again later. */
  | {
      readonly _tag: "Crash"
      readonly at: StepTrigger
      readonly moment: "before" | "after"
      readonly restartAfter: number
    }
  /** The replica dies at a moment, wherever it is. */
  | { readonly _tag: "Kill"; readonly replica: string; readonly at: number; readonly restartAfter: number }
  /** The replica is stopped gracefully and started again. */
  | { readonly _tag: "Stop"; readonly replica: string; readonly at: number; readonly restartAfter: number }
  /** One call fails. */
  | { readonly _tag: "Failure"; readonly at: StepTrigger; readonly effect: EffectOfFailure }
  /** Every `every`-th call of `operation` by the replica fails during the span. */
  | {
      readonly _tag: "Flaky"
      readonly replica: string
      readonly operation: string
      readonly every: number
      readonly span: Span
      readonly effect: EffectOfFailure
    }
  /** One broadcast is answered with a refusal that leaves open what became of it: sent twice on its way, or a slow clock. */
  | {
      readonly _tag: "Answer"
      readonly at: StepTrigger
      readonly answer: "nonce_used" | "expired"
      readonly effect: EffectOfFailure
    }
  /** One call takes effect late or its answer comes late. */
  | { readonly _tag: "Slow"; readonly at: StepTrigger; readonly before: number; readonly after: number }
  /** One append is never answered and takes effect later. */
  | { readonly _tag: "LateAppend"; readonly at: StepTrigger; readonly millis: number }
  /**
   * Every call of a port, or one of its calls (`ChainTx.simulate`), by the replica (`miner-*`: by all miners) fails for a
   * while; during `lead` milliseconds before, answers take more than a second.
   */
  | {
      readonly _tag: "Outage"
      readonly port: string
      readonly replica: string
      readonly span: Span
      readonly lead: number
      readonly effect: EffectOfFailure
    }
  /** Every call of a port by the replica takes longer for a while: half of it before its effect, half after. */
  | {
      readonly _tag: "Slowness"
      readonly port: string
      readonly replica: string
      readonly span: Span
      readonly millis: number
    }
  /**
   * From `after` milliseconds after a step on, the calls (`ChainQuery.claims`) of the replica fail for a while, or with
   * `late` are answered so many milliseconds late.
   */
  | {
      readonly _tag: "Aftermath"
      readonly at: StepTrigger
      readonly replica: string
      readonly calls: ReadonlyArray<string>
      readonly after: number
      readonly millis: number
      readonly effect: EffectOfFailure
      readonly late?: number
    }
  /** What the log hands to the replica during the span is heard of so many milliseconds later: delivered, and in no hand. */
  | { readonly _tag: "Unheard"; readonly replica: string; readonly span: Span; readonly millis: number }
  /**
   * Whoever owns the supplier dies, then each successor in turn, so many milliseconds after it took over. All start again
   * later.
   */
  | {
      readonly _tag: "OwnersDie"
      readonly supplier: number
      readonly at: number
      readonly successors: ReadonlyArray<number>
      readonly restartAfter: number
    }
  /** The replica's calls take effect only when the span is over, as after a long pause of its process. */
  | { readonly _tag: "Pause"; readonly replica: string; readonly span: Span }
  /** The lease of the supplier is gone from the store. */
  | { readonly _tag: "LostLease"; readonly supplier: number; readonly at: number }
  /** Deliveries handed out and not acknowledged are handed out again. */
  | { readonly _tag: "Redelivery"; readonly supplier: number; readonly at: number }
  /** Every `every`-th step of the replica is followed by a redelivery for all suppliers. */
  | { readonly _tag: "SteadyRedelivery"; readonly replica: string; readonly every: number }
  /** An entry that is or was in the log is appended once more, the `nth` appended before. */
  | { readonly _tag: "DoubledEntry"; readonly supplier: number; readonly nth: number; readonly at: number }
  /** A relayer's node or a miner's node misbehaves for a while. */
  | {
      readonly _tag: "Node"
      readonly replica: string
      readonly span: Span
      readonly faults: Partial<NodeFaults>
    }
  /** The chain makes no blocks for a while. */
  | { readonly _tag: "Halt"; readonly span: Span }
  /** Transactions of a block are executed in another order than they came. */
  | { readonly _tag: "Shuffle" }
  /** Governance changes the claim and proof windows while sessions last. */
  | { readonly _tag: "ParamChange"; readonly height: number; readonly claimClose: number; readonly proofClose: number }
  /** A backend answers badly for a while. */
  | { readonly _tag: "Backend"; readonly service: number; readonly span: Span; readonly mode: BackendMode }
  /** The gateway sends the `nth` request once more, to the next relayer. */
  | { readonly _tag: "DuplicateRequest"; readonly nth: number; readonly after: number; readonly elsewhere: boolean }
  /** The gateway holds the `nth` request back. */
  | { readonly _tag: "LateRequest"; readonly nth: number; readonly after: number }
  /** The gateway hangs up on the `nth` request. */
  | { readonly _tag: "HangUp"; readonly nth: number; readonly after: number }

/**
 * Which faults a run draws from. `calm` runs have none and must end without a single loss; one `mishap` where windows are
 * wide, or any number of faults of `relayers`, may not cost a claim or a proof.
 */
export type Weather = "calm" | "mishap" | "relayers" | "miners" | "chain" | "storm"

/** What faults can aim at. */
export interface FaultTargets {
  readonly relayers: ReadonlyArray<string>
  readonly miners: ReadonlyArray<string>
  readonly suppliers: number
  readonly services: number
  readonly requests: number
  /** Virtual milliseconds in which gateways send: faults of relayers begin in them. */
  readonly trafficMillis: number
  /** Virtual milliseconds in which all other faults begin. */
  readonly horizon: number
  readonly blockMillis: number
}

/** The faults of a run, in no particular order. */
export const drawFaults = (random: SeededRandom, weather: Weather, targets: FaultTargets): ReadonlyArray<Fault> => {
  const makers = MAKERS[weather]
  if (weather === "mishap") return [random.pick(makers)(random, targets)]
  const count = makers.length === 0 ? 0 : random.between(2, weather === "storm" ? 18 : 9)
  return Array.from({ length: count }, () => random.pick(makers)(random, targets))
}

type Maker = (random: SeededRandom, targets: FaultTargets) => Fault

const RELAYER_STEPS = [
  "RelayLog.append",
  "RelayLog.announceSpool",
  "RelaySpool.offer",
  "RelaySpool.remove",
  "RelaySpool.peek",
  "MeterStore.take",
  "MeterStore.giveBack",
  "Backends.forward",
  "SupplierKeys.sign",
  "RingVerifier.verify",
  "ChainQuery.session",
  "ChainQuery.publicKey",
  "ChainQuery.application",
  "*"
] as const

const MINER_STEPS = [
  "SupplierStore.commit",
  "SupplierStore.commit",
  "SupplierStore.commit",
  "SupplierStore.deliveries",
  "SupplierStore.saveIntent",
  "SupplierStore.saveIntent",
  "SupplierStore.dropIntent",
  "SupplierStore.writeNodes",
  "SupplierStore.deleteNodes",
  "SupplierStore.dropNodes",
  "SupplierStore.redeliver",
  "SupplierStore.load",
  "SupplierStore.backlog",
  "Leases.acquire",
  "Leases.renew",
  "Leases.release",
  "ChainTx.broadcast",
  "ChainTx.broadcast",
  "ChainTx.simulate",
  "ChainTx.find",
  "ChainQuery.claim",
  "ChainQuery.claims",
  "ChainQuery.blockEvents",
  "ChainQuery.proofParams",
  "Blocks.at",
  "*"
] as const

const stepOf = (
  random: SeededRandom,
  replicas: ReadonlyArray<string>,
  operations: ReadonlyArray<string>
): StepTrigger => {
  const operation = random.pick(operations)
  return {
    replica: random.pick(replicas),
    operation,
    nth: random.between(1, operation === "*" ? 400 : random.pick([2, 4, 12, 60]))
  }
}

const spanOf = (random: SeededRandom, { horizon, blockMillis }: FaultTargets, blocks: number): Span => ({
  from: random.between(0, horizon),
  millis: random.between(100, blocks * blockMillis)
})

const trafficSpan = (random: SeededRandom, targets: FaultTargets, blocks: number): Span =>
  spanOf(random, { ...targets, horizon: targets.trafficMillis }, blocks)

/** What a call that fails did. */
export const effectOf = (random: SeededRandom): EffectOfFailure =>
  random.pick<EffectOfFailure>(["none", "none", "done", "done", random.between(20, 1_500), random.between(100, 6_000)])

const restart = (random: SeededRandom, { blockMillis }: FaultTargets): number => random.between(50, 2 * blockMillis)

const relayerMakers: ReadonlyArray<Maker> = [
  (random, targets) => ({
    _tag: "Crash",
    at: stepOf(random, targets.relayers, RELAYER_STEPS),
    moment: random.pick(["before", "after"]),
    restartAfter: restart(random, targets)
  }),
  (random, targets) => ({
    _tag: "Kill",
    replica: random.pick(targets.relayers),
    at: random.between(0, targets.trafficMillis),
    restartAfter: restart(random, targets)
  }),
  (random, targets) => ({
    _tag: "Stop",
    replica: random.pick(targets.relayers),
    at: random.between(0, targets.trafficMillis),
    restartAfter: restart(random, targets)
  }),
  (random, targets) => ({
    _tag: "Failure",
    at: stepOf(random, targets.relayers, RELAYER_STEPS),
    effect: effectOf(random)
  }),
  (random, targets) => ({
    _tag: "Slow",
    at: stepOf(random, targets.relayers, RELAYER_STEPS),
    before: random.between(0, 600),
    after: random.between(0, 600)
  }),
  (random, targets) => ({
    _tag: "LateAppend",
    at: stepOf(random, targets.relayers, ["RelayLog.append"]),
    millis: random.between(300, 6 * targets.blockMillis)
  }),
  (random, targets) => ({
    _tag: "Outage",
    port: random.pick(["RelayLog", "RelayLog", "MeterStore", "ChainQuery"]),
    replica: random.pick([...targets.relayers, "relayer-*"]),
    span: trafficSpan(random, targets, 6),
    lead: random.pick([0, 2_000]),
    effect: effectOf(random)
  }),
  (random, targets) => ({
    _tag: "Flaky",
    replica: random.pick(targets.relayers),
    operation: random.pick(["RelayLog.append", ...RELAYER_STEPS]),
    every: random.between(1, 3),
    span: trafficSpan(random, targets, 5),
    effect: effectOf(random)
  }),
  (random, targets) => ({
    _tag: "Slowness",
    port: random.pick(["ChainQuery", "RelayLog", "MeterStore"]),
    replica: random.pick([...targets.relayers, "relayer-*"]),
    span: trafficSpan(random, targets, 4),
    millis: random.between(100, 2_000)
  }),
  (random, targets) => ({
    _tag: "Pause",
    replica: random.pick(targets.relayers),
    span: trafficSpan(random, targets, 3)
  }),
  (random, targets) => ({
    _tag: "Backend",
    service: random.between(0, targets.services - 1),
    span: trafficSpan(random, targets, 4),
    mode: random.pick(["status_500", "unreachable", "timeout", "too_large", "unhealthy", "slow"])
  }),
  (random, targets) => ({
    _tag: "DuplicateRequest",
    nth: random.between(0, targets.requests - 1),
    after: random.between(0, 3 * targets.blockMillis),
    elsewhere: random.chance(0.5)
  }),
  (random, targets) => ({
    _tag: "LateRequest",
    nth: random.between(0, targets.requests - 1),
    after: random.between(targets.blockMillis, 8 * targets.blockMillis)
  }),
  (random, targets) => ({
    _tag: "HangUp",
    nth: random.between(0, targets.requests - 1),
    after: random.between(0, 30)
  }),
  (random, targets) => ({
    _tag: "DoubledEntry",
    supplier: random.between(0, targets.suppliers - 1),
    nth: random.between(0, 20),
    at: random.between(targets.blockMillis, targets.horizon + 6 * targets.blockMillis)
  })
]

const minerMakers: ReadonlyArray<Maker> = [
  (random, targets) => ({
    _tag: "Crash",
    at: stepOf(random, targets.miners, MINER_STEPS),
    moment: random.pick(["before", "after"]),
    restartAfter: restart(random, targets)
  }),
  (random, targets) => ({
    _tag: "Crash",
    at: stepOf(random, targets.miners, MINER_STEPS),
    moment: random.pick(["before", "after"]),
    restartAfter: restart(random, targets)
  }),
  (random, targets) => ({
    _tag: "Kill",
    replica: random.pick(targets.miners),
    at: random.between(0, targets.horizon),
    restartAfter: restart(random, targets)
  }),
  (random, targets) => ({
    _tag: "Stop",
    replica: random.pick(targets.miners),
    at: random.between(0, targets.horizon),
    restartAfter: restart(random, targets)
  }),
  (random, targets) => ({
    _tag: "Failure",
    at: stepOf(random, targets.miners, MINER_STEPS),
    effect: effectOf(random)
  }),
  (random, targets) => ({
    _tag: "Slow",
    at: stepOf(random, targets.miners, MINER_STEPS),
    before: random.between(0, 2 * targets.blockMillis),
    after: random.between(0, 2 * targets.blockMillis)
  }),
  // Relays stay in the log, or with a reader that did not hear of them, while a session is due to be sealed.
  (random, targets) => ({
    _tag: "Outage",
    port: "SupplierStore.deliveries",
    replica: "miner-*",
    span: {
      from: random.between(1, Math.floor(targets.horizon / targets.blockMillis)) * targets.blockMillis - 1_500,
      millis: random.between(2_000, 5_500)
    },
    lead: 0,
    effect: random.pick<EffectOfFailure>(["none", "done"])
  }),
  (random, targets) => ({
    _tag: "Outage",
    port: random.pick(["SupplierStore", "Leases", "ChainQuery", "ChainTx", "Broadcast"]),
    replica: random.pick([...targets.miners, "miner-*", "*"]),
    span: spanOf(random, targets, 3),
    lead: random.pick([0, 2_000]),
    effect: effectOf(random)
  }),
  (random, targets) => ({
    _tag: "Outage",
    port: "Leases",
    replica: random.pick(targets.miners),
    span: spanOf(random, targets, 5),
    lead: random.pick([0, 2_000]),
    effect: effectOf(random)
  }),
  (random, targets) => ({
    _tag: "Flaky",
    replica: random.pick(targets.miners),
    operation: random.pick(["SupplierStore.commit", "SupplierStore.commit", ...MINER_STEPS]),
    every: random.between(1, 3),
    span: spanOf(random, targets, 4),
    effect: effectOf(random)
  }),
  (random, targets) => ({
    _tag: "Flaky",
    replica: random.pick(targets.miners),
    operation: "SupplierStore.commit",
    every: random.between(1, 2),
    span: spanOf(random, targets, 3),
    effect: random.between(20, 4_000)
  }),
  (random, targets) => ({
    _tag: "Slowness",
    port: random.pick(["ChainQuery", "ChainTx", "SupplierStore"]),
    replica: random.pick([...targets.miners, "miner-*"]),
    span: spanOf(random, targets, 5),
    millis: random.between(300, 2 * targets.blockMillis)
  }),
  (random, targets) => ({ _tag: "Pause", replica: random.pick(targets.miners), span: spanOf(random, targets, 4) }),
  (random, targets) => ({
    _tag: "LostLease",
    supplier: random.between(0, targets.suppliers - 1),
    at: random.between(targets.blockMillis, targets.horizon)
  }),
  (random, targets) => ({
    _tag: "Redelivery",
    supplier: random.between(0, targets.suppliers - 1),
    at: random.between(targets.blockMillis, targets.horizon)
  }),
  (random, targets) => ({
    _tag: "SteadyRedelivery",
    replica: random.pick(targets.miners),
    every: random.between(1, 5)
  })
]

const chainMakers: ReadonlyArray<Maker> = [
  (random, targets) => ({
    _tag: "Node",
    replica: random.pick([...targets.miners, ...targets.miners, ...targets.relayers]),
    span: spanOf(random, targets, 4),
    faults: random.pick<Partial<NodeFaults>>([
      { lagBlocks: BigInt(random.between(1, 3)) },
      { blocksStalled: true },
      { queriesFail: true },
      { txsFail: true },
      { dropAccepted: random.between(1, 2) },
      { dropAccepted: random.between(1, 2), dropKeepsCache: true },
      { loseReplies: random.between(1, 2) },
      { inclusionDelayBlocks: 1n },
      { refusals: [MEMPOOL_FULL] },
      { refusals: [{ codespace: "sdk", code: 13, log: "insufficient fees; got: 1upokt required: 2upokt" }] },
      { refusals: [{ codespace: "sdk", code: 11, log: "out of gas in location: WriteFlat; gasWanted: 1, gasUsed: 2" }] }
    ])
  }),
  (random, targets) => ({
    _tag: "Halt",
    span: { ...spanOf(random, targets, 4), from: random.between(targets.horizon / 2, targets.horizon) }
  }),
  () => ({ _tag: "Shuffle" }),
  (random, targets) => ({
    _tag: "ParamChange",
    height: random.between(2, Math.floor(targets.horizon / targets.blockMillis)),
    claimClose: random.between(0, 3),
    proofClose: random.between(1, 3)
  })
]

/** What stands between a sealed session and the chain: single calls that fail, answers that mislead, single losses. */
const submissionMakers: ReadonlyArray<Maker> = [
  (random, targets) => ({
    _tag: "Outage",
    port: random.pick(["ChainTx.simulate", "ChainQuery.claims"]),
    replica: random.pick([...targets.miners, "miner-*", "miner-*"]),
    span: spanOf(random, targets, 6),
    lead: 0,
    effect: "none"
  }),
  // The first look of one height.
  (random, targets) => ({
    _tag: "Outage",
    port: random.pick(["ChainTx.simulate", "ChainQuery.claims", "ChainQuery.claims"]),
    replica: "miner-*",
    span: {
      from: random.between(4, Math.floor(targets.horizon / targets.blockMillis)) * targets.blockMillis - 100,
      millis: random.between(200, 1_300)
    },
    lead: 0,
    effect: "none"
  }),
  (random, targets) => ({
    _tag: "Answer",
    at: { replica: random.pick(targets.miners), operation: "ChainTx.broadcast", nth: random.between(1, 8) },
    answer: random.pick(["nonce_used", "nonce_used", "expired"]),
    effect: random.pick<EffectOfFailure>(["none", "done", "done", random.between(100, 6_000)])
  }),
  (random, targets) => ({
    _tag: "Node",
    replica: random.pick(targets.miners),
    span: { from: random.between(0, targets.horizon), millis: 12 * targets.blockMillis },
    faults: random.pick<Partial<NodeFaults>>([
      { refusals: [MEMPOOL_FULL] },
      { refusals: [MEMPOOL_FULL, MEMPOOL_FULL] },
      { loseReplies: random.between(1, 2) },
      { dropAccepted: 1 },
      { dropAccepted: 1, dropKeepsCache: true }
    ])
  }),
  (random, targets) => ({
    _tag: "Node",
    replica: random.pick(targets.miners),
    span: spanOf(random, targets, 6),
    faults: { queryLagBlocks: BigInt(random.between(1, 2)) }
  })
]

const MEMPOOL_FULL = { codespace: "sdk", code: 20, log: "mempool is full" }

/** Each a single event, over in a moment. */
const mishapMakers: ReadonlyArray<Maker> = [
  ...minerMakers.slice(0, 4),
  (random, targets) => ({
    _tag: "Failure",
    at: stepOf(random, targets.miners, MINER_STEPS),
    effect: effectOf(random)
  }),
  (random, targets) => ({
    _tag: "LostLease",
    supplier: random.between(0, targets.suppliers - 1),
    at: random.between(targets.blockMillis, targets.horizon)
  }),
  (random, targets) => ({
    _tag: "Node",
    replica: random.pick(targets.miners),
    span: spanOf(random, targets, 1),
    faults: random.pick<Partial<NodeFaults>>([
      { loseReplies: 1 },
      { dropAccepted: 1 },
      { dropAccepted: 1, dropKeepsCache: true },
      { txsFail: true }
    ])
  }),
  // Answers that mislead.
  ...submissionMakers.slice(2, 3)
]

const MAKERS: Readonly<Record<Weather, ReadonlyArray<Maker>>> = {
  calm: [],
  mishap: mishapMakers,
  relayers: relayerMakers,
  miners: [...minerMakers, ...submissionMakers],
  chain: [...chainMakers, ...chainMakers, ...submissionMakers, ...submissionMakers, ...minerMakers],
  storm: [...relayerMakers, ...minerMakers, ...chainMakers, ...submissionMakers]
}
