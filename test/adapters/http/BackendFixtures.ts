/** Backends of tests over HTTP: one endpoint for each port, and nothing that waits for long. */
import { Duration } from "effect"
import type { BackendEndpoint } from "../../../adapters/http/BackendEndpoint.ts"
import type { BackendOptions } from "../../../adapters/http/BackendsHttp.ts"
import { MAX_ANSWER_BYTES, SERVICE } from "../../contract/BackendsContract.ts"

/** An endpoint on loopback; `path` with its query. */
export const endpointAt = (
  port: number,
  path = "",
  changes: Partial<Pick<BackendEndpoint, "headers" | "authorization">> = {}
): BackendEndpoint => ({
  url: new URL(`http://127.0.0.1:${port}/${path}`),
  basePath: undefined,
  headers: {},
  authorization: undefined,
  ...changes
})

/** Options of a backend with these endpoints; `changes` win. */
export const backendOptions = (
  endpoints: ReadonlyArray<BackendEndpoint>,
  changes: Partial<BackendOptions> = {}
): BackendOptions => ({
  service: SERVICE,
  rpcType: "jsonrpc",
  endpoints,
  loadBalancing: "first_healthy",
  timeout: Duration.seconds(5),
  connectTimeout: Duration.seconds(1),
  headersTimeout: Duration.zero,
  keepAliveDelay: Duration.seconds(30),
  maxConnections: 4,
  idleTimeout: Duration.seconds(30),
  maxAnswerBytes: MAX_ANSWER_BYTES,
  maxRetries: 0,
  failureThreshold: 3,
  recovery: Duration.seconds(30),
  ...changes
})
