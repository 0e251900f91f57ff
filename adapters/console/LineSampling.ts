/** Writes some of many equal log lines: the first of each second in full, of the others one of so many. */

/** `logging.sampling_initial` and `logging.sampling_thereafter`; 0 thereafter: none of the others. */
export interface LineSampling {
  readonly initial: number
  readonly thereafter: number
}

const SECOND_MILLIS = 1_000
/** Different lines that are told apart in one second; more than these are written in full. */
const DIFFERENT_LINES = 1_000

/** Whether the line of this kind is written now (milliseconds since the Unix epoch). */
export const sampler = ({ initial, thereafter }: LineSampling): ((kind: string, nowMillis: number) => boolean) => {
  const seen = new Map<string, number>()
  let second = -1
  return (kind, nowMillis) => {
    const current = Math.floor(nowMillis / SECOND_MILLIS)
    if (current !== second) {
      second = current
      seen.clear()
    }
    const count = (seen.get(kind) ?? 0) + 1
    if (count > 1 || seen.size < DIFFERENT_LINES) seen.set(kind, count)
    return count <= initial || (thereafter > 0 && (count - initial) % thereafter === 0)
  }
}
