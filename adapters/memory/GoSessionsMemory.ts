/** `GoSessions` where there can be none: no Go miner wrote to the memory of this process, or to its database. */
import { Effect, Layer } from "effect"
import { GoSessions } from "../../domain/ports/GoSessions.ts"

/** None, for any supplier. */
export const layer: Layer.Layer<GoSessions> = Layer.succeed(GoSessions, { unfinished: () => Effect.succeed([]) })
