/** Parts that a configured process needs and this version does not have. A start names each of them once. */
import { StartRefused } from "./StartRefused.ts"

/** Refuses the start of a process that keeps its state in Redis and reads the chain. `file` is its configuration. */
export const refuseWithoutRedisAndChain = (file: string): StartRefused =>
  new StartRefused({
    sentences: [
      `${file}: redis.url: this version has no Redis stores, so nothing can be kept there; start relaymill demo, which needs none`,
      `${file}: pocket_node.query_node_rpc_url, pocket_node.query_node_grpc_url: this version has no chain client, so the node cannot be asked; start relaymill demo, which brings a simulated chain`
    ]
  })
