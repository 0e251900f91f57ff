/** The state that a stored session's events give, folded once for each change: checks ask for it at every step. */
import type { MemorySession } from "../../adapters/memory/MemorySession.ts"
import { replay, type SessionState } from "../../domain/session/SessionState.ts"

const folds = new WeakMap<MemorySession, { readonly events: number; readonly state: SessionState }>()

/** The session's state now. */
export const foldOf = (session: MemorySession): SessionState => {
  const known = folds.get(session)
  if (known?.events === session.events.length) return known.state
  const state = replay(session.events)
  folds.set(session, { events: session.events.length, state })
  return state
}
