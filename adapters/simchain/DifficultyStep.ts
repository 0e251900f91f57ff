/** Difficulty of the services whose claims were settled in a block. Source: poktroll `x/service/keeper/update_relay_mining_difficulty.go`. */
import { nextSessionStart } from "../../domain/session/SessionGrid.ts"
import { updateDifficulty } from "../../domain/settlement/DifficultyUpdate.ts"
import { type BlockContext, type ChainState, sharedLive } from "./ChainState.ts"

/** `relays`: relays in settled claims by service id. */
export const updateDifficulties = (
  state: ChainState,
  relays: ReadonlyMap<string, bigint>,
  block: BlockContext
): ChainState => {
  const services = new Map(state.services)
  for (const [id, count] of relays) {
    const service = services.get(id)
    if (service === undefined) continue
    const difficulty = updateDifficulty(service.difficulty, {
      relays: count,
      height: block.height,
      nextSessionStart: nextSessionStart(sharedLive(state), block.height),
      targetNumRelays: state.params.service.targetNumRelays
    })
    services.set(id, { ...service, difficulty })
  }
  return relays.size === 0 ? state : { ...state, services }
}
