/** Times of blocks as the chain writes them in JSON: RFC 3339 in UTC with up to nine fraction digits. */
import { Option } from "effect"

const RFC3339 =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))$/

/** Nanoseconds since the Unix epoch of an RFC 3339 time; none for text that is no such time. */
export const parseBlockTime = (text: string): Option.Option<bigint> => {
  const parts = RFC3339.exec(text)
  if (parts === null) return Option.none()
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHour = "00", offsetMinute = "00"] = parts
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`
  const millis = Date.parse(iso)
  // A day that its month does not have is moved into the next month by some parsers.
  if (Number.isNaN(millis) || new Date(millis).toISOString() !== iso) return Option.none()
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return Option.none()
  const offsetSeconds = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60 * (sign === "-" ? -1 : 1)
  return Option.some((BigInt(millis) / 1000n - BigInt(offsetSeconds)) * NANOS + BigInt(fraction.padEnd(9, "0")))
}

/** RFC 3339 in UTC as Go writes it: the fraction without trailing zeros, none at all for a whole second. */
export const formatBlockTime = (unixNano: bigint): string => {
  const rest = ((unixNano % NANOS) + NANOS) % NANOS
  const seconds = new Date(Number((unixNano - rest) / NANOS) * 1000).toISOString().slice(0, 19)
  const fraction = rest.toString().padStart(9, "0").replace(/0+$/, "")
  return fraction === "" ? `${seconds}Z` : `${seconds}.${fraction}Z`
}

const NANOS = 1_000_000_000n
