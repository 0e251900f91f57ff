/** What happens in one run, as data drawn from its seed: the network, its traffic and its faults. */
import { defaultMinerSettings, type MinerSettings } from "../../domain/mining/MinerSettings.ts"
import type { ParamsOverrides } from "../../adapters/simchain/Genesis.ts"
import type { SharedParams } from "../../domain/protocol/SharedParams.ts"
import { Duration } from "effect"
import { composedFaults, drawComposition, type SessionTimes } from "./Compositions.ts"
import { drawFaults, type Fault, type Weather } from "./Faults.ts"
import type { RequestDefect } from "./RequestPool.ts"
import { SeededRandom } from "./SeededRandom.ts"

/** Virtual milliseconds between blocks. */
export const BLOCK_MILLIS = 5_000

/** Blocks of a session. */
export const SESSION_BLOCKS = 4

/** Virtual milliseconds of a lease: a little more than a block, or more than two. */
const LEASE_MILLIS = 6_000
const LONG_LEASE_MILLIS = 12_000

/** Blocks in which gateways send: two sessions. */
const TRAFFIC_BLOCKS = 2 * SESSION_BLOCKS

/** One request of a gateway. Actors by index. */
export interface PlannedRequest {
  readonly at: number
  readonly application: number
  readonly service: number
  readonly supplier: number
  readonly relayer: number
  /** Counts requests of the same application, service and supplier. */
  readonly serial: number
  readonly defect: RequestDefect
}

/** A service; every `oneIn`-th relay counts. */
export interface PlannedService {
  readonly id: string
  readonly computeUnitsPerRelay: bigint
  readonly target: Uint8Array | undefined
  readonly validation: "eager" | "optimistic"
}

export interface Scenario {
  readonly seed: number
  readonly weather: Weather
  readonly relayers: ReadonlyArray<string>
  readonly miners: ReadonlyArray<string>
  readonly suppliers: number
  readonly services: ReadonlyArray<PlannedService>
  /** Whether each application can pay for a handful of relays only. */
  readonly poor: ReadonlyArray<boolean>
  readonly params: ParamsOverrides
  readonly failBehavior: "open" | "closed"
  /** Leases of so many milliseconds. */
  readonly leaseMillis: number
  readonly settings: MinerSettings
  readonly requests: ReadonlyArray<PlannedRequest>
  readonly faults: ReadonlyArray<Fault>
  /** Milliseconds after which everything works again. */
  readonly healedAt: number
}

/** The scenario of a seed, from 1. */
export const drawScenario = (seed: number): Scenario => {
  const random = new SeededRandom(`relaymill ${seed}`)
  const network = random.stream("network")
  const weather = WEATHERS[seed % WEATHERS.length] ?? "storm"
  const suppliers = network.between(2, 3)
  const relayers = names("relayer", network.between(2, 3))
  const miners = names("miner", network.between(2, 3))
  const services: ReadonlyArray<PlannedService> = [
    {
      id: "svc1",
      computeUnitsPerRelay: 1_000n,
      target: undefined,
      validation: network.chance(0.3) ? "optimistic" : "eager"
    },
    {
      id: "svc2",
      computeUnitsPerRelay: 250n,
      target: network.chance(0.5) ? halfTarget() : undefined,
      validation: network.chance(0.3) ? "optimistic" : "eager"
    }
  ]
  const poor = [false, network.chance(0.8), network.chance(0.2)]
  const requests = drawRequests(random.stream("traffic"), { suppliers, relayers: relayers.length, applications: 3 })
  const horizon = (TRAFFIC_BLOCKS + 7) * BLOCK_MILLIS
  const together = random.stream("compositions")
  const composition = drawComposition(together, weather)
  const drawn = network.pick(weather === "mishap" ? WIDE_WINDOWS : WINDOWS)
  const isLong = composition?.isLong === true
  const offsets = isLong ? LONG_WINDOWS : drawn
  const leaseMillis = isLong && together.chance(0.4) ? LONG_LEASE_MILLIS : LEASE_MILLIS
  const targets = { suppliers, blockMillis: BLOCK_MILLIS, leaseMillis, sessions: sessionTimes(requests, offsets) }
  const composed = composition === undefined ? undefined : composedFaults(composition, together, weather, targets)
  const single = drawFaults(random.stream("faults"), weather, {
    relayers,
    miners,
    suppliers,
    services: services.length,
    requests: requests.length,
    trafficMillis: (TRAFFIC_BLOCKS + 1) * BLOCK_MILLIS,
    horizon,
    blockMillis: BLOCK_MILLIS
  })
  // A mishap is one event, of whatever kind.
  const faults = composed === undefined ? single : weather === "mishap" ? composed : [...single, ...composed]
  return {
    seed,
    weather,
    relayers,
    miners,
    suppliers,
    services,
    poor,
    params: {
      shared: {
        ...offsets,
        numBlocksPerSession: BigInt(SESSION_BLOCKS),
        ...UNBONDING
      },
      proof: {
        proofRequestProbability: network.pick([0, 0.5, 1, 1]),
        proofRequirementThreshold: network.pick([1n, 200_000n, 20_000_000_000n]),
        proofMissingPenalty: 1_000_000n,
        proofSubmissionFee: 1n
      },
      session: { numSuppliersPerSession: BigInt(suppliers) }
    },
    failBehavior: weather === "calm" || network.chance(0.5) ? "closed" : "open",
    leaseMillis,
    settings: withGas(minerSettings(network), random.stream("gas")),
    requests,
    faults,
    healedAt: horizon + 4 * BLOCK_MILLIS
  }
}

const WEATHERS: ReadonlyArray<Weather> = [
  "storm",
  "calm",
  "miners",
  "relayers",
  "chain",
  "storm",
  "mishap",
  "chain",
  "relayers",
  "mishap"
]

/** Long enough for every window that governance may set. */
const UNBONDING: Partial<SharedParams> = {
  supplierUnbondingPeriodSessions: 4n,
  applicationUnbondingPeriodSessions: 4n,
  gatewayUnbondingPeriodSessions: 4n
}

/** Claim and proof windows, from wide ones to windows of a single block. */
const WINDOWS: ReadonlyArray<Windows> = [
  windows(1n, 2n, 0n, 2n),
  windows(1n, 3n, 0n, 4n),
  windows(2n, 3n, 1n, 3n),
  windows(1n, 1n, 0n, 1n),
  windows(1n, 0n, 1n, 1n)
]

/** Room for a take-over, twelve seconds at most, in either window. */
const WIDE_WINDOWS: ReadonlyArray<Windows> = [windows(1n, 3n, 0n, 4n), windows(2n, 3n, 1n, 3n), windows(1n, 4n, 0n, 4n)]

/** Eight and five blocks. */
const LONG_WINDOWS = windows(1n, 7n, 0n, 4n)

type Windows = Pick<
  SharedParams,
  | "gracePeriodEndOffsetBlocks"
  | "claimWindowOpenOffsetBlocks"
  | "claimWindowCloseOffsetBlocks"
  | "proofWindowOpenOffsetBlocks"
  | "proofWindowCloseOffsetBlocks"
>

function windows(claimOpen: bigint, claimClose: bigint, proofOpen: bigint, proofClose: bigint): Windows {
  return {
    gracePeriodEndOffsetBlocks: 1n,
    claimWindowOpenOffsetBlocks: claimOpen,
    claimWindowCloseOffsetBlocks: claimClose,
    proofWindowOpenOffsetBlocks: proofOpen,
    proofWindowCloseOffsetBlocks: proofClose
  }
}

/** When the block of a height is made; a run starts at height 1. */
const momentOf = (height: number): number => (height - 1) * BLOCK_MILLIS

/** What happens when to each session of the traffic. */
const sessionTimes = (requests: ReadonlyArray<PlannedRequest>, offsets: Windows): ReadonlyArray<SessionTimes> =>
  Array.from({ length: TRAFFIC_BLOCKS / SESSION_BLOCKS }, (_, index) => {
    const end = (index + 1) * SESSION_BLOCKS
    const claimOpens = end + Number(offsets.claimWindowOpenOffsetBlocks) + 1
    const claimCloses = claimOpens + Number(offsets.claimWindowCloseOffsetBlocks)
    const proofOpens = claimCloses + Number(offsets.proofWindowOpenOffsetBlocks)
    const proofCloses = proofOpens + Number(offsets.proofWindowCloseOffsetBlocks)
    const sealedFrom = claimOpens === claimCloses ? claimOpens - 1 : claimOpens
    const from = index * SESSION_BLOCKS * BLOCK_MILLIS
    return {
      requests: requests.flatMap(({ at, supplier, defect }, nth) =>
        defect === "none" && at > from && at < from + SESSION_BLOCKS * BLOCK_MILLIS ? [{ nth, at, supplier }] : []
      ),
      servedUntil: momentOf(Math.min(sealedFrom, end + 2)),
      sealedFrom: momentOf(sealedFrom),
      claim: [momentOf(claimOpens), momentOf(claimCloses)],
      proof: [momentOf(proofOpens), momentOf(proofCloses)]
    }
  })

const drawRequests = (
  random: SeededRandom,
  bounds: { readonly suppliers: number; readonly relayers: number; readonly applications: number }
): ReadonlyArray<PlannedRequest> => {
  const serials = new Map<string, number>()
  const times = Array.from({ length: random.between(45, 70) }, () =>
    random.between(100, TRAFFIC_BLOCKS * BLOCK_MILLIS - 100)
  ).sort((a, b) => a - b)
  return times.map((at) => {
    const application = random.between(0, bounds.applications - 1)
    const service = random.chance(0.7) ? 0 : 1
    const supplier = random.between(0, bounds.suppliers - 1)
    const key = `${application}|${service}|${supplier}`
    const serial = serials.get(key) ?? 0
    serials.set(key, serial + 1)
    return {
      at,
      application,
      service,
      supplier,
      relayer: random.between(0, bounds.relayers - 1),
      serial,
      defect: random.chance(0.06) ? random.pick<RequestDefect>(["tampered", "stranger", "forged"]) : "none"
    }
  })
}

/** Small bounds and short times, so that a short run meets every bound. */
const minerSettings = (random: SeededRandom): MinerSettings => ({
  ingest: {
    ...defaultMinerSettings.ingest,
    batchRelays: random.between(2, 12),
    deliveryWait: Duration.millis(1_000),
    commitLeaves: random.between(2, 8),
    concurrentSessions: random.between(1, 3),
    openTries: random.between(1, 3),
    checkpointLeaves: random.between(2, 8),
    nodeChunk: random.between(1, 6),
    retryAfter: Duration.millis(100),
    retryAtMost: Duration.millis(1_000)
  },
  submission: {
    ...defaultMinerSettings.submission,
    batchMessages: random.between(1, 4),
    batchClaims: random.chance(0.8),
    batchProofs: random.chance(0.8),
    blockTime: Duration.millis(BLOCK_MILLIS),
    sealPatience: Duration.millis(1_000),
    sealAfterReconnect: Duration.millis(1_000),
    recheckEvery: Duration.millis(500),
    settlementPatienceBlocks: 5n,
    retentionBlocks: 1_000n
  },
  fleet: {
    replica: "miner",
    renewEvery: Duration.millis(1_500),
    orphansEvery: Duration.millis(1_500),
    leaseMargin: Duration.millis(500),
    handOverPause: Duration.millis(8_000),
    drainDeadline: Duration.millis(4_000)
  }
})

/** Sometimes the operator sets the gas of a message: enough for claims and proofs, for claims only, or too little. */
const withGas = ({ ingest, submission, fleet }: MinerSettings, random: SeededRandom): MinerSettings => ({
  ingest,
  submission: { ...submission, fixedGasPerMessage: random.pick([undefined, undefined, 400_000n, 150_000n, 100_000n]) },
  fleet
})

const names = (kind: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`)

/** About every second relay counts. */
function halfTarget(): Uint8Array {
  const target = new Uint8Array(32).fill(0xff)
  target[0] = 0x7f
  return target
}
