/** Session events and intents as the database keeps them: JSON, decoded by their schemas when they are read. */
import { Effect, Schema } from "effect"
import { StoreUnavailable, type TxIntent } from "../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../domain/protocol/Identifiers.ts"
import { type SessionEvent, SessionEventJson } from "../../domain/session/SessionEvent.ts"

const StoredIntent = Schema.fromJsonString(
  Schema.toCodecJson(
    Schema.Struct({
      txHash: Schema.String,
      kind: Schema.Literals(["claim", "proof"]),
      sessions: Schema.Array(Schema.Struct({ session: Schema.String, root: Schema.Uint8ArrayFromHex })),
      sessionEnd: Schema.BigIntFromString,
      windowCloses: Schema.BigIntFromString,
      timeoutUnixNano: Schema.BigIntFromString
    })
  )
)

const decodeEvent = Schema.decodeUnknownEffect(SessionEventJson)
const decodeIntent = Schema.decodeUnknownEffect(StoredIntent)
const undecodable = (operation: string) => (cause: unknown) => new StoreUnavailable({ operation, cause })

/** JSON of one event. */
export const eventText: (event: SessionEvent) => string = Schema.encodeSync(SessionEventJson)

/** The events of texts, in order. */
export const eventsOf = (texts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<SessionEvent>, StoreUnavailable> =>
  Effect.mapError(
    Effect.forEach(texts, (text) => decodeEvent(text)),
    undecodable("load")
  )

/** JSON of an intent without its transaction. */
export const intentText: (intent: TxIntent) => string = Schema.encodeSync(StoredIntent)

/** The intent of a text and its transaction. */
export const intentOf = (text: string, txBytes: Uint8Array): Effect.Effect<TxIntent, StoreUnavailable> =>
  decodeIntent(text).pipe(
    Effect.mapError(undecodable("intents")),
    Effect.map((intent) => ({
      ...intent,
      sessions: intent.sessions.map(({ root, session }) => ({ session: SessionId.make(session), root })),
      txBytes
    }))
  )
