/** Go miners that are alive in this namespace. Ours never register as they do: every registration is a foreign miner. */
import { Effect } from "effect"
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
