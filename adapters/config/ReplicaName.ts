/** Names of this process among the others of a fleet: unique as long as it lives. */
import { hostname } from "node:os"

/** `{kind}-{hostname}-{pid}`: what leases, spools and consumers are known by where the configuration says nothing. */
export const replicaName = (kind: "relayer" | "miner"): string => `${kind}-${hostAndProcess()}`

/** `{hostname}-{pid}`: the id in the leader's key, as the Go fleet writes it. */
export const hostAndProcess = (): string => `${hostname()}-${process.pid}`
