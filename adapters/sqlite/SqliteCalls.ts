/**
 * The calls that the process makes to its database thread, and how batches of them cross over: plain values beside one
 * buffer with all bytes, which moves instead of being copied. Both sides are of one version, so nothing is checked here.
 */

/** One kind of call: what goes in and what comes back, bytes aside. */
interface Call<Request, Value> {
  readonly request: Request
  readonly value: Value
}

/** What a call may do to a supplier: the nonce is compared with the fence before anything is written. */
export interface Fenced {
  readonly supplier: string
  readonly nonce: string
}

/** A log that takes no more. */
export interface LogFull {
  readonly entries: number
  readonly bytes: number
}

/** A session's row; the bytes are root, live root, digests of the tail. */
export interface SessionRow {
  readonly version: number
  readonly count: string
  readonly sum: string
  /** JSON of each event, in order. */
  readonly events: ReadonlyArray<string>
  readonly hasLiveRoot: boolean
}

/** Place of an entry in the log: milliseconds and number. */
export interface LogPlace {
  readonly time: number
  readonly sequence: number
}

/** Every call by name. Heights and totals are decimal texts; times are milliseconds. */
export interface Calls {
  /** Bytes: the encoded relay. */
  readonly append: Call<
    {
      readonly supplier: string
      readonly traceparent: string | null
      readonly limit: number
      readonly bytesLimit: number
    },
    LogPlace | LogFull
  >
  readonly announceSpool: Call<
    { readonly relayer: string; readonly lowestSessionEnd: string | null; readonly life: number },
    null
  >
  /** Answer's bytes: data of each entry. */
  readonly take: Call<
    Fenced & { readonly max: number },
    ReadonlyArray<LogPlace & { readonly traceparent: string | null }>
  >
  readonly redeliver: Call<Fenced, null>
  readonly backlog: Call<
    { readonly supplier: string },
    {
      readonly lastGenerated: LogPlace
      readonly lastDelivered: LogPlace
      readonly oldestPending: LogPlace | null
      readonly lowestSpooledSessionEnd: string | null
    }
  >
  readonly sessions: Call<{ readonly supplier: string }, ReadonlyArray<string>>
  readonly load: Call<{ readonly supplier: string; readonly session: string }, SessionRow | null>
  /** Bytes: digests; answer's bytes: an encoding for each, empty for one that is not stored. */
  readonly readNodes: Call<{ readonly supplier: string; readonly session: string }, null>
  /** Answer's bytes: digest and encoding of each leaf. */
  readonly readLeaves: Call<{ readonly supplier: string; readonly session: string }, null>
  /** Bytes: root, live root or nothing, sealed root or nothing, digests of all leaves, then their encodings. */
  readonly commit: Call<
    Fenced & {
      readonly session: string
      readonly expectedVersion: number
      readonly count: string
      readonly sum: string
      readonly events: ReadonlyArray<string>
      readonly tailCovered: number | null
      readonly seals: boolean
      readonly leaves: number
      readonly acknowledged: ReadonlyArray<number>
    },
    { readonly refused: "version" | "sealed" | "tail"; readonly storedVersion: number } | null
  >
  /** Bytes: digest and encoding of each node. */
  readonly writeNodes: Call<Fenced & { readonly session: string }, null>
  /** Bytes: digests. */
  readonly deleteNodes: Call<Fenced & { readonly session: string }, null>
  readonly setAside: Call<
    Fenced & { readonly sequences: ReadonlyArray<number>; readonly reason: string; readonly limit: number },
    null
  >
  readonly aside: Call<{ readonly supplier: string }, ReadonlyArray<LogPlace & { readonly reason: string }>>
  /** Bytes: sealed root of each session, then the transaction. Answers the session that is not sealed so. */
  readonly saveIntent: Call<
    Fenced & { readonly txHash: string; readonly sessions: ReadonlyArray<string>; readonly json: string },
    string | null
  >
  /** Answer's bytes: for each intent its transaction. */
  readonly intents: Call<{ readonly supplier: string }, ReadonlyArray<string>>
  readonly dropIntent: Call<Fenced & { readonly txHash: string }, null>
  readonly dropNodes: Call<Fenced & { readonly session: string }, null>
  readonly forget: Call<Fenced & { readonly session: string }, null>
  /** Answers the epoch, or nothing when somebody holds the supplier. */
  readonly acquire: Call<Fenced & { readonly life: number }, number | null>
  /** Answers for each lease whether it is held on. */
  readonly renew: Call<{ readonly leases: ReadonlyArray<Fenced>; readonly life: number }, ReadonlyArray<boolean>>
  readonly release: Call<Fenced, null>
  readonly announce: Call<{ readonly owner: string; readonly life: number }, null>
  readonly withdraw: Call<{ readonly owner: string }, null>
  readonly replicas: Call<{}, ReadonlyArray<string>>
  /** Amounts are decimal texts. */
  readonly meterTake: Call<
    MeterName & {
      readonly unit: string
      readonly wanted: string
      readonly limit: string
      readonly sessionEnd: string
      readonly capacity: number
    },
    string
  >
  readonly meterGiveBack: Call<MeterName & { readonly amount: string }, null>
  readonly meterConsumed: Call<MeterName, string>
  readonly meterDrop: Call<MeterName, null>
  /** Answers whether there is a value; answer's bytes: the value. */
  readonly cacheGet: Call<{ readonly key: string }, boolean>
  /** Bytes: the value. Without `life` it has no end. Answers whether it was set. */
  readonly cacheSet: Call<
    { readonly key: string; readonly life: number | null; readonly onlyIfAbsent: boolean; readonly capacity: number },
    boolean
  >
  readonly cacheRemove: Call<{ readonly key: string }, null>
  /** Bytes: the value that has to be there. */
  readonly cacheRemoveIf: Call<{ readonly key: string }, boolean>
  readonly cacheMembers: Call<{ readonly key: string }, ReadonlyArray<string>>
  readonly cacheChangeMembers: Call<
    { readonly key: string; readonly add: ReadonlyArray<string>; readonly remove: ReadonlyArray<string> },
    null
  >
}

/** A counter of the meter. */
export interface MeterName {
  readonly session: string
  readonly supplier: string
}

/** Names of calls. */
export type CallName = keyof Calls
/** What goes in, bytes aside. */
export type RequestOf<Name extends CallName> = Calls[Name]["request"]
/** What comes back, bytes aside. */
export type ValueOf<Name extends CallName> = Calls[Name]["value"]

/** A result with the bytes that belong to it. */
export interface Answer<Value> {
  readonly value: Value
  readonly bytes: ReadonlyArray<Uint8Array>
}

/** One call of a batch, as it crosses over; its bytes are in the batch. */
export interface SentCall {
  readonly name: CallName
  readonly request: unknown
}

/** How one call ended: `lost` when the nonce is not the fence. */
export type SentOutcome =
  | { readonly kind: "done"; readonly value: unknown }
  | { readonly kind: "lost" }
  | { readonly kind: "failed"; readonly cause: string }

/** Items with the bytes of all of them in one buffer. */
export interface Batch<Item> {
  readonly items: ReadonlyArray<Item>
  /** How many byte strings each item has. */
  readonly counts: Uint32Array
  /** Length of each byte string. */
  readonly lengths: Uint32Array
  readonly buffer: Uint8Array<ArrayBuffer>
}

/** How full the tables are, with each answer. */
export interface SqliteFill {
  readonly log: number
  readonly logBytes: number
  readonly aside: number
  readonly meters: number
  readonly cache: number
  readonly indexed: number
  /** Tries that have ended and are being deleted. */
  readonly endedTries: number
}

/** What the thread says. */
export type FromThread =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly sentence: string }
  | { readonly kind: "answers"; readonly batch: Batch<SentOutcome>; readonly fill: SqliteFill }

/** What the thread is told: a batch, or to close the file and end. */
export type ToThread = Batch<SentCall> | "close"

/** Packs items with their byte strings; the bytes are copied, so that what they came from may change. */
export const packBatch = <Item>(
  items: ReadonlyArray<Item>,
  bytes: ReadonlyArray<ReadonlyArray<Uint8Array>>
): Batch<Item> => {
  const counts = Uint32Array.from(bytes, (strings) => strings.length)
  const all = bytes.flat()
  const lengths = Uint32Array.from(all, (string) => string.length)
  const buffer = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let offset = 0
  for (const string of all) {
    buffer.set(string, offset)
    offset += string.length
  }
  return { items, counts, lengths, buffer }
}

/** The byte strings of each item: views of the batch's buffer, in order and without gaps. */
export const unpackBytes = <Item>({
  buffer,
  counts,
  lengths
}: Batch<Item>): ReadonlyArray<ReadonlyArray<Uint8Array>> => {
  let next = 0
  let offset = 0
  return Array.from(counts, (count) =>
    Array.from({ length: count }, () => {
      const length = lengths[next++] ?? 0
      const string = buffer.subarray(offset, offset + length)
      offset += length
      return string
    })
  )
}
