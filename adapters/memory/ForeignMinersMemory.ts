/** `ForeignMiners` where there can be none: no Go miner reads the memory of this process, or its database. */
import { Effect, Layer } from "effect"
import { ForeignMiners } from "../../domain/ports/ForeignMiners.ts"

/** Nobody, ever. */
export const layer: Layer.Layer<ForeignMiners> = Layer.succeed(ForeignMiners, { alive: Effect.succeed([]) })
