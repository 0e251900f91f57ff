/**
 * A collector that throws everything away, as a process of its own, so that its work does not count as the exporter's.
 * Prints its port, then lives until its standard input ends.
 */
import { createServer } from "node:http"

const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => response.writeHead(200, { "content-type": "application/x-protobuf" }).end())
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.stdout.write(`${typeof address === "object" && address !== null ? address.port : 0}\n`)
})
process.stdin.on("end", () => process.exit(0)).resume()
