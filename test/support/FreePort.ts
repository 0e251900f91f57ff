/** Ports for processes of tests that have to be told theirs. */
import { createServer } from "node:net"
import { Effect } from "effect"

/** Ports below those that the system hands out to connections, with room for a Redis bus port 10 000 above. */
const FIRST_PORT = 11_000
const PORTS = 11_000

/** A port of loopback that nobody listened on a moment ago, nor on the one 10 000 above. Dies if many are taken. */
export const freePort: Effect.Effect<number> = Effect.suspend(() => {
  const port = FIRST_PORT + Math.floor(Math.random() * PORTS)
  return Effect.as(Effect.all([bind(port), bind(port + 10_000)]), port)
}).pipe(Effect.retry({ times: 50 }), Effect.orDie)

/** Fails with the port that is taken. */
const bind = (port: number) =>
  Effect.callback<void, number>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.fail(port)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.void)))
  })
