/**
 * Ids of deliveries. A supplier has one stream, and its ids are those of Redis. On a cluster it has two: ours in the
 * supplier's slot, and the un-tagged one of Go's relayers. There the sequence of an id is doubled, and odd for Go's stream:
 * `<ms>-<2n>` is entry `<ms>-<n>` of ours, `<ms>-<2n+1>` of theirs. Ids of both are then distinct, ordered within each
 * stream as they were added and between streams by time, which is what `compareLogId` compares.
 */

/** Which stream an entry is in. */
export type StreamOrigin = "own" | "go"

/** How entry ids become delivery ids. */
export interface DeliveryIds {
  readonly encode: (origin: StreamOrigin, entryId: string) => string
  readonly decode: (id: string) => { readonly origin: StreamOrigin; readonly entryId: string }
}

/** One stream: the same ids. */
export const singleStream: DeliveryIds = {
  encode: (_origin, entryId) => entryId,
  decode: (id) => ({ origin: "own", entryId: id })
}

/** Two streams. The last id of a stream that has none is `0-0` for both. */
export const twoStreams: DeliveryIds = {
  encode: (origin, entryId) => {
    if (entryId === "0-0") return entryId
    const [time = "0", sequence = "0"] = entryId.split("-")
    return `${time}-${BigInt(sequence) * 2n + (origin === "go" ? 1n : 0n)}`
  },
  decode: (id) => {
    const [time = "0", sequence = "0"] = id.split("-")
    const doubled = BigInt(sequence)
    return { origin: doubled % 2n === 1n ? "go" : "own", entryId: `${time}-${doubled / 2n}` }
  }
}
