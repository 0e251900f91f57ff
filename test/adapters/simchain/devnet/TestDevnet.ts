/** A devnet for tests: the small chain of `TestChain` with an extra account, on free ports. */
import { Clock, Effect, type Scope } from "effect"
import type { ChainState } from "../../../../adapters/simchain/ChainState.ts"
import { type Devnet, type DevnetOptions, startDevnet } from "../../../../adapters/simchain/devnet/Devnet.ts"
import type { CannotListen } from "../../../../domain/lifecycle/CannotListen.ts"
import { demoGenesis, type GenesisInput } from "../../../../adapters/simchain/Genesis.ts"
import { make } from "../../../../adapters/simchain/SimChain.ts"
import { application, gateway, otherSupplier, SERVICE, supplier, UNITS } from "../TestChain.ts"

export const genesisInput: GenesisInput = {
  chainId: "pocket-devnet",
  services: [{ id: SERVICE, computeUnitsPerRelay: UNITS }],
  gateways: [{ publicKey: gateway.publicKey }],
  applications: [{ publicKey: application.publicKey, serviceIds: [SERVICE], gateways: [gateway.address] }],
  suppliers: [supplier, otherSupplier].map(({ publicKey }) => ({ publicKey, services: [{ serviceId: SERVICE }] }))
}

/** A running devnet whose blocks are produced by the test. */
export const testDevnet = (
  options: Partial<DevnetOptions> = {},
  input: GenesisInput = genesisInput
): Effect.Effect<Devnet, CannotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const chain = yield* make({ genesis: demoGenesis(input) })
    return yield* startDevnet({ chain, ...options })
  })

/** A devnet whose first block has the given time in Unix nanoseconds; the next ones have the time of day. */
export const devnetAt = (genesis: ChainState, unixNano: bigint): Effect.Effect<Devnet, CannotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const chain = yield* Effect.provideService(make({ genesis }), Clock.Clock, {
      currentTimeMillisUnsafe: () => Number(unixNano / 1_000_000n),
      currentTimeMillis: Effect.succeed(Number(unixNano / 1_000_000n)),
      currentTimeNanosUnsafe: () => unixNano,
      currentTimeNanos: Effect.succeed(unixNano),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration) => clock.sleep(duration)
    })
    return yield* startDevnet({ chain })
  })

/** Posts JSON and reads the JSON answer. */
export const post = (url: string, body: unknown) =>
  Effect.promise(async () => {
    const response = await fetch(url, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) })
    const text = await response.text()
    return { status: response.status, json: text === "" ? undefined : (JSON.parse(text) as unknown) }
  })

/** One JSON-RPC call. */
export const rpc = (url: string, method: string, params?: unknown) =>
  post(url, { jsonrpc: "2.0", id: 1, method, params })
