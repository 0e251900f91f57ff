/** The other half of the seeds: a file of its own, so that two workers share them. */
import { describe } from "@effect/vitest"
import { runSeeds } from "./SeedRange.ts"

describe("simulation", () => {
  runSeeds(101, 100)
})
