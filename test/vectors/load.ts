/** Reads the golden vectors of this folder: one loader, so that no test can quietly read another file or skip one. */
import { readFileSync } from "node:fs"

/** Names of the vector files, without `.json`. */
export type VectorFile =
  | "claims"
  | "difficulty"
  | "go-rand"
  | "http"
  | "keys-signatures"
  | "messages"
  | "meter"
  | "mined-relay"
  | "queries"
  | "relays"
  | "ring-hashes"
  | "ring-members"
  | "ring-signatures"
  | "session-ids"
  | "signable"
  | "smst"
  | "smst-gob-first"
  | "smst-nodes"
  | "smst-proofs"
  | "transactions"
  | "windows"

/** The `cases` of one file. The caller states their shape; `readme` in the file explains each field. */
export const loadVectors = <Cases>(file: VectorFile): Cases =>
  (JSON.parse(readFileSync(new URL(`./${file}.json`, import.meta.url), "utf8")) as { cases: Cases }).cases

/** Bytes of a lower-case hex string; an absent field is empty. */
export const hex = (text: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(text ?? "", "hex"))

/** Lower-case hex of bytes. */
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
