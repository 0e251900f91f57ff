/**
 * What the registry of suppliers says about serving: whether a supplier whose key is held is active, and for which
 * services. Known states are kept up to date beside the relays, so that no relay waits for Redis.
 */
import { Clock, Context, Duration, Effect, Layer, Metric, Stream } from "effect"
import { decideServe, type GateDecision } from "../cache/SupplierGate.ts"
import { SupplierStates } from "../cache/SupplierStates.ts"
import { fillGauge } from "../observability/FillGauge.ts"
import type { RpcType } from "../ports/Backends.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"
import { series } from "./RelayMetrics.ts"

/** How often states that have grown old are read again; changes that are announced are read at once. */
const LOOK_EVERY = Duration.seconds(5)
/** Longest wait of the start for the first states; suppliers without one are served meanwhile. */
const FIRST_LOOK = Duration.seconds(2)
/** Undeclared transports remembered as told; beyond it they are told again. */
const TOLD_CAPACITY = 10_000

/** Asks the registry about relays for suppliers whose keys are held. */
export interface RegistryGate {
  /** Counts what is served without a state. No I/O. */
  readonly decide: (supplier: SupplierAddress, service: string, rpcType: RpcType) => GateDecision
  /** Counts a relay over a transport that the supplier has not staked, and tells of it once. */
  readonly noteUndeclared: (supplier: SupplierAddress, service: string, rpcType: RpcType) => Effect.Effect<void>
}

/** The gate of this process. Without a registry, as in one process with embedded stores, all suppliers are served. */
export const RegistryGate = Context.Reference<RegistryGate>("relaymill/domain/relay/RegistryGate", {
  defaultValue: () => ({
    decide: () => ({ _tag: "Serve", optimistic: true, isTransportStaked: true }),
    noteUndeclared: () => Effect.void
  })
})

/** The gate over `SupplierStates`; looks after the states of held suppliers until its scope ends. */
export const layer = Layer.effect(
  RegistryGate,
  Effect.gen(function* () {
    const states = yield* SupplierStates
    const keys = yield* SupplierKeys
    const clock = yield* Clock.Clock
    const context = yield* Effect.context<never>()
    const counter = series((attributes, name, description) =>
      Metric.counter(name, { description, incremental: true, attributes })
    )
    const labels = ["service_id", "rpc_type"]
    const optimistic = counter(
      "ha_relayer_relays_served_optimistically_total",
      "Relays let through for a supplier whose key is held and of whom the registry says nothing",
      labels
    )
    const undeclared = counter(
      "ha_relayer_undeclared_transport_served_total",
      "Relays let through over a transport that their supplier has not staked for the service",
      labels
    )
    const told = new Set<string>()
    yield* fillGauge("ha_relayer_undeclared_transports", "Transports told to be not staked", () => told.size)

    const look = Effect.flatMap(keys.held, states.warm)
    yield* Effect.timeoutOption(look, FIRST_LOOK)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(LOOK_EVERY), look)))
    yield* Effect.forkScoped(Stream.runForEach(keys.changes, states.warm))

    return {
      decide: (supplier, service, rpcType) => {
        const known = states.latest(supplier, clock.currentTimeMillisUnsafe())
        const decision = decideServe(known, { service, transport: rpcType, isKeyHeld: true })
        if (decision._tag === "Serve" && decision.optimistic) optimistic(service, rpcType).updateUnsafe(1, context)
        return decision
      },
      noteUndeclared: (supplier, service, rpcType) =>
        Effect.suspend(() => {
          undeclared(service, rpcType).updateUnsafe(1, context)
          const key = `${supplier}|${service}|${rpcType}`
          if (told.has(key)) return Effect.void
          if (told.size >= TOLD_CAPACITY) told.clear()
          told.add(key)
          return Effect.logWarning("relays are served over a transport that their supplier has not staked").pipe(
            Effect.annotateLogs({ supplier, service_id: service, rpc_type: rpcType })
          )
        })
    }
  })
)
