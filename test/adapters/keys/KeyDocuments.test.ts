/** Files and folders of keys as operators write them, well and badly. */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, symlinkSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { addressed, first, hexOf, list, lookAt, makeFolder, none, only, second, third, write } from "./KeyFolder.ts"

/** Order of secp256k1. */
const N = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

/** Looks at one keys_file of this content. */
const readFile = (content: string | Uint8Array) =>
  Effect.gen(function* () {
    const folder = yield* makeFolder
    return yield* lookAt({ ...none, keysFile: write(join(folder, "keys.yaml"), content) })
  })

/** Looks at a keys_dir of one file. */
const readOne = (content: string | Uint8Array, name = "north.yaml") =>
  Effect.gen(function* () {
    const folder = yield* makeFolder
    write(join(folder, name), content)
    return yield* lookAt({ ...none, keysDir: folder })
  })

describe("keys_file", () => {
  for (const [what, content] of Object.entries({
    YAML: list(first, second),
    "YAML without quotes and prefix": `keys:\n- ${hexOf(first)}\n-   ${hexOf(second)}   # second\n`,
    "upper case": `keys: [ ${hexOf(first).toUpperCase()}, "0x ${hexOf(second)} " ]`,
    JSON: JSON.stringify({ comment: "x", keys: [hexOf(first), `0x${hexOf(second)}`] }, undefined, "\t"),
    "a byte order mark and Windows line ends": `\ufeff${list(first, second).replaceAll("\n", "\r\n")}`,
    "other fields": `${list(first, second)}owner: somebody\n`
  })) {
    it.effect(`reads ${what}`, () =>
      Effect.gen(function* () {
        const { addresses, problems } = yield* readFile(content)
        assert.deepStrictEqual(problems, [])
        assert.deepStrictEqual(addresses, [first.address, second.address])
      })
    )
  }

  it.effect("reads a key of 64 decimal digits as the text that it is", () =>
    Effect.gen(function* () {
      const digits = "1".repeat(64)
      const { addresses } = yield* readFile(`keys: [${digits}]`)
      // From the Cosmos SDK: `supplier-north` of the keyring fixtures.
      assert.deepStrictEqual(addresses, ["pokt1l3e9pgs3mmwuwrh95fecme0s0qtn28805vd04p"])
    })
  )

  for (const [reason, content] of [
    ["empty", ""],
    ["empty", " \n\n"],
    ["syntax", "just a text"],
    ["syntax", `keys:\n  - "${hexOf(first)}\n`],
    ["syntax", `keys: [${hexOf(first)}`],
    ["syntax", `keys: [${hexOf(first)}]\nkeys: [${hexOf(second)}]`],
    ["syntax", `- ${hexOf(first)}`],
    ["syntax", "[".repeat(20_000)],
    ["too large", "[".repeat(200_000)],
    ["no list", "key: []"],
    ["no list", "keys:"],
    ["no list", "keys: []"],
    ["no list", `keys: ${hexOf(first)}`],
    ["no list", `keys: { a: ${hexOf(first)} }`],
    ["not UTF-8", Uint8Array.from([0x6b, 0xff, 0x00, 0xc3, 0x28])],
    ["not UTF-8", first.privateKey.map((byte) => byte | 0x80)]
  ] as const) {
    it.effect(`refuses what is ${reason}: ${JSON.stringify(String(content).slice(0, 12))}`, () =>
      Effect.gen(function* () {
        const { addresses, problems } = yield* readFile(content)
        assert.deepStrictEqual(addresses, [])
        assert.strictEqual(only(problems)[0], reason)
      })
    )
  }

  it.effect("is refused as a whole for one bad entry, and names all of them", () =>
    Effect.gen(function* () {
      const short = hexOf(second).slice(1)
      const { addresses, problems } = yield* readFile(
        `keys: [${hexOf(first)}, ${short}, ${short}00, "${"0".repeat(64)}", ${N}, ${"g".repeat(64)}, [a], ~]`
      )
      assert.deepStrictEqual(addresses, [])
      const [reason, message] = only(problems)
      assert.strictEqual(reason, "keys")
      for (const part of [
        "keys[1]: length, 63 characters",
        "keys[2]: length, 65 characters",
        "keys[3]: zero",
        "keys[4]: not below the group order",
        "keys[5]: digit",
        "keys[6]: length, 0 characters",
        "keys[7]: length, 1 characters"
      ]) {
        assert.include(message, part)
      }
      assert.notInclude(message, "keys[0]")
    })
  )

  it.effect("takes the last key below the group order", () =>
    Effect.gen(function* () {
      const { addresses } = yield* readFile(`keys: [${N.slice(0, -2)}40]`)
      assert.lengthOf(addresses, 1)
    })
  )

  it.effect("is bounded: a huge file is refused unread", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const keysFile = write(join(folder, "keys.yaml"), list(first))
      truncateSync(keysFile, 3 * 2 ** 30)
      assert.strictEqual(only((yield* lookAt({ ...none, keysFile })).problems)[0], "too large")
    })
  )

  it.effect("is refused where there is no file, without waiting for one", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const at = (name: string) => join(folder, name)
      symlinkSync("b", at("a"))
      symlinkSync("a", at("b"))
      mkdirSync(at("folder"))
      execFileSync("mkfifo", [at("pipe")])
      write(at("plain"), "x")
      for (const [name, reason] of [
        ["nothing", "missing"],
        ["plain/below", "missing"],
        ["a", "link loop"],
        ["folder", "not a file"],
        ["pipe", "not a file"],
        ["/dev/zero", "not a file"]
      ] as const) {
        const keysFile = name.startsWith("/") ? name : at(name)
        assert.strictEqual(only((yield* lookAt({ ...none, keysFile })).problems)[0], reason, name)
      }
    })
  )

  it.effect("names a file that this user may not read", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const keysFile = write(join(folder, "keys.yaml"), list(first))
      chmodSync(folder, 0o711)
      chmodSync(keysFile, 0o000)
      // Root may read everything: for this look it is somebody else.
      const isRoot = process.getuid?.() === 0
      if (isRoot) process.seteuid?.(65534)
      const { problems } = yield* Effect.ensuring(
        lookAt({ ...none, keysFile }),
        Effect.sync(() => {
          if (isRoot) process.seteuid?.(0)
        })
      )
      assert.strictEqual(only(problems)[0], "no permission")
    })
  )
})

describe("keys_dir", () => {
  it.effect("reads each YAML and JSON file, and nothing else", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      write(join(folder, "a.yaml"), addressed(first))
      write(join(folder, "b.yml"), addressed(second, second.address.toUpperCase()))
      write(
        join(folder, "c.json"),
        JSON.stringify({ name: "x", operator_address: third.address, private_key_hex: `0x${hexOf(third)}`, keys: [] })
      )
      write(join(folder, "d.txt"), "no key")
      write(join(folder, "a.yaml~"), "no key")
      write(join(folder, ".a.yaml.swp"), "no key")
      symlinkSync("somebody@somewhere:1", join(folder, ".#a.yaml"))
      const { addresses, problems } = yield* lookAt({ ...none, keysDir: folder })
      assert.deepStrictEqual(problems, [])
      assert.deepStrictEqual(addresses, [first.address, second.address, third.address])
    })
  )

  it.effect("refuses an address that is not the key's, for that file only", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      write(join(folder, "a.yaml"), addressed(first, second.address))
      write(join(folder, "b.yaml"), addressed(third))
      const { addresses, problems } = yield* lookAt({ ...none, keysDir: folder })
      assert.deepStrictEqual(addresses, [third.address])
      const [reason, message] = only(problems)
      assert.strictEqual(reason, "mismatch")
      assert.include(message, first.address)
      assert.include(message, second.address)
      assert.include(message, "a.yaml")
    })
  )

  for (const [reason, content] of [
    ["empty", ""],
    ["syntax", `{"operator_address": "${first.address}", "private_key_hex": "${hexOf(first)}"`],
    ["no address", `private_key_hex: ${hexOf(first)}`],
    ["no address", `operator_address: ""\nprivate_key_hex: ${hexOf(first)}`],
    ["address", addressed(first, hexOf(first))],
    // BIP-173: a valid address of another network.
    ["address", addressed(first, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")],
    ["address", addressed(first, `${first.address.slice(0, -1)}b`)],
    ["no private key", `operator_address: ${first.address}`],
    ["no private key", `operator_address: ${first.address}\nprivate_key_hex: [${hexOf(first)}]`],
    ["private key", `operator_address: ${first.address}\nprivate_key_hex: ${hexOf(first)}0`],
    ["private key", `operator_address: ${first.address}\nprivate_key_hex: ${"0".repeat(64)}`],
    ["private key", `operator_address: ${first.address}\nprivate_key_hex: ${N}`]
  ] as const) {
    it.effect(`refuses a file with ${reason}: ${content.slice(0, 40)}`, () =>
      Effect.gen(function* () {
        const { addresses, problems } = yield* readOne(content)
        assert.deepStrictEqual(addresses, [])
        assert.strictEqual(only(problems)[0], reason)
      })
    )
  }

  it.effect("has to be a folder with a file in it", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const file = write(join(folder, "sub", "x"), "")
      assert.strictEqual(only((yield* lookAt({ ...none, keysDir: join(folder, "sub") })).problems)[0], "no key")
      assert.strictEqual(only((yield* lookAt({ ...none, keysDir: file })).problems)[0], "not a folder")
      assert.strictEqual(only((yield* lookAt({ ...none, keysDir: join(folder, "no") })).problems)[0], "missing")
    })
  )

  it.effect("names what others may read or write", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const open = write(join(folder, "a.yaml"), addressed(first))
      write(join(folder, "b.yaml"), addressed(second))
      chmodSync(open, 0o640)
      assert.deepStrictEqual((yield* lookAt({ ...none, keysDir: folder })).exposed, [open])
      chmodSync(open, 0o600)
      chmodSync(folder, 0o777)
      assert.deepStrictEqual((yield* lookAt({ ...none, keysDir: folder })).exposed, [folder])
    })
  )
})
