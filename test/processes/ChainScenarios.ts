/** What goes wrong between the fleet and its nodes: the devnet does it on command, and every relay is counted all the same. */
import { Effect } from "effect"
import { ProcessTestFailure } from "./ChildProcess.ts"
import type { Fleet } from "./Fleet.ts"
import { kill, reach, type Scenario } from "./Scenario.ts"

/** Before relays flow, in the middle of the first session, and when its claims, then its proofs, are under way. */
const START = 2n
const MIDDLE = 3n
const CLAIMING = 10n
const PROVING = 19n
const END = 24n

type Faults = Readonly<Record<string, unknown>>

/** One command of the devnet's control surface. */
export const command = ({ controlUrl }: Fleet, path: string, body: Faults): Effect.Effect<void, ProcessTestFailure> =>
  Effect.flatMap(
    Effect.promise(async () => {
      const response = await fetch(`${controlUrl}${path}`, { method: "POST", body: JSON.stringify(body) })
      return { status: response.status, text: await response.text() }
    }),
    ({ status, text }) =>
      status === 200 ? Effect.void : Effect.fail(new ProcessTestFailure({ detail: `${path} was refused: ${text}` }))
  )

/** Gives the nodes these faults. */
export const afflict = (fleet: Fleet, nodes: ReadonlyArray<number>, faults: Faults) =>
  Effect.forEach(nodes, (node) => command(fleet, `/nodes/${node}/faults`, faults), { discard: true })

const FIRST = [0]
/** Both nodes, by their numbers. */
export const BOTH = [0, 1]

/** Faults of some nodes from one height to another; `after` takes them back. */
const between =
  (from: bigint, to: bigint, nodes: ReadonlyArray<number>, faults: Faults, after: Faults): Scenario["disturb"] =>
  (fleet) =>
    Effect.gen(function* () {
      yield* reach(from)
      yield* afflict(fleet, nodes, faults)
      yield* reach(to)
      yield* afflict(fleet, nodes, after)
      return {}
    })

/** Both nodes go away for some seconds and come back on the same ports, twice: while claims, then proofs, are due. */
const restartNodes: Scenario["disturb"] = (fleet) =>
  Effect.gen(function* () {
    for (const height of [CLAIMING, PROVING]) {
      yield* reach(height)
      yield* Effect.forEach(BOTH, (node) => command(fleet, `/nodes/${node}/restart`, { downMillis: 2_500 }), {
        concurrency: "unbounded"
      })
    }
    return {}
  })

/** No block for so long, while claims are due; time goes on. */
const haltFor =
  (seconds: number): Scenario["disturb"] =>
  (fleet) =>
    Effect.gen(function* () {
      yield* reach(CLAIMING)
      yield* command(fleet, "/halt", { halted: true })
      yield* Effect.sleep(seconds * 1_000)
      yield* command(fleet, "/halt", { halted: false })
      return {}
    })

/** Sessions become shorter while the first one runs. */
const regrid: Scenario["disturb"] = (fleet) =>
  Effect.gen(function* () {
    yield* reach(MIDDLE)
    yield* command(fleet, "/params/shared", {
      numBlocksPerSession: 4,
      supplierUnbondingPeriodSessions: 6,
      applicationUnbondingPeriodSessions: 6,
      gatewayUnbondingPeriodSessions: 6
    })
    return {}
  })

/** At every stage of many sessions one of the miners, in turn, is killed and started again some seconds later. */
const killInTurn: Scenario["disturb"] = (fleet) =>
  Effect.gen(function* () {
    const present = [...fleet.miners]
    for (let height = 4n; height <= 84n; height += 5n) {
      yield* reach(height)
      const turn = Number(height) % present.length
      const victim = present[turn]
      if (victim === undefined) return {}
      yield* kill(victim.process)
      yield* Effect.sleep("2 seconds")
      present[turn] = { ...(yield* fleet.restart(victim)), name: victim.name }
    }
    return {}
  })

/** The scenarios, in the order of the table. */
export const chainScenarios: ReadonlyArray<Scenario> = [
  {
    name: "node-cut",
    title: "the first node drops every connection, from the session to its proofs",
    named: { ready: [/node node-1:26657 shows no blocks: .*transport/] },
    disturb: between(MIDDLE, PROVING, FIRST, { dropConnections: true }, { dropConnections: false })
  },
  {
    name: "nodes-restart",
    title: "both nodes restart while claims, then proofs, are due",
    disturb: restartNodes
  },
  {
    name: "node-lags",
    title: "the first node is 6 blocks behind",
    named: {
      ready: [/rpc endpoint node-1:26657: is \d blocks behind/, /query endpoint node-1:9090: is \d blocks behind/]
    },
    disturb: between(START, END, FIRST, { lagBlocks: 6 }, { lagBlocks: 0 })
  },
  {
    name: "node-of-another-chain",
    title: "the first node says that it is of another chain",
    named: { ready: [/node-1:26657: is a node of the chain "elsewhere"/], log: [/is a node of the chain "elsewhere"/] },
    disturb: between(START, END, FIRST, { wrongChainId: "elsewhere" }, { wrongChainId: null })
  },
  {
    name: "node-lies",
    title: "the first node names heights that do not exist",
    named: {
      ready: [/node node-1:26657 names height 10\d\d and does not show its block/],
      log: [/names height 10\d\d and does not show its block \(endpoint node-1:26657\)/]
    },
    disturb: between(START, END, FIRST, { heightLie: 1_000 }, { heightLie: 0 })
  },
  {
    name: "node-garbage",
    title: "the first node answers with bytes that mean nothing",
    named: { ready: [/node node-1:26657 shows no blocks: .*undecodable/] },
    disturb: between(START, END, FIRST, { garbage: true }, { garbage: false })
  },
  {
    name: "node-oversized",
    title: "answers of the first node are 80 MB too long",
    named: { ready: [/node node-1:26657 shows no blocks: .*the answer is longer than/] },
    disturb: between(CLAIMING, PROVING, FIRST, { oversizedBytes: 80_000_000 }, { oversizedBytes: 0 })
  },
  {
    name: "node-pruned",
    title: "the first node has no block below height 15",
    disturb: between(15n, END, FIRST, { prunedBelow: 15 }, { prunedBelow: 0 })
  },
  {
    name: "nodes-slow",
    title: "both nodes take a quarter of a second, and of a block, for every answer",
    disturb: between(START, END, BOTH, { slowMillis: 250 }, { slowMillis: 0 })
  },
  {
    name: "nodes-old",
    title: "both nodes lack the transaction index and compute units at heights",
    disturb: between(
      START,
      END,
      BOTH,
      { txIndexOff: true, unimplemented: ["/pocket.service.Query/ComputeUnitsPerRelayAtHeight"] },
      { txIndexOff: false, unimplemented: [] }
    )
  },
  {
    name: "mempool-full",
    title: "both nodes' mempools are full for three blocks of the claim window",
    disturb: between(CLAIMING, CLAIMING + 3n, BOTH, { mempoolFull: true }, { mempoolFull: false })
  },
  {
    name: "out-of-gas",
    title: "both nodes refuse transactions for lack of gas for three blocks of the claim window",
    disturb: between(CLAIMING, CLAIMING + 3n, BOTH, { outOfGas: true }, { outOfGas: false })
  },
  {
    name: "never-lands",
    title: "each node passes its next three transactions and loses them",
    disturb: between(CLAIMING - 1n, END, BOTH, { dropAccepted: 3 }, { dropAccepted: 0 })
  },
  {
    name: "halt",
    title: "the chain stands still for 30 s while claims are due",
    disturb: haltFor(30)
  },
  {
    name: "halt-10-minutes",
    isLong: true,
    title: "the chain stands still for 10 minutes while claims are due",
    disturb: haltFor(600)
  },
  {
    name: "regrid",
    title: "sessions become 4 blocks long while one of 6 runs",
    sessions: 2,
    disturb: regrid
  },
  {
    name: "life-cycle",
    title: "10 applications in 10 sessions each, 20 suppliers; a miner is killed every 5 blocks and comes back",
    isLong: true,
    // Two owners of one supplier may be killed one after the other: each takeover takes a lease's life, and a start.
    chain: { suppliers: 20, applications: 10, claimWindowBlocks: 20, proofWindowBlocks: 20 },
    sessions: 10,
    relaysPerSecond: 40,
    disturb: killInTurn
  }
]
