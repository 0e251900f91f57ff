/**
 * Opens TLS connections for ioredis. Its own way listens for the first error of a socket only; one that is given up while
 * its handshake runs can have a second, which then ends the process.
 */
import { connect } from "node:tls"
import { AbstractConnector } from "ioredis"
import type { RedisHost } from "./RedisSettings.ts"

/** How long a connection that is given up may take to close by itself, as ioredis has it. */
const DISCONNECT_MILLIS = 2_000

/** The `Connector` option for one server. What Node trusts is trusted; anything unless `isVerified`. */
export const tlsConnector = ({ host, port }: RedisHost, isVerified: boolean) =>
  class extends AbstractConnector {
    constructor() {
      super(DISCONNECT_MILLIS)
    }

    override connect(): ReturnType<AbstractConnector["connect"]> {
      this.connecting = true
      const stream = connect({ host, port, rejectUnauthorized: isVerified })
      stream.on("error", (error) => {
        this.firstError ??= error
      })
      this.stream = stream
      return Promise.resolve(stream)
    }
  }
