/** Replies of the supplier store's scripts and reads, decoded where they come in. Strings of Redis are `Buffer`s. */
import { Buffer } from "node:buffer"
import { Effect, Schema } from "effect"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import { StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import { type RedisFailure, unexpectedReply } from "./RedisFailure.ts"

/** Something else has written to a key of the supplier store, so that it cannot be used. */
export class ForeignKey extends Schema.TaggedError<ForeignKey>()("ForeignKey", {
  key: Schema.String,
  found: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    return `the key ${this.key} holds a ${this.found} instead of a ${this.expected}: find out who wrote it, then RENAME or DEL it`
  }
}

/** What is stored of one session cannot be read. Other sessions are not concerned. */
export class StoredSessionDamaged extends Schema.TaggedError<StoredSessionDamaged>()("StoredSessionDamaged", {
  supplier: Schema.String,
  session: Schema.String,
  key: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `session ${this.session} of ${this.supplier} cannot be read: ${this.key}: ${this.reason}; restore the key or delete the session's keys`
  }
}

/** Elements of an array, none of anything else. */
export const itemsOf = (reply: unknown): ReadonlyArray<unknown> => (Array.isArray(reply) ? reply : [])

/** Text of a string or number, empty for anything else. */
export const textOf = (reply: unknown): string =>
  typeof reply === "string" ? reply : Buffer.isBuffer(reply) ? reply.toString("latin1") : numberText(reply)

const numberText = (reply: unknown): string => (typeof reply === "number" ? String(reply) : "")

/** Text of UTF-8 bytes, empty for anything else. */
export const utf8Of = (reply: unknown): string =>
  typeof reply === "string" ? reply : Buffer.isBuffer(reply) ? reply.toString("utf8") : ""

/** Bytes of a string; undefined for nil and anything else. A plain view: `slice` of a `Buffer` would not copy. */
export const bytesOf = (reply: unknown): Uint8Array | undefined =>
  Buffer.isBuffer(reply) ? new Uint8Array(reply.buffer, reply.byteOffset, reply.byteLength) : undefined

/** An integer reply, 0 for anything else. */
export const integerOf = (reply: unknown): number => {
  const value = typeof reply === "number" ? reply : Number(textOf(reply))
  return Number.isSafeInteger(value) ? value : 0
}

/** Fields and values of a hash; ioredis makes an object of some of them. */
export const fieldsOf = (reply: unknown): ReadonlyMap<string, unknown> => {
  if (typeof reply === "object" && reply !== null && !Array.isArray(reply)) return new Map(Object.entries(reply))
  const items = itemsOf(reply)
  const fields = new Map<string, unknown>()
  for (let i = 0; i + 1 < items.length; i += 2) fields.set(textOf(items[i]), items[i + 1])
  return fields
}

/** A failure of Redis, as the port has it. */
export const unavailable = (operation: string) => (cause: unknown) => new StoreUnavailable({ operation, cause })

/** What a fenced script replied after its `ok`; its other replies as failures of the port. */
export const fencedReply =
  (lease: Lease, operation: string) =>
  (reply: unknown): Effect.Effect<ReadonlyArray<unknown>, LeaseLost | StoreUnavailable> => {
    const [code, ...rest] = itemsOf(reply)
    switch (textOf(code)) {
      case "ok":
        return Effect.succeed(rest)
      case "lost":
        return Effect.fail(new LeaseLost({ supplier: lease.supplier, owner: lease.owner }))
      case "type":
        return Effect.fail(
          unavailable(operation)(
            new ForeignKey({ key: utf8Of(rest[0]), found: textOf(rest[1]), expected: textOf(rest[2]) })
          )
        )
      default:
        return Effect.fail(unavailable(operation)(unexpectedReply(`script ${operation}`, `code ${textOf(code)}`)))
    }
  }

/** Runs a fenced script. */
export const runFenced = (
  lease: Lease,
  operation: string,
  run: Effect.Effect<unknown, RedisFailure>
): Effect.Effect<ReadonlyArray<unknown>, LeaseLost | StoreUnavailable> =>
  Effect.flatMap(Effect.mapError(run, unavailable(operation)), fencedReply(lease, operation))
