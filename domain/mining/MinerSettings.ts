/**
 * Settings of the miner's programs. A field's name carries its unit or its type does; bounds are named where they bind.
 */
import { Context, Duration } from "effect"
import { fleetTimes, LEASE_TTL, ORPHANS_EVERY, RENEW_EVERY } from "../supplier/FleetTimes.ts"
import type { GasPrice } from "../tx/TxFee.ts"
import { defaultTimeoutBounds, type TimeoutBounds } from "../tx/TxTimeout.ts"

/** How relays are folded into tries. */
export interface IngestSettings {
  /** Deliveries taken at once. Bounds the relays in memory that are not committed yet. */
  readonly batchRelays: number
  /** Longest wait for the first delivery of a batch; a stop is noticed at once all the same. */
  readonly deliveryWait: Duration.Duration
  /** Leaves in one commit; a larger part of a batch takes several. */
  readonly commitLeaves: number
  /** Bytes of leaves in one commit, beyond the first leaf. */
  readonly commitBytes: number
  /** Sessions of one batch that are folded and committed at the same time. */
  readonly concurrentSessions: number
  /** Tries kept in memory for one supplier; the least recently used is checkpointed and dropped beyond it. */
  readonly openTries: number
  /** Leaves after which a session's inner nodes are stored: bounds what opening has to insert again. */
  readonly checkpointLeaves: number
  /** Trie nodes in one call to the store. */
  readonly nodeChunk: number
  /**
   * Deliveries that the store handed out and that did not arrive are asked for at least so often: a read that was given
   * up may still take entries later. While nothing is delivered and no read fails the pauses grow to `deliveryWait`.
   */
  readonly redeliverEvery: Duration.Duration
  /** First and longest wait after a batch that could not be committed. */
  readonly retryAfter: Duration.Duration
  readonly retryAtMost: Duration.Duration
}

/** How claims and proofs reach the chain. */
export interface SubmissionSettings {
  /** Messages of one transaction. */
  readonly batchMessages: number
  /** Bytes of the messages of one transaction; nodes accept 749 kB through JSON-RPC. */
  readonly batchBytes: number
  /** One claim, one proof for each transaction. */
  readonly batchClaims: boolean
  readonly batchProofs: boolean
  /** Gas limit of a transaction by message; undefined: simulate. */
  readonly fixedGasPerMessage: bigint | undefined
  /** Factor on simulated gas. */
  readonly gasAdjustment: number
  /** Gas assumed for one claim or proof before one was simulated, and where a simulation cannot run. */
  readonly claimGas: bigint
  readonly proofGas: bigint
  readonly gasPrice: GasPrice
  /** Expected time between blocks: time-outs of transactions follow from it, nothing else. */
  readonly blockTime: Duration.Duration
  /** How time-outs of transactions follow from the time left in a window. */
  readonly timeouts: TimeoutBounds
  /** Sessions of one supplier that are planned, confirmed and settled at the same time. */
  readonly concurrentSessions: number
  /** Second transactions for one message whose first may be lost (`Replacement`); 0: none. */
  readonly maxReplacements: number
  /** None of them with so many blocks left, or fewer, in which its messages are accepted. */
  readonly replacementMarginBlocks: bigint
  /** Suppliers of this process whose claims are read from the chain at the same time, and the longest wait for them. */
  readonly claimReads: { readonly concurrent: number; readonly limit: Duration.Duration }
  /** Longest wait within one block for relays under way before a session that is due is sealed. */
  readonly sealPatience: Duration.Duration
  /** Sealing waits this long after the store was away: relayers may announce their spools later than we reconnect. */
  readonly sealAfterReconnect: Duration.Duration
  /** Pause between looks at what waits within one block. */
  readonly recheckEvery: Duration.Duration
  /** Blocks after its settlement height in which a session's settlement is looked for before it ends as unknown. */
  readonly settlementPatienceBlocks: bigint
  /** Blocks for which the events of an ended session are kept. */
  readonly retentionBlocks: bigint
}

/** How suppliers are shared with other replicas. */
export interface FleetSettings {
  /** Name of this replica, unique among the replicas. */
  readonly replica: string
  /** Pause between renewals. At most a third of the lease's life. */
  readonly renewEvery: Duration.Duration
  /** Pause between announcements, looks at the fair share and for free suppliers. */
  readonly orphansEvery: Duration.Duration
  /** The owner stops itself this long before its lease can end. */
  readonly leaseMargin: Duration.Duration
  /** A supplier handed over is not taken again for so long. */
  readonly handOverPause: Duration.Duration
  /** Longest time for commit, checkpoint and release at a graceful stop. */
  readonly drainDeadline: Duration.Duration
}

/** Bounds, times and fees of the miner, by the program that reads them. */
export interface MinerSettings {
  readonly ingest: IngestSettings
  readonly submission: SubmissionSettings
  readonly fleet: FleetSettings
}

const { renewEvery, orphansEvery, leaseMargin } = fleetTimes({
  ttl: LEASE_TTL,
  renewal: RENEW_EVERY,
  rebalance: ORPHANS_EVERY
})

/** Defaults for a network with blocks of 30 to 60 s; a demo shortens times, a fleet names its replicas. */
export const defaultMinerSettings: MinerSettings = {
  ingest: {
    batchRelays: 1_000,
    deliveryWait: Duration.seconds(15),
    commitLeaves: 1_000,
    commitBytes: 4_194_304,
    concurrentSessions: 4,
    openTries: 64,
    checkpointLeaves: 50_000,
    nodeChunk: 500,
    redeliverEvery: Duration.seconds(5),
    retryAfter: Duration.millis(100),
    retryAtMost: Duration.seconds(5)
  },
  submission: {
    batchMessages: 50,
    batchBytes: 500_000,
    batchClaims: true,
    batchProofs: true,
    fixedGasPerMessage: undefined,
    gasAdjustment: 1.7,
    claimGas: 150_000n,
    proofGas: 300_000n,
    gasPrice: { scaled: 1_000_000_000_000n, denom: "upokt" },
    blockTime: Duration.seconds(30),
    timeouts: defaultTimeoutBounds,
    concurrentSessions: 8,
    maxReplacements: 2,
    replacementMarginBlocks: 0n,
    claimReads: { concurrent: 64, limit: Duration.seconds(10) },
    sealPatience: Duration.seconds(5),
    sealAfterReconnect: Duration.seconds(5),
    recheckEvery: Duration.millis(250),
    settlementPatienceBlocks: 20n,
    retentionBlocks: 200n
  },
  fleet: {
    replica: "miner",
    renewEvery,
    orphansEvery,
    leaseMargin,
    handOverPause: Duration.seconds(10),
    drainDeadline: Duration.seconds(20)
  }
}

/** The settings of this process; `defaultMinerSettings` unless a layer provides others. */
export const MinerSettings = Context.Reference<MinerSettings>("relaymill/domain/mining/MinerSettings", {
  defaultValue: () => defaultMinerSettings
})
