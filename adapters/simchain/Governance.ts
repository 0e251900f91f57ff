/** What governance and service owners change: params of every module, services and their compute units. */
import { Result } from "effect"
import { changeComputeUnits, createComputeUnits } from "../../domain/protocol/ComputeUnitsHistory.ts"
import { updateSharedParams as recordSharedParams } from "../../domain/protocol/ParamsHistory.ts"
import { type SessionParams, updateSessionParams as recordSessionParams } from "../../domain/protocol/SessionParams.ts"
import type { SharedParams } from "../../domain/protocol/SharedParams.ts"
import { nextSessionStart, sessionStart } from "../../domain/session/SessionGrid.ts"
import { noDifficulty } from "../../domain/settlement/DifficultyUpdate.ts"
import { type ChainParams, type ChainState, sharedAt, sharedLive, withKey } from "./ChainState.ts"
import { serviceOwnerAddress } from "./Genesis.ts"
import { type Operation, OperationRefused, payFrom, refuseOperation, upcomingSessionStart } from "./Operation.ts"

/** Updates shared params: the live record with these fields replaced. Timing takes effect with the next session. */
export const updateSharedParams =
  (changes: Partial<SharedParams>): Operation =>
  (state, block) =>
    Result.mapBoth(
      recordSharedParams(state.params.shared, { params: { ...sharedLive(state), ...changes }, height: block.height }),
      {
        onFailure: (error) => refusedParams("shared", error.message),
        onSuccess: (shared) => withParams(state, { shared })
      }
    )

/** Updates session params: live at once, for sessions from the next one on. */
export const updateSessionParams =
  (params: SessionParams): Operation =>
  (state, block) =>
    params.numSuppliersPerSession < 1n
      ? Result.fail(refusedParams("session", "num_suppliers_per_session is below 1"))
      : Result.succeed(
          withParams(state, {
            session: recordSessionParams(state.params.session, {
              params,
              height: block.height,
              nextSessionStart: nextSessionStart(sharedAt(state, block.height), block.height)
            })
          })
        )

/** Updates params that have no history; they are live at once. */
export const updateParams =
  <Module extends Exclude<keyof ChainParams, "shared" | "session">>(
    module: Module,
    changes: Partial<ChainParams[Module]>
  ): Operation =>
  (state) =>
    Result.succeed(withParams(state, { [module]: { ...state.params[module], ...changes } }))

/** Adds a service; its owner pays the fee. Its compute units count from the current session's start. */
export const addService =
  (service: {
    readonly id: string
    readonly name?: string
    readonly computeUnitsPerRelay: bigint
    readonly ownerAddress?: string
  }): Operation =>
  (state, block) => {
    if (state.services.has(service.id)) return refuseOperation("add service", service.id, "it exists already")
    if (!/^[A-Za-z0-9_-]{1,42}$/.test(service.id) || service.computeUnitsPerRelay < 1n) {
      return refuseOperation("add service", service.id, "id or compute units are not valid")
    }
    const owner = service.ownerAddress
    const fee = owner === undefined ? 0n : state.params.service.addServiceFee
    return Result.map(payFrom(state, "add service", owner ?? serviceOwnerAddress, fee), (paid) => ({
      ...paid,
      modules: { ...paid.modules, feeCollector: paid.modules.feeCollector + fee },
      services: withKey(paid.services, service.id, {
        id: service.id,
        name: service.name ?? service.id,
        computeUnitsPerRelay: service.computeUnitsPerRelay,
        ownerAddress: owner ?? serviceOwnerAddress,
        card: undefined,
        computeUnits: createComputeUnits(sessionStart(sharedLive(state), block.height), service.computeUnitsPerRelay),
        difficulty: noDifficulty
      })
    }))
  }

/** Changes the compute units of one relay: the record at once, sessions from the next one on. */
export const updateComputeUnits =
  (id: string, computeUnitsPerRelay: bigint): Operation =>
  (state, block) => {
    const service = state.services.get(id)
    if (service === undefined) return refuseOperation("update service", id, "it does not exist")
    if (computeUnitsPerRelay < 1n) return refuseOperation("update service", id, "compute units are below 1")
    if (computeUnitsPerRelay === service.computeUnitsPerRelay) return Result.succeed(state)
    const computeUnits = changeComputeUnits(service.computeUnits, {
      previous: service.computeUnitsPerRelay,
      next: computeUnitsPerRelay,
      nextSessionStart: upcomingSessionStart(state, block)
    })
    return Result.succeed({
      ...state,
      services: withKey(state.services, id, { ...service, computeUnitsPerRelay, computeUnits })
    })
  }

/** Sets the difficulty of a service for sessions from the next one on; a test's short cut past many settlements. */
export const setDifficulty =
  (id: string, targetHash: Uint8Array): Operation =>
  (state, block) => {
    const service = state.services.get(id)
    if (service === undefined) return refuseOperation("set difficulty", id, "it does not exist")
    if (targetHash.length !== 32 || targetHash.every((byte) => byte === 0)) {
      return refuseOperation("set difficulty", id, "the target is not 32 bytes above 0")
    }
    const next = { numRelaysEma: state.params.service.targetNumRelays, targetHash }
    const difficulty = {
      live: next,
      entries: [
        ...service.difficulty.entries.filter((entry) => entry.effectiveHeight < upcomingSessionStart(state, block)),
        { effectiveHeight: upcomingSessionStart(state, block), value: next }
      ]
    }
    return Result.succeed({ ...state, services: withKey(state.services, id, { ...service, difficulty }) })
  }

const withParams = (state: ChainState, changes: Partial<ChainParams>): ChainState => ({
  ...state,
  params: { ...state.params, ...changes }
})

const refusedParams = (module: string, reason: string): OperationRefused =>
  new OperationRefused({ operation: "update params", subject: module, reason })
