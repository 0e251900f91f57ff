/** The rings of the product: who may import what. A violation names file, import and broken rule. */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..")

interface Rule {
  readonly name: string
  /** Files it speaks of, by path from the root. */
  readonly applies: (file: string) => boolean
  /** Whether the import (a path from the root, or a package name) breaks it. */
  readonly broken: (target: string, file: string) => boolean
}

const within =
  (...folders: ReadonlyArray<string>) =>
  (target: string) =>
    folders.some((folder) => target.startsWith(folder))
const isLocal = within("domain/", "adapters/", "layers/", "src/", "test/", "package.json")
const folderOf = (file: string) => file.split("/").slice(0, 2).join("/")

const rules: ReadonlyArray<Rule> = [
  {
    name: "domain imports only domain, the root of effect, @noble and @bufbuild/protobuf",
    applies: within("domain/"),
    broken: (target) =>
      isLocal(target) ? !target.startsWith("domain/") : !/^(effect$|@noble\/|@bufbuild\/protobuf)/.test(target)
  },
  {
    name: "ports hold interfaces and import only domain values",
    applies: within("domain/ports/"),
    broken: (target) => (isLocal(target) ? !target.startsWith("domain/") : target !== "effect")
  },
  {
    name: "an adapter imports domain, its own folder and adapters/tracing, not another technology",
    applies: within("adapters/"),
    broken: (target, file) =>
      isLocal(target) &&
      !target.startsWith("domain/") &&
      !target.startsWith(`${folderOf(file)}/`) &&
      !target.startsWith("adapters/tracing/")
  },
  {
    name: "layers import domain, adapters, effect and @effect/platform-node",
    applies: within("layers/"),
    broken: (target) =>
      isLocal(target)
        ? !within("domain/", "adapters/", "layers/")(target)
        : !/^(effect(\/|$)|@effect\/platform-node\/)/.test(target)
  },
  {
    name: "src imports layers, domain, adapters/config, effect and @effect/platform-node",
    applies: within("src/"),
    broken: (target) =>
      isLocal(target)
        ? !within("domain/", "layers/", "src/", "adapters/config/", "package.json")(target)
        : !/^(effect(\/|$)|@effect\/platform-node\/|node:)/.test(target)
  }
]

const sources = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && statSync(join(root, folder, file)).isFile())
    .map((file) => `${folder}/${file}`)

/** `… from "x"`, `import "x"`, `import("x")`; between the keyword and `from` stand only names, braces and stars. */
const IMPORTS =
  /^(?:import|export)\s[\w\s{},*$]*?\bfrom\s*["']([^"']+)["']|^import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm

const importsOf = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(IMPORTS), ([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? "")

/** Path from the root for a relative import, the package's name otherwise. */
const resolved = (file: string, specifier: string): string =>
  specifier.startsWith(".") ? relative(root, resolve(root, dirname(file), specifier)) : specifier

const violations = (file: string, text: string): ReadonlyArray<string> =>
  importsOf(text).flatMap((specifier) => {
    const target = resolved(file, specifier)
    return rules
      .filter((rule) => rule.applies(file) && rule.broken(target, file))
      .map((rule) => `${file} imports ${specifier}: ${rule.name}`)
  })

describe("Boundaries", () => {
  it("hold in every source file", () => {
    const broken = ["domain", "adapters", "layers", "src"]
      .flatMap(sources)
      .flatMap((file) => violations(file, readFileSync(join(root, file), "utf8")))
    assert.deepStrictEqual(broken, [])
  })

  it("are read from imports of every form", () => {
    const text = `import { a } from "../layers/A.ts"\nimport type {\n  B,\n  C\n} from "../../src/B.ts"\nexport * from "node:fs"\nconst d = await import("undici")\n`
    assert.deepStrictEqual(importsOf(text), ["../layers/A.ts", "../../src/B.ts", "node:fs", "undici"])
  })

  it("name the rule that a foreign import breaks", () => {
    const seen = [
      violations("domain/relay/A.ts", `import { x } from "../../adapters/http/X.ts"`),
      violations("domain/relay/A.ts", `import { readFileSync } from "node:fs"`),
      violations("domain/relay/A.ts", `import { HttpClient } from "effect/http"`),
      violations("adapters/http/A.ts", `import { x } from "../memory/X.ts"`),
      violations("layers/A.ts", `import { main } from "../src/main.ts"`),
      violations("src/A.ts", `import { x } from "../adapters/http/X.ts"`)
    ]
    assert.deepStrictEqual(
      seen.map((found) => found.length > 0),
      [true, true, true, true, true, true]
    )
    assert.include(seen[3]?.[0], "not another technology")
  })
})
