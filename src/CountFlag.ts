/** Flags that are whole numbers within a range: in the help, and refused with the range when they are out of it. */
import { Effect } from "effect"
import { Flag } from "effect/cli"
import { StartRefused } from "./StartRefused.ts"

/** One such flag and its range. */
export interface CountFlag {
  readonly name: string
  readonly least: number
  readonly most: number
  readonly flag: Flag.Flag<number>
}

/** A whole number of at least `least` and at most `most`. */
export const countFlag = (
  name: string,
  fallback: number,
  least: number,
  most: number,
  description: string
): CountFlag => ({
  name,
  least,
  most,
  flag: Flag.Int(name).pipe(
    Flag.withDefault(fallback),
    Flag.withDescription(`${description} (${least} to ${most}, default ${fallback})`)
  )
})

/** Fails for the first number that is out of its range. */
export const checkCounts = (
  given: ReadonlyArray<readonly [flag: CountFlag, value: number]>
): Effect.Effect<void, StartRefused> => {
  const wrong = given.find(([{ least, most }, value]) => value < least || value > most)
  if (wrong === undefined) return Effect.void
  const [{ least, most, name }, value] = wrong
  return Effect.fail(
    new StartRefused({
      sentences: [`--${name} ${value} is out of range; choose a number from ${least} to ${most}`]
    })
  )
}
