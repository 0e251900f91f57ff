/** What a load process is told, and what it tells at its end. */
import { Schema } from "effect"
import { FleetChain } from "./FleetChain.ts"

/** What to send, and where. */
export const LoadOptions = Schema.Struct({
  chain: FleetChain,
  chainUrl: Schema.String,
  /** Base URLs; asked in turn. */
  relayers: Schema.Array(Schema.String),
  relaysPerSecond: Schema.Int,
  /** Every so many relays is for a service that is not on chain; 0 for none. */
  unknownServiceEvery: Schema.Int,
  /** Last height at which relays are sent. */
  untilHeight: Schema.Int
})
export type LoadOptions = typeof LoadOptions.Type

/** Relays of one session with one supplier: tries at any relayer, and relays whose signed answer was verified. */
export const LoadCount = Schema.Struct({
  session: Schema.String,
  supplier: Schema.String,
  application: Schema.String,
  sessionEnd: Schema.BigIntFromString,
  sent: Schema.Int,
  answered: Schema.Int,
  /** Unix milliseconds of the last answer, 0 without one. */
  lastAnswer: Schema.Int
})
export type LoadCount = typeof LoadCount.Type

/** The totals; `causes` counts tries without a usable answer. */
export const LoadTotals = Schema.Struct({
  /** Relays for a service that is not on chain: tries, and usable answers, of which there should be none. */
  unknown: Schema.Struct({ sent: Schema.Int, answered: Schema.Int }),
  sessions: Schema.Array(LoadCount),
  causes: Schema.Record(Schema.String, Schema.Int)
})
export type LoadTotals = typeof LoadTotals.Type
