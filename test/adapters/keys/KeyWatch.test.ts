/** Changes on disk that show at once, by the file system's events: regular looks are an hour away here. */
import { copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Stream, SubscriptionRef } from "effect"
import * as ReloadingKeys from "../../../adapters/keys/ReloadingKeys.ts"
import type { KeySettings } from "../../../adapters/keys/KeySettings.ts"
import type { KeyRing } from "../../../domain/keys/KeyRing.ts"
import type { TestKey } from "../../support/RelayBuilder.ts"
import {
  addressed,
  addressesOf,
  copyKeyring,
  first,
  fourth,
  list,
  logsInto,
  makeFolder,
  none,
  second,
  third,
  until,
  write
} from "./KeyFolder.ts"

const start = (settings: KeySettings) =>
  ReloadingKeys.makeReloadingRing(settings, { every: "1 hour", quiet: "20 millis" })

/** The same without a log. */
const quietly = (settings: KeySettings) => start(settings).pipe(Effect.provide(Logger.layer([])))

/** Waits for the ring to hold these keys. */
const comesTo = (ring: SubscriptionRef.SubscriptionRef<KeyRing>, ...held: ReadonlyArray<TestKey>) =>
  SubscriptionRef.changes(ring).pipe(
    Stream.filter((now) => [...now.keys()].join() === addressesOf(held).join()),
    Stream.runHead,
    Effect.timeoutOrElse({
      duration: "20 seconds",
      orElse: () => Effect.die(new Error(`in vain: ${held.length} keys, ${SubscriptionRef.getUnsafe(ring).size} held`))
    })
  )

/** Replaces a file by renaming a new one over it. */
const replace = (path: string, content: string) => {
  writeFileSync(`${path}.new`, content, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** A volume as Kubernetes writes it: files are links into `..data`, itself a link to a folder that is replaced as a whole. */
const secretVolume = (volume: string) => {
  let generation = 0
  return (files: Readonly<Record<string, string>>) => {
    const folder = `..2026_${generation++}`
    for (const [name, content] of Object.entries(files)) {
      write(join(volume, folder, name), content)
    }
    const previous = join(volume, `..2026_${generation - 2}`)
    symlinkSync(folder, join(volume, "..data_tmp"))
    renameSync(join(volume, "..data_tmp"), join(volume, "..data"))
    for (const name of Object.keys(files)) {
      if (generation === 1) symlinkSync(join("..data", name), join(volume, name))
    }
    rmSync(previous, { recursive: true, force: true })
  }
}

describe("events", () => {
  it.live("show a file written in place, again and again", () =>
    Effect.gen(function* () {
      const keysFile = write(join(yield* makeFolder, "keys.yaml"), list(first))
      const ring = yield* quietly({ ...none, keysFile })
      for (const held of [[second], [second, third], [first]]) {
        write(keysFile, list(...held))
        yield* comesTo(ring, ...held)
      }
    })
  )

  it.live("show a file replaced by renaming, again and again", () =>
    Effect.gen(function* () {
      const keysFile = write(join(yield* makeFolder, "keys.yaml"), list(first))
      const ring = yield* quietly({ ...none, keysFile })
      for (const held of [[second], [second, third], [first], [fourth]]) {
        replace(keysFile, list(...held))
        yield* comesTo(ring, ...held)
      }
    })
  )

  it.live("show a file that an editor saves: backup, new file, backup gone", () =>
    Effect.gen(function* () {
      const keysFile = write(join(yield* makeFolder, "keys.yaml"), list(first))
      const ring = yield* quietly({ ...none, keysFile })
      for (const held of [[second], [third]]) {
        renameSync(keysFile, `${keysFile}~`)
        write(keysFile, list(...held))
        rmSync(`${keysFile}~`)
        yield* comesTo(ring, ...held)
      }
    })
  )

  it.live("show a secret volume swapped under keys_file, again and again", () =>
    Effect.gen(function* () {
      const volume = yield* makeFolder
      const swap = secretVolume(volume)
      swap({ "keys.yaml": list(first) })
      const ring = yield* quietly({ ...none, keysFile: join(volume, "keys.yaml") })
      for (const held of [[second], [second, third], [first]]) {
        swap({ "keys.yaml": list(...held) })
        yield* comesTo(ring, ...held)
      }
    })
  )

  it.live("show a secret volume swapped under keys_dir, again and again", () =>
    Effect.gen(function* () {
      const volume = yield* makeFolder
      const swap = secretVolume(volume)
      swap({ "a.yaml": addressed(first), "b.yaml": addressed(second) })
      const ring = yield* quietly({ ...none, keysDir: volume })
      for (const [a, b] of [
        [third, second],
        [third, fourth],
        [first, second]
      ] as const) {
        swap({ "a.yaml": addressed(a), "b.yaml": addressed(b) })
        yield* comesTo(ring, a, b)
      }
    })
  )

  it.live("show a linked file written where it really is", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const real = write(join(folder, "far", "away", "keys.yaml"), list(first))
      mkdirSync(join(folder, "near"))
      const keysFile = join(folder, "near", "keys.yaml")
      symlinkSync(real, keysFile)
      const ring = yield* quietly({ ...none, keysFile })
      replace(real, list(second))
      yield* comesTo(ring, second)
    })
  )

  it.live("show what happens in a folder that was deleted and made anew, and after that", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const keysDir = join(folder, "dir")
      write(join(keysDir, "a.yaml"), addressed(first))
      const ring = yield* quietly({ ...none, keysDir })
      for (const one of [second, third]) {
        rmSync(keysDir, { recursive: true })
        write(join(keysDir, "a.yaml"), addressed(one))
        yield* comesTo(ring, one)
        write(join(keysDir, "b.yaml"), addressed(fourth))
        yield* comesTo(ring, one, fourth)
        rmSync(join(keysDir, "b.yaml"))
        yield* comesTo(ring, one)
      }
    })
  )

  it.live("show a folder replaced by another", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const keysDir = join(folder, "dir")
      write(join(keysDir, "a.yaml"), addressed(first))
      const ring = yield* quietly({ ...none, keysDir })
      write(join(folder, "other", "a.yaml"), addressed(second))
      renameSync(keysDir, join(folder, "old"))
      renameSync(join(folder, "other"), keysDir)
      yield* comesTo(ring, second)
      write(join(keysDir, "b.yaml"), addressed(third))
      yield* comesTo(ring, second, third)
    })
  )

  it.live("show a folder that was not there, and one that comes back after it was missed", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const keysFile = write(join(yield* makeFolder, "keys.yaml"), list(first))
      const keysDir = join(yield* makeFolder, "later")
      const ring = yield* start({ ...none, keysFile, keysDir }).pipe(Effect.provide(logsInto(lines)))
      write(join(keysDir, "a.yaml"), addressed(second))
      yield* comesTo(ring, first, second)
      rmSync(keysDir, { recursive: true })
      const missed = () => lines.filter((line) => line.includes("later does not exist")).length
      yield* until("the folder missed", () => missed() === 2, Effect.void)
      write(join(keysDir, "a.yaml"), addressed(third))
      yield* comesTo(ring, first, third)
    })
  )

  it.live("show items that the keyring gets and loses", () =>
    Effect.gen(function* () {
      const settings = copyKeyring(yield* makeFolder, "file", [])
      const item = join(settings.keyring.folder, "supplier-north.info")
      const copy = join(settings.keyring.folder, "..", "copy")
      copyFileSync(item, copy)
      const ring = yield* quietly(settings)
      const both = [...SubscriptionRef.getUnsafe(ring).keys()]
      assert.lengthOf(both, 2)
      rmSync(item)
      yield* SubscriptionRef.changes(ring).pipe(
        Stream.filter((held) => held.size === 1),
        Stream.runHead
      )
      copyFileSync(copy, item)
      yield* SubscriptionRef.changes(ring).pipe(
        Stream.filter((held) => [...held.keys()].join() === both.join()),
        Stream.runHead
      )
    })
  )
})
