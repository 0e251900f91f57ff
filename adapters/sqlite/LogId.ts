/** Ids of deliveries: `<milliseconds>-<number>`. The number counts over all suppliers and names the entry alone. */
import type { LogPlace } from "./SqliteCalls.ts"

/** The id of a place; `0-0` of none. */
export const logId = ({ sequence, time }: LogPlace): string => `${time}-${sequence}`

/** Numbers of the entries that ids name; texts that are no ids name none. */
export const sequencesOf = (ids: ReadonlyArray<string>): ReadonlyArray<number> =>
  ids.map((id) => Number(id.slice(id.indexOf("-") + 1))).filter(Number.isSafeInteger)
