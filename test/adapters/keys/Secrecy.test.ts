/** What is said about keys never says a key: neither logs, nor errors, nor what a debugger or JSON shows of the parts. */
import { join } from "node:path"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Redacted, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import { keySources } from "../../../adapters/keys/KeySources.ts"
import type { KeySettings } from "../../../adapters/keys/KeySettings.ts"
import * as ReloadingKeys from "../../../adapters/keys/ReloadingKeys.ts"
import {
  addressed,
  copyKeyring,
  first,
  hexOf,
  list,
  logsInto,
  makeFolder,
  none,
  second,
  until,
  write
} from "./KeyFolder.ts"

/** Digits of a key that must not show, nor a good part of them. */
const secret = hexOf(first)

/** Whether a text has 12 digits in a row of the key, its Base64, or its bytes as numbers. */
const tells = (text: string, key = first.privateKey): boolean => {
  const digits = Buffer.from(key).toString("hex")
  const parts = Array.from({ length: digits.length - 11 }, (_, at) => digits.slice(at, at + 12))
  const numbers = key.slice(0, 6)
  return (
    parts.some((part) => text.toLowerCase().includes(part)) ||
    text.includes(Buffer.from(key).toString("base64").slice(0, 16)) ||
    new RegExp(numbers.join(String.raw`,?\s+`)).test(text) ||
    text.includes(numbers.join(","))
  )
}

/** Every way in which a value may end up in front of somebody. */
const shown = (value: unknown): string => {
  const inspected = inspect(value, { depth: Infinity, showHidden: true, maxArrayLength: null, getters: true })
  const json = JSON.stringify(value, (_, part: unknown) => (part instanceof Map ? [...part] : part)) ?? ""
  const text = value instanceof Error ? `${String(value)} ${value.stack ?? ""}` : ""
  return [inspected, json, text].join("\n")
}

/** Files with the key in them that are wrong in every way. */
const badFiles: ReadonlyArray<string | Uint8Array> = [
  Uint8Array.from([...first.privateKey, 0xff, 0xfe, 0]),
  `keys:\n - "${secret}`,
  `keys: [${secret}`,
  `keys: ${secret}`,
  `keys:\n\t- ${secret}\n  - x`,
  secret,
  `${secret}: ${secret}`,
  `? [${secret}]\n: x`,
  `*${secret}`,
  `!${secret} x`,
  `keys: [*${secret}]`,
  `%${secret}\n`,
  `"${secret}\\q"`,
  `{"keys": ["${secret}" "x"]}`,
  `{"keys": [{"${secret}": 1}]}`,
  `keys: [${secret}${secret}, "${secret} x", x${secret}]`,
  `operator_address: ${secret}\nprivate_key_hex: ${secret}`,
  `operator_address: ${second.address}\nprivate_key_hex: ${secret}`,
  `operator_address: ${first.address}\nprivate_key_hex: ${secret}ff`,
  `operator_address: ${first.address}\n${secret}: x`,
  `operator_address: ${first.address}\nprivate_key_hex: ${secret.slice(1)}`
]

const run = (settings: KeySettings, lines: Array<string>, change: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const ring = yield* ReloadingKeys.makeReloadingRing(settings)
    const seen = lines.length
    yield* change
    yield* until("a line about the change", () => lines.length > seen + 1, TestClock.adjust("1 second"))
    return shown(SubscriptionRef.getUnsafe(ring))
  }).pipe(Effect.scoped, Effect.provide(logsInto(lines)))

describe("secrecy", () => {
  it("is tested by a search that finds keys", () => {
    const key = Uint8Array.from(first.privateKey)
    for (const value of [secret, secret.toUpperCase(), `x${secret.slice(20, 40)}`, [...key], key, { key }]) {
      assert.isTrue(tells(shown(value)))
    }
    assert.isFalse(tells(shown(Redacted.make(key))))
  })

  it.effect("holds for refused starts, for every bad file", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      for (const content of badFiles) {
        const folder = yield* makeFolder
        const keysFile = write(join(folder, "keys.yaml"), content)
        write(join(folder, "dir", "a.json"), content)
        const settings = { ...none, keysFile, keysDir: join(folder, "dir") }
        const exit = yield* Effect.exit(Effect.scoped(ReloadingKeys.makeReloadingRing(settings))).pipe(
          Effect.provide(logsInto(lines))
        )
        assert.isTrue(Exit.isFailure(exit), String(content.slice(0, 20)))
        if (Exit.isFailure(exit)) {
          assert.isFalse(tells(shown(Cause.squash(exit.cause))), String(content.slice(0, 20)))
          assert.isFalse(tells(Cause.pretty(exit.cause)))
          assert.isFalse(tells(shown(exit)))
        }
        for (const { reader } of keySources(settings)) {
          assert.isFalse(tells(shown([yield* reader.look, reader])))
        }
      }
      assert.isFalse(tells(lines.join("\n")))
    })
  )

  it.effect("holds for what is loaded, for changes, and for bad files that come later", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const folder = yield* makeFolder
      const settings = {
        ...none,
        keysFile: write(join(folder, "keys.yaml"), list(second)),
        keysDir: join(folder, "dir")
      }
      write(join(folder, "dir", "a.yaml"), addressed(first))
      for (const content of badFiles) {
        write(settings.keysFile, list(second))
        const change = Effect.sync(() => {
          write(settings.keysFile, content)
          write(join(settings.keysDir, "b.yaml"), content)
        })
        const ring = yield* run(settings, lines, change)
        assert.isFalse(tells(ring))
        assert.isFalse(tells(ring, second.privateKey))
      }
      assert.isAbove(lines.length, badFiles.length)
      assert.isFalse(tells(lines.join("\n")))
      assert.isFalse(tells(lines.join("\n"), second.privateKey))
    })
  )

  it.effect("holds for keyrings and their passphrase", () =>
    Effect.gen(function* () {
      const north = new Uint8Array(32).fill(0x11)
      const south = Buffer.from("a3c1f5b7d9e2046813579bdf02468ace13579bdf02468ace0123456789abcdef", "hex")
      const settings = copyKeyring(yield* makeFolder, "file")
      const sources = keySources(settings)
      const looks = yield* Effect.forEach(sources, ({ reader }) => reader.look)
      assert.lengthOf(looks[0]?.keys ?? [], 2)
      const text = shown([settings, sources, looks])
      assert.isFalse(tells(text, north))
      assert.isFalse(tells(text, south))
      assert.notInclude(text, "correct horse")
    })
  )
})
