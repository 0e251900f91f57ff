/**
 * Why a call to Redis failed, by what a caller can do about it. Texts of the server are cut before anything that it
 * quotes from a command, so that no argument (a password, a relay) gets into logs.
 */
import { Schema } from "effect"

/** Kinds of failure. All but those of the first group are answers of the server: the command had no effect. */
const RedisFailureKind = Schema.Literals([
  // The command may have taken effect or not.
  "unavailable",
  "timeout",
  // The server, or this connection to it, refuses for now.
  "oom",
  "readonly",
  "misconfigured",
  "moved",
  // It refuses until somebody repairs something.
  "auth",
  "noperm",
  "tls",
  "unsupported",
  // About the keys named.
  "wrongtype",
  "noscript",
  "nogroup",
  "busygroup",
  "rejected",
  // The reply was not of the expected shape.
  "unexpected"
])
export type RedisFailureKind = typeof RedisFailureKind.Type

/** A call to Redis failed. */
export class RedisFailure extends Schema.TaggedError<RedisFailure>()("RedisFailure", {
  kind: RedisFailureKind,
  /** Name of the command, or of what was attempted. */
  command: Schema.String,
  /** The server's or the system's words without arguments of the command. */
  detail: Schema.String
}) {
  override get message(): string {
    return `redis ${this.command}: ${explanations[this.kind]} (${this.detail})`
  }
}

/** Longest text taken over from a server. */
const DETAIL_LENGTH = 200

/** Classifies what ioredis threw or rejected with. Keeps neither the error nor the command with its arguments. */
export const redisFailure = (command: string, error: unknown): RedisFailure => {
  const text = error instanceof Error ? error.message : String(error)
  const kind = error instanceof Error ? kindOf(error, text) : "unexpected"
  return new RedisFailure({ kind, command, detail: withoutArguments(text) })
}

/** A reply that is not what the command is documented to return. */
export const unexpectedReply = (command: string, detail: string): RedisFailure =>
  new RedisFailure({ kind: "unexpected", command, detail })

const withoutArguments = (text: string): string =>
  (text.split(/,? with args beginning with|[\r\n]/, 1)[0] ?? "").slice(0, DETAIL_LENGTH)

const kindOf = (error: Error, text: string): RedisFailureKind => {
  if (error.name === "ReplyError") return replyKind(text)
  const code = "code" in error && typeof error.code === "string" ? error.code : ""
  if (/^ERR_TLS|CERT|^UNABLE_TO_|^ERR_SSL|^EPROTO$/.test(code)) return "tls"
  return /timed out/i.test(text) ? "timeout" : "unavailable"
}

/** Redis 6.2 wraps an error of a command inside a script: `ERR Error running script (…): @user_script: 3: -OOM …`. */
const IN_SCRIPT = /@user_script:\s*\d+:\s*-?([A-Z]+)\s/

const replyKind = (text: string): RedisFailureKind => {
  const code = /^([A-Z]+)(?:\s|$)/.exec(text)?.[1] ?? ""
  const kind = replyKinds[code]
  if (kind !== undefined) return kind
  if (/^ERR unknown (sub)?command/i.test(text)) return "unsupported"
  // A fresh server has no password, a client that sends one asks the wrong server or forgot `requirepass`.
  if (/^ERR AUTH |invalid password|no password is set/i.test(text)) return "auth"
  return replyKinds[IN_SCRIPT.exec(text)?.[1] ?? ""] ?? "rejected"
}

const replyKinds: Readonly<Record<string, RedisFailureKind>> = {
  OOM: "oom",
  READONLY: "readonly",
  MISCONF: "misconfigured",
  NOREPLICAS: "misconfigured",
  WRONGTYPE: "wrongtype",
  NOSCRIPT: "noscript",
  NOGROUP: "nogroup",
  BUSYGROUP: "busygroup",
  NOPERM: "noperm",
  NOAUTH: "auth",
  WRONGPASS: "auth",
  MOVED: "moved",
  ASK: "moved",
  TRYAGAIN: "moved",
  CLUSTERDOWN: "unavailable",
  LOADING: "unavailable",
  MASTERDOWN: "unavailable",
  BUSY: "unavailable"
}

const explanations: Readonly<Record<RedisFailureKind, string>> = {
  unavailable: "no answer, the command may have taken effect",
  timeout: "no answer in time, the command may have taken effect",
  oom: "the server's memory is full; raise maxmemory or free memory",
  readonly: "the server is a replica; point the URL at the master or at its sentinels",
  misconfigured: "the server refuses writes until its persistence or its replicas work again",
  moved: "the cluster moves the key just now",
  auth: "the server refuses user or password; correct the URL",
  noperm: "the user may not do this; extend its ACL",
  tls: "the server's certificate is not trusted or it does not speak TLS; see NODE_EXTRA_CA_CERTS",
  unsupported: "the server does not know this command",
  wrongtype: "the key holds something of another type",
  noscript: "the script is not loaded",
  nogroup: "stream or consumer group does not exist",
  busygroup: "the consumer group exists already",
  rejected: "the server rejects the command",
  unexpected: "the reply is not of the documented shape"
}
