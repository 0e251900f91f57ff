/**
 * What can be wrong with a configuration file, as data: findings with their places, and the errors that stop a start.
 * Sentences name the key and the remedy; none of them repeats a value that could be a secret.
 */
import { Schema } from "effect"

/** One finding in a file: where it is and one sentence with the remedy. */
export const ConfigFinding = Schema.Struct({
  /** Path of keys, `services.eth.backends.jsonrpc.url`; list items as `urls[1]`; empty for the file as a whole. */
  place: Schema.String,
  /** Line in the file, 1 based; absent for what is missing from the file or came from the command line. */
  line: Schema.optionalKey(Schema.Int),
  /** What is wrong and what to do, without a final full stop. */
  sentence: Schema.String
})
export type ConfigFinding = typeof ConfigFinding.Type

/** `line 12, redis.pool_size: expected …`, the form in which findings are printed. */
export const describeFinding = (finding: ConfigFinding): string => {
  const line = finding.line === undefined ? [] : [`line ${finding.line}`]
  const place = finding.place === "" ? [] : [finding.place]
  const where = [...line, ...place].join(", ")
  return where === "" ? finding.sentence : `${where}: ${finding.sentence}`
}

/** The file cannot be read from disk: absent, a folder, no permission. */
export class ConfigFileUnreadable extends Schema.TaggedError<ConfigFileUnreadable>()("ConfigFileUnreadable", {
  file: Schema.String,
  reason: Schema.Literals(["missing", "not a file", "no permission", "too large", "not UTF-8", "unreadable"]),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    switch (this.reason) {
      case "missing":
        return `${this.file}: no such file; give the path of a YAML file to --config`
      case "not a file":
        return `${this.file}: is not a file; give the path of a YAML file to --config`
      case "no permission":
        return `${this.file}: may not be read by this user; grant read permission or start as its owner`
      case "too large":
        return `${this.file}: is larger than 8 MiB, which no configuration is; give the path of a YAML file to --config`
      case "not UTF-8":
        return `${this.file}: is not UTF-8 text; save it as UTF-8`
      case "unreadable":
        return `${this.file}: cannot be read; check the file and the disk it is on`
    }
  }
}

/** The file is not YAML that can be read. Only the first fault is reported: the later ones follow from it. */
export class ConfigSyntaxError extends Schema.TaggedError<ConfigSyntaxError>()("ConfigSyntaxError", {
  file: Schema.String,
  /** 1 based. */
  line: Schema.Int,
  /** 1 based, in characters. */
  column: Schema.Int,
  sentence: Schema.String
}) {
  override get message(): string {
    return `${this.file}:${this.line}:${this.column}: ${this.sentence}`
  }
}

/** The file is YAML, but not a configuration that can be started: every problem at once, in the order of the file. */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  file: Schema.String,
  problems: Schema.NonEmptyArray(ConfigFinding)
}) {
  override get message(): string {
    return this.problems.map((problem) => `${this.file}: ${describeFinding(problem)}`).join("\n")
  }
}

/** Everything that can stop a configuration from being used. */
export type ConfigError = ConfigFileUnreadable | ConfigSyntaxError | ConfigInvalid
