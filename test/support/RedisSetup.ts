/** Runs once before all tests, and by itself: a Redis server is there if it may be installed. Suites that need it fail else. */
import { installRedis } from "./RedisBinaries.ts"

/** Vitest's global set-up. */
const setup = (): void => installRedis()
export default setup

if (import.meta.main) setup()
