/** Keys that change on disk while the process runs, seen by the regular looks; events are in `KeyWatch.test.ts`. */
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Metric, Scope, Stream, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import type { NoUsableKeys } from "../../../adapters/keys/KeyProblem.ts"
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
  hexOf,
  list,
  logsInto,
  makeFolder,
  none,
  second,
  third,
  until,
  write
} from "./KeyFolder.ts"

type Ring = SubscriptionRef.SubscriptionRef<KeyRing>

/** Addresses held now. */
const heldIn = (ring: Ring): ReadonlyArray<string> => [...SubscriptionRef.getUnsafe(ring).keys()]

/** Lets the clock run until the ring holds these keys. */
const comesTo = (ring: Ring, ...held: ReadonlyArray<TestKey>) =>
  until(
    `to hold ${held.length} keys`,
    () => heldIn(ring).join() === addressesOf(held).join(),
    TestClock.adjust("1 second")
  )

/** Lets the clock run until so many lines of the log contain the text. */
const isLogged = (lines: ReadonlyArray<string>, text: string, times = 1) =>
  until(
    `${times} lines with ${text}`,
    () => lines.filter((line) => line.includes(text)).length >= times,
    TestClock.adjust("1 second")
  )

/** Lets the clock run through so many looks at least. */
const looks = (count: number) =>
  Effect.forEach(
    Array.from({ length: count * 40 }),
    () =>
      Effect.andThen(
        TestClock.adjust("250 millis"),
        Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
      ),
    { discard: true }
  )

/** A counter or gauge by name and label. */
const metric = (name: string, provider: string) =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.find((one) => one.id === name && (one.attributes ?? {})["provider"] === provider)
    return found?.type === "Counter"
      ? Number(found.state.count)
      : found?.type === "Gauge"
        ? Number(found.state.value)
        : 0
  })

/** Runs a test with its own folder and log. */
const test = (
  body: (
    folder: string,
    lines: Array<string>,
    start: (settings: KeySettings) => Effect.Effect<Ring, NoUsableKeys, Scope.Scope>
  ) => Effect.Effect<void, NoUsableKeys, Scope.Scope>
) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const folder = yield* makeFolder
    yield* body(folder, lines, (settings) => ReloadingKeys.makeReloadingRing(settings)).pipe(
      Effect.provide(logsInto(lines))
    )
  })

/** The error of a refused start. */
const refusal = (started: Effect.Effect<Ring, NoUsableKeys, Scope.Scope>) => Effect.orDie(Effect.flip(started))

describe("keys that change on disk", () => {
  it.effect("come and go with the file that lists them", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), list(first, second))
        const ring = yield* start({ ...none, keysFile })
        assert.deepStrictEqual(heldIn(ring), addressesOf([first, second]))
        write(keysFile, list(second, third))
        yield* comesTo(ring, second, third)
        assert.isTrue(lines.some((line) => line.includes("keys added") && line.includes(third.address)))
        assert.isTrue(lines.some((line) => line.includes("keys removed") && line.includes(first.address)))
      })
    )
  )

  it.effect("are found although no watch could see the change", () =>
    test((folder, _, start) =>
      Effect.gen(function* () {
        // keys.yaml -> far/link -> there/one.yaml: the link in between is in a folder that nobody watches.
        write(join(folder, "there", "one.yaml"), list(first))
        write(join(folder, "there", "two.yaml"), list(first, second))
        mkdirSync(join(folder, "far", "away"), { recursive: true })
        const link = join(folder, "far", "away", "link")
        symlinkSync(join(folder, "there", "one.yaml"), link)
        mkdirSync(join(folder, "near"))
        const keysFile = join(folder, "near", "keys.yaml")
        symlinkSync(link, keysFile)
        const ring = yield* start({ ...none, keysFile })
        symlinkSync(join(folder, "there", "two.yaml"), `${link}.new`)
        renameSync(`${link}.new`, link)
        yield* comesTo(ring, first, second)
      })
    )
  )

  it.effect("stay when their file goes bad or away, which is said once, and follow it when it is mended", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), list(first, second))
        const ring = yield* start({ ...none, keysFile })
        const before = yield* metric("ha_keys_load_errors_total", "keys_file")
        write(keysFile, `keys: [${hexOf(first).slice(1)}]`)
        yield* isLogged(lines, "keys[0]: length, 63 characters")
        yield* looks(5)
        assert.lengthOf(
          lines.filter((line) => line.includes("63 characters")),
          1
        )
        assert.strictEqual((yield* metric("ha_keys_load_errors_total", "keys_file")) - before, 1)
        assert.strictEqual(yield* metric("ha_keys_problems", "keys_file"), 1)
        // Changed, and bad in the same way: said again.
        write(keysFile, `keys: [${hexOf(second).slice(1)}]`)
        yield* isLogged(lines, "63 characters", 2)
        rmSync(keysFile)
        yield* isLogged(lines, "does not exist")
        write(keysFile, "")
        yield* isLogged(lines, "is empty")
        assert.deepStrictEqual(heldIn(ring), addressesOf([first, second]))
        write(keysFile, list(third))
        yield* comesTo(ring, third)
        assert.strictEqual(yield* metric("ha_keys_problems", "keys_file"), 0)
        const said = lines.length
        write(keysFile, "keys: [x]")
        yield* isLogged(lines, "keys[0]: length, 1 characters")
        assert.isAbove(lines.length, said)
        assert.deepStrictEqual(heldIn(ring), [third.address])
      })
    )
  )

  it.effect("are found in a file of the same size that takes the place of one that was long settled", () =>
    test((folder, _, start) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.now() + 86_400_000)
        const keysFile = write(join(folder, "keys.yaml"), list(first))
        const ring = yield* start({ ...none, keysFile })
        yield* looks(1)
        renameSync(write(join(folder, "new"), list(second)), keysFile)
        yield* comesTo(ring, second)
      })
    )
  )

  it.effect("leave the keys of other sources and files alone when one goes bad", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), list(first))
        const keysDir = join(folder, "dir")
        write(join(keysDir, "b.yaml"), addressed(second))
        write(join(keysDir, "c.yaml"), addressed(third))
        const ring = yield* start({ ...none, keysFile, keysDir })
        write(join(keysDir, "b.yaml"), addressed(second, third.address))
        yield* isLogged(lines, "of another address")
        write(join(keysDir, "d.yaml"), addressed(fourth))
        yield* comesTo(ring, first, second, third, fourth)
        rmSync(join(keysDir, "b.yaml"))
        yield* comesTo(ring, first, third, fourth)
        rmSync(keysFile)
        yield* isLogged(lines, "does not exist")
        rmSync(join(keysDir, "d.yaml"))
        yield* comesTo(ring, first, third)
      })
    )
  )

  it.effect("stay when the last file of their folder goes, and when the folder does", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysDir = join(folder, "dir")
        const file = write(join(keysDir, "a.yaml"), addressed(first))
        const ring = yield* start({ ...none, keysDir })
        rmSync(file)
        yield* isLogged(lines, "holds no usable key any more")
        assert.deepStrictEqual(heldIn(ring), [first.address])
        rmSync(keysDir, { recursive: true })
        yield* isLogged(lines, "dir does not exist")
        assert.deepStrictEqual(heldIn(ring), [first.address])
        write(join(keysDir, "b.yaml"), addressed(second))
        yield* comesTo(ring, second)
      })
    )
  )

  it.effect("are not taken from a file that is still being written", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), list(first, second, third))
        const ring = yield* start({ ...none, keysFile })
        const sets: Array<number> = []
        yield* Effect.forkScoped(
          Stream.runForEach(SubscriptionRef.changes(ring), (held) => Effect.sync(() => sets.push(held.size)))
        )
        // Each look finds another content, the shorter ones complete by themselves.
        write(keysFile, list(first))
        yield* isLogged(lines, "looking once more", 1)
        write(keysFile, list(first, second))
        yield* isLogged(lines, "looking once more", 2)
        write(keysFile, list(first, second).slice(0, -20))
        yield* isLogged(lines, "looking once more", 3)
        write(keysFile, list(first, second, third, fourth))
        yield* comesTo(ring, first, second, third, fourth)
        assert.deepStrictEqual(sets, [3, 4])
      })
    )
  )

  it.effect("fall back to what was accepted, not to a shorter content on the way to a bad one", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), list(first, second, third))
        const ring = yield* start({ ...none, keysFile })
        write(keysFile, list(first))
        yield* isLogged(lines, "looking once more")
        write(keysFile, list(first, second).slice(0, -20))
        yield* isLogged(lines, "keys.keys_file")
        yield* looks(2)
        assert.deepStrictEqual(heldIn(ring), addressesOf([first, second, third]))
      })
    )
  )

  it.effect("follow a keyring, which the reference reads only once", () =>
    test((folder, _, start) =>
      Effect.gen(function* () {
        const settings = copyKeyring(folder, "test", [])
        const south = join(settings.keyring.folder, "supplier south%2Fβ.info")
        const ring = yield* start(settings)
        assert.lengthOf(heldIn(ring), 2)
        renameSync(south, join(folder, "away"))
        yield* until("to hold one key", () => heldIn(ring).length === 1, TestClock.adjust("1 second"))
        renameSync(join(folder, "away"), south)
        yield* until("to hold two keys", () => heldIn(ring).length === 2, TestClock.adjust("1 second"))
      })
    )
  )

  it.effect("are not followed where that is off, nor after the end", () =>
    test((folder, _, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), list(first))
        const still = yield* ReloadingKeys.makeReloadingRing({ ...none, keysFile }, "never")
        const scope = yield* Scope.make()
        const ended = yield* Scope.provide(start({ ...none, keysFile }), scope)
        const followed = yield* start({ ...none, keysFile })
        yield* Scope.close(scope, Exit.void)
        write(keysFile, list(second))
        yield* comesTo(followed, second)
        yield* looks(2)
        assert.deepStrictEqual(heldIn(still), [first.address])
        assert.deepStrictEqual(heldIn(ended), [first.address])
      })
    )
  )
})

describe("the start", () => {
  it.effect("merges file, folder and keyring, and says what is there twice", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const north = "pokt1l3e9pgs3mmwuwrh95fecme0s0qtn28805vd04p"
        const keyring = copyKeyring(folder, "test", ["supplier-north"])
        const keysFile = write(join(folder, "keys.yaml"), `${list(first, second, second)}  - "${"1".repeat(64)}"\n`)
        const keysDir = join(folder, "dir")
        write(join(keysDir, "a.yaml"), addressed(first))
        const ring = yield* start({ ...keyring, keysFile, keysDir })
        assert.deepStrictEqual(heldIn(ring), [...addressesOf([first, second]), north].sort())
        const [twice = ""] = lines.filter((line) => line.includes("more than once"))
        assert.include(twice, `${first.address} in ${keysFile}, ${join(keysDir, "a.yaml")}`)
        assert.include(twice, `${second.address} in ${keysFile}, ${keysFile}`)
        assert.include(twice, `${north} in ${keysFile}, ${join(keyring.keyring.folder, "supplier-north.info")}`)
      })
    )
  )

  it.effect("goes on without a bad source while another gives keys", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), list(first))
        const ring = yield* start({ ...none, keysFile, keysDir: join(folder, "later") })
        assert.isTrue(lines.some((line) => line.includes("later does not exist")))
        write(join(folder, "later", "a.yaml"), addressed(second))
        yield* comesTo(ring, first, second)
      })
    )
  )

  it.effect("is refused without any key, with every reason", () =>
    test((folder, _, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), "keys: [abc]")
        const refused = yield* refusal(start({ ...none, keysFile, keysDir: join(folder, "no") }))
        assert.include(refused.message, "no usable supplier key")
        assert.include(refused.message, "keys[0]: length, 3 characters")
        assert.include(refused.message, "no does not exist")
        assert.include((yield* refusal(start(none))).message, "name a source in keys.keys_file")
      })
    )
  )

  it.effect("names the first of many bad files and counts the rest", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "keys.yaml"), list(first))
        const keysDir = join(folder, "dir")
        for (let index = 10; index < 60; index++) write(join(keysDir, `${index}.yaml`), "x")
        yield* start({ ...none, keysFile, keysDir })
        const errors = lines.filter((line) => line.includes('"ERROR"') || line.includes('"Error"'))
        assert.lengthOf(errors, 21)
        assert.include(errors[0], "10.yaml is neither YAML nor JSON")
        assert.include(errors[20], "30 more files")
        assert.strictEqual(yield* metric("ha_keys_problems", "keys_dir"), 50)
      })
    )
  )

  it.effect("names files that others may read, with the command that mends them", () =>
    test((folder, lines, start) =>
      Effect.gen(function* () {
        const keysFile = write(join(folder, "it's.yaml"), list(first))
        chmodSync(keysFile, 0o644)
        yield* start({ ...none, keysFile })
        const [line = ""] = lines.filter((one) => one.includes("chmod"))
        const { message } = JSON.parse(line) as { readonly message: string }
        assert.strictEqual(
          message,
          `private keys are open to other users, mode 644: chmod 600 '${folder}/it'\\''s.yaml'`
        )
        yield* looks(3)
        assert.lengthOf(
          lines.filter((one) => one.includes("chmod")),
          1
        )
      })
    )
  )
})
