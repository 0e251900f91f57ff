/** Parts that a configured process needs and this version does not have. A start names each of them once. */
import { StartRefused } from "./StartRefused.ts"

/** Refuses the start of a process that reads the chain through a node. `file` is its configuration. */
export const refuseWithoutChain = (file: string): StartRefused =>
  new StartRefused({
    sentences: [
      `${file}: pocket_node.query_node_rpc_url, pocket_node.query_node_grpc_url: this version has no chain client, so the node cannot be asked; start relaymill demo, which brings a simulated chain`
    ]
  })
