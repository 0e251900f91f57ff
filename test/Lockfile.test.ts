/** The lock file as `npm ci` needs it: whole, exact and independent of where packages are fetched from. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"

const Dependencies = Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
const Manifest = Schema.Struct({
  dependencies: Dependencies,
  devDependencies: Dependencies,
  optionalDependencies: Dependencies
})
const Lock = Schema.Struct({
  packages: Schema.Record(
    Schema.String,
    Schema.Struct({ optionalDependencies: Dependencies, resolved: Schema.optionalKey(Schema.String) })
  )
})

const read = (file: string): unknown => JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), "utf8"))
const { packages } = Schema.decodeUnknownSync(Lock)(read("package-lock.json"))
const manifest = Schema.decodeUnknownSync(Manifest)(read("package.json"))

describe("package-lock.json", () => {
  it("has an entry for every optional package it names, or npm ci refuses it", () => {
    const dangling = Object.entries(packages).flatMap(([owner, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)) && owner !== ""
      )
    )
    assert.deepStrictEqual(dangling, [])
  })

  it("names no place to fetch from", () => {
    assert.deepStrictEqual(
      Object.values(packages).flatMap(({ resolved }) => (resolved === undefined ? [] : [resolved])),
      []
    )
  })

  it("follows from exact versions", () => {
    const versions = Object.values({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies
    })
    assert.isNotEmpty(versions)
    assert.deepStrictEqual(
      versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version)),
      []
    )
  })
})
