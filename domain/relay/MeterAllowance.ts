/** What a relayer holds of one session's share: relays that are paid for in the shared store and not spent yet. */
import type { Fiber } from "effect"
import type { MeterUnit } from "../meter/MeterUnit.ts"
import type { MeterKey, MeterUnavailable } from "../ports/MeterStore.ts"

/** A chunk is this part of the limit: what a crash may cost, and what each of several replicas may hold idle. */
const CHUNK_PARTS = 100n
/** Relays of the largest chunk. */
const MAX_CHUNK_RELAYS = 100_000n
/** Of a small limit a chunk is as many relays, so that not each of them asks, but no more than this part. */
const SMALL_CHUNK_RELAYS = 8n
const SMALL_CHUNK_PARTS = 16n
/** A take under way; what it brings is in the allowance when it ends. */
export type Taking = Fiber.Fiber<void, MeterUnavailable>

/** Held by one replica for one session and supplier; written by `RelayMeter` alone. */
export interface Allowance {
  readonly key: MeterKey
  readonly unit: MeterUnit
  readonly graceEnd: bigint
  /** Relays paid for and not spent. */
  available: number
  /** Relays at which the next chunk is asked for. */
  low: number
  /** Relays spent whose outcome is not known yet, and those that are being reserved. */
  outstanding: number
  /** Relays that wait for a chunk. */
  waiting: number
  /** The take whose answer relays wait for; none once they gave it up. */
  taking: Taking | undefined
  /** Takes without an answer, those given up too. */
  underWay: number
  isPrefetching: boolean
  /** Milliseconds of Effect's clock until which the store is not asked. */
  exhaustedUntil: number
  awayUntil: number
  /** uPOKT, as last computed. */
  limit: bigint | undefined
}

/** Nothing held yet. `graceEnd` is the last height at which relays of the session are served. */
export const allowanceFor = (key: MeterKey, unit: MeterUnit, graceEnd: bigint): Allowance => ({
  key,
  unit,
  graceEnd,
  available: 0,
  low: 0,
  outstanding: 0,
  waiting: 0,
  taking: undefined,
  underWay: 0,
  isPrefetching: false,
  exhaustedUntil: 0,
  awayUntil: 0,
  limit: undefined
})

/** Units held that are not begun. */
export const wholeUnits = ({ available, unit }: Allowance): number => Math.floor(available / unit.relays)

/** Whether a relay or a take may still change what is held. */
export const isInUse = ({ outstanding, underWay }: Allowance): boolean => outstanding > 0 || underWay > 0

/** Relays of a chunk, at least one unit: what a replica holds unspent at most. `limit` is in uPOKT. */
export const chunkRelays = (limit: bigint, { relays, upokt }: MeterUnit): number => {
  const all = (limit / upokt) * BigInt(relays)
  const small = all / SMALL_CHUNK_PARTS
  const least = small < SMALL_CHUNK_RELAYS ? small : SMALL_CHUNK_RELAYS
  const part = all / CHUNK_PARTS
  const wanted = part > least ? part : least
  return Math.max(relays, Number(wanted > MAX_CHUNK_RELAYS ? MAX_CHUNK_RELAYS : wanted))
}
