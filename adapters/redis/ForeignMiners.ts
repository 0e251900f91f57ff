/** Go miners that are alive in this namespace. Ours never register as they do: every registration is a foreign miner. */
import { Effect, Layer } from "effect"
import { ForeignMiners, ForeignMinersUnknown } from "../../domain/ports/ForeignMiners.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { unexpectedReply } from "./RedisFailure.ts"
import { namesMatching } from "./RedisNames.ts"

/** Ids that Go miners keep in their own index and that are alive, ascending. Two round trips: for every few seconds. */
export const listedMiners = Effect.gen(function* () {
  const { commands, names } = yield* RedisConnections
  const listed = yield* commands.call("smembers", names.activeInstances)
  if (!Array.isArray(listed)) return yield* unexpectedReply("smembers", "no list")
  const ids = listed.map(String).toSorted()
  const alive = yield* Effect.forEach(ids, (id) => commands.call("exists", names.instance(id)), {
    concurrency: "unbounded"
  })
  return ids.filter((_, index) => alive[index] === 1)
})

/** Ids of all registrations, also of such as the index lacks, ascending. Looks at every key: for the start. */
export const searchedMiners = Effect.gen(function* () {
  const { names, search } = yield* RedisConnections
  const pattern = namesMatching(names.instance)
  const prefix = names.instance("x").length - 1
  return (yield* search(pattern)).map((key) => key.slice(prefix))
})

/**
 * Those that are listed; the first look searches every key too, for one whose index was lost. Fails until a search has
 * succeeded.
 */
export const layer: Layer.Layer<ForeignMiners, never, RedisConnections> = Layer.effect(
  ForeignMiners,
  Effect.gen(function* () {
    const connections = yield* RedisConnections
    let isSearched = false
    const look = Effect.gen(function* () {
      const listed = yield* listedMiners
      if (isSearched) return listed
      const found = yield* searchedMiners
      // One that only the search finds is looked for by it until it is gone.
      isSearched = found.every((id) => listed.includes(id))
      return [...new Set([...listed, ...found])].toSorted()
    })
    return ForeignMiners.of({
      alive: look.pipe(
        Effect.provideService(RedisConnections, connections),
        Effect.mapError((cause) => new ForeignMinersUnknown({ cause }))
      )
    })
  })
)
