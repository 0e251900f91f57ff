/**
 * The `pocket_node` section: the full node that is asked and, by the miner, sent transactions. URLs may hold tokens.
 */
import { Redacted, Result, Schema } from "effect"
import { key, listOf, optional, required, section, type ValueOf } from "./ConfigReader.ts"
import { NonEmptyText } from "./GoScalar.ts"
import { HostPort, parseHostPort, writeHostPort } from "./HostPort.ts"
import { flag, seconds, text } from "./KeyKinds.ts"
import { textCodec, type TextCodec } from "./TextCodec.ts"

const rpcRemedy = "write for example http://localhost:26657"

/** CometBFT RPC URL; `tcp://` and no scheme mean `http://`. Decodes to an absolute http(s) URL. */
export const RpcUrl: TextCodec<Redacted.Redacted> = textCodec(
  Schema.Redacted(Schema.String),
  (value) => {
    const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value.replace(/^tcp:/i, "http:") : `http://${value}`
    const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined
    return url !== undefined && (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== ""
      ? Result.succeed(Redacted.make(url.href, { label: "node URL" }))
      : Result.fail(`expected an http, https or tcp URL; ${rpcRemedy}`)
  },
  Redacted.value
)

/** gRPC target `host:port`; a scheme is stripped, TLS is `grpc_insecure`'s matter. Port 443 if none is written. */
export const GrpcTarget: TextCodec<HostPort> = textCodec(
  HostPort,
  (value) => {
    const found = /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^/?#@]+)\/?$/i.exec(value)
    const address = found?.[1] === undefined ? undefined : parseHostPort(found[1], 443)
    return address === undefined
      ? Result.fail("expected host:port of a gRPC server; write for example localhost:9090")
      : Result.succeed(address)
  },
  (address) => writeHostPort(address.host, address.port)
)

const oneNode = {
  rpcUrl: key(
    "query_node_rpc_url",
    required(rpcRemedy, {
      codec: RpcUrl,
      type: "http, https or tcp URL",
      meaning: "CometBFT RPC: blocks, transactions, WebSocket subscription. Secret."
    })
  ),
  grpc: key(
    "query_node_grpc_url",
    optional({
      codec: GrpcTarget,
      type: "`host:port`, a scheme is ignored",
      meaning: "Cosmos gRPC: state of the chain. Left out: state is read over RPC."
    })
  ),
  grpcInsecure: key("grpc_insecure", flag(false, "true: gRPC without TLS."))
}

const fields = {
  ...oneNode,
  moreNodes: key("more_nodes", listOf(section(oneNode), "nodes"))
}

/** One full node: where it is asked. The RPC URL may carry a password and is redacted. */
export type NodeAddress = Pick<PocketNodeConfig, keyof typeof oneNode>

const queryTimeout = key(
  "query_timeout_seconds",
  seconds({ fallback: "5", unset: "zero" }, "Longest wait for one query.")
)

/** `pocket_node` of the relayer. */
export const relayerPocketNode = section({
  ...fields,
  queryTimeout,
  chainId: key(
    "chain_id",
    optional({
      codec: NonEmptyText,
      type: "text",
      meaning: "Chain that the nodes must be of; left out: the one that most of them name."
    })
  )
})
/** Value of a relayer's `pocket_node`. The RPC URL may carry a password and is redacted. */
export type PocketNodeConfig = ValueOf<typeof relayerPocketNode>

/** `pocket_node` of the miner. */
export const minerPocketNode = section({
  ...fields,
  queryTimeout,
  chainId: key("chain_id", text("pocket", "Chain id that transactions are signed for."))
})
/** Value of a miner's `pocket_node`: a relayer's, with a chain id in any case. */
export type MinerPocketNodeConfig = ValueOf<typeof minerPocketNode>
