/**
 * What can be wrong with a source of keys, or with one file of it. No text of a file is ever part of a problem: the
 * wrong line may be the one with the key.
 */
import { Schema } from "effect"
import { PASSPHRASE, PASSPHRASE_FILE } from "./KeySettings.ts"

/** The kinds of sources, in the order in which they are merged: a later one wins. */
export const KEY_SOURCES = ["keys_file", "keys_dir", "keyring"] as const
/** The name of a source in the configuration. */
export type KeySource = (typeof KEY_SOURCES)[number]

/** What is wrong, and what to do about it. */
const sentences = {
  missing: "does not exist; create it or correct the path",
  "no permission": "may not be read by this user; make the process's user its owner",
  unreadable: "cannot be read; check the disk",
  "link loop": "is a symbolic link that leads back to itself; point it to the file",
  "not a file": "is not a regular file; put a file there",
  "not a folder": "is not a folder; correct the path",
  "too large": "is larger than any file of keys; put the right file there",
  "too many files": "holds too many files; move what is no key elsewhere",
  "not UTF-8": "is not UTF-8 text; put the right file there",
  empty: "is empty; write the keys into it",
  syntax: "is neither YAML nor JSON; check quotes, colons and indentation",
  "no list": "has no list of keys; write `keys:` and below it one `- ` line for each key",
  keys: "has entries that are no keys; correct or remove them",
  "no address": "has no operator_address; add the supplier's pokt1… address",
  address: "has an operator_address that is none; write the supplier's pokt1… address",
  "no private key": "has no private_key_hex; add the 64 hex digits of the key",
  "private key": "has a private_key_hex that is no key; write the 64 hex digits of the key",
  mismatch: "has a private key of another address; correct one of the two",
  "no key": "holds no key file; put one there",
  "name unknown": "has no key of a configured name; correct keys.keyring.key_names",
  "no passphrase": `needs a passphrase; set ${PASSPHRASE} or ${PASSPHRASE_FILE}`,
  passphrase: `is not opened by the passphrase; correct ${PASSPHRASE} or ${PASSPHRASE_FILE}`,
  "not an item": "is not a keyring item as the Cosmos SDK writes it; export the key again",
  "not a record": "holds no key record of the present format; run `pocketd keys migrate` once",
  "item key": "holds a private key that is out of range; export the key again",
  algorithm: "is skipped: not a secp256k1 key, so it cannot be a supplier's",
  "not local": "is skipped: its private key is not in the keyring",
  "last key": "holds no usable key any more; restart to run without the keys that it had"
} as const

/** Why a file or a source gives no key, or fewer than before. */
export const KeyProblemReason = Schema.Literals(Object.keys(sentences) as Array<keyof typeof sentences>) // keys of the literal above
/** One of the reasons; each has one sentence with its remedy. */
export type KeyProblemReason = keyof typeof sentences

/** A file or folder that gives no key. What it gave before stays in use, except where it now says that it holds none. */
export class KeyProblem extends Schema.TaggedError<KeyProblem>()("KeyProblem", {
  source: Schema.Literals(KEY_SOURCES),
  path: Schema.String,
  reason: KeyProblemReason,
  /** Facts that no secret can be in: positions, counts, codes, addresses; may be empty. */
  detail: Schema.String
}) {
  override get message(): string {
    const detail = this.detail === "" ? "" : ` (${this.detail})`
    return `keys.${this.source}: ${this.path} ${sentences[this.reason]}${detail}`
  }
}

/** No source gives a key, so there is nothing to start with. */
export class NoUsableKeys extends Schema.TaggedError<NoUsableKeys>()("NoUsableKeys", {
  problems: Schema.Array(KeyProblem)
}) {
  override get message(): string {
    return this.problems.length === 0
      ? "no supplier key: name a source in keys.keys_file, keys.keys_dir or keys.keyring"
      : `no usable supplier key: ${this.problems.map(({ message }) => message).join("; ")}`
  }
}

/** Is the file in order although it gives no key? */
export const isSkip = ({ reason }: KeyProblem): boolean => reason === "algorithm" || reason === "not local"
