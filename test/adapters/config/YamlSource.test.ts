import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readYaml, type YamlNode } from "../../../adapters/config/YamlSource.ts"

/** The tree as plain values: texts, null, arrays, objects. */
const plain = (node: YamlNode): unknown => {
  switch (node.kind) {
    case "scalar":
      return node.text
    case "null":
      return null
    case "list":
      return node.items.map(plain)
    case "mapping":
      return Object.fromEntries([...node.entries].map(([name, value]) => [name, plain(value)]))
  }
}

const read = (text: string): unknown =>
  plain(Result.getOrThrowWith(readYaml("f.yaml", text), (error) => new Error(error.message)).root)

const fault = (text: string): string =>
  Result.match(readYaml("f.yaml", text), { onSuccess: () => "read", onFailure: (error) => error.message })

describe("YamlSource", () => {
  it("keeps scalars as written", () => {
    assert.deepStrictEqual(read("a: 0123\nb: 1e10\nc: yes\nd: 1_000\ne: 2026-01-01\nf: '~'\ng: ''\nh: \"\\u00e9\"\n"), {
      a: "0123",
      b: "1e10",
      c: "yes",
      d: "1_000",
      e: "2026-01-01",
      f: "~",
      g: "",
      h: "é"
    })
  })

  it("takes ~, null and nothing for no value", () => {
    assert.deepStrictEqual(read("a:\nb: ~\nc: null\nd: NULL\n"), { a: null, b: null, c: null, d: null })
  })

  it("reads comments, quoted keys, flow collections, block texts and lists of lists", () => {
    const text = `# top
"a b": {c: [1, 2], d: 'x'} # end
url: http://h:80/p#frag
listen: :9092
folded: >-
  one
  two
kept: |
  {"x": 1}
lists:
- - 1
  - 2
-
  - 3
long: "one
  two"
`
    assert.deepStrictEqual(read(text), {
      "a b": { c: ["1", "2"], d: "x" },
      url: "http://h:80/p#frag",
      listen: ":9092",
      folded: "one two",
      kept: '{"x": 1}\n',
      lists: [["1", "2"], ["3"]],
      long: "one two"
    })
  })

  it("resolves aliases and merge keys, explicit keys first", () => {
    const text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na: *b\nc: {<<: *b, x: 9}\nd: {<<: [*b, *m]}\n"
    assert.deepStrictEqual(read(text), {
      base: { x: "1", y: "2" },
      more: { y: "3", z: "4" },
      a: { x: "1", y: "2" },
      c: { x: "9", y: "2" },
      d: { x: "1", y: "2", z: "4" }
    })
  })

  it("reads Windows line ends, a byte order mark and a document start", () => {
    assert.deepStrictEqual(read("\uFEFF---\r\na: 1\r\nb:\r\n  - x\r\n"), { a: "1", b: ["x"] })
  })

  it("reads only the first document and says that there are more", () => {
    const source = Result.getOrThrow(readYaml("f.yaml", "a: 1\n---\nb: 2\n"))
    assert.isTrue(source.moreDocuments)
    assert.deepStrictEqual(plain(source.root), { a: "1" })
  })

  it("remembers the line of each key", () => {
    const { root } = Result.getOrThrow(readYaml("f.yaml", "# c\na: 1\nb:\n  c:\n    - x\n    - y\n"))
    const b = root.entries.get("b")
    assert.deepStrictEqual(root.entries.get("a")?.line, 2)
    assert.deepStrictEqual(b?.line, 3)
    const c = b?.kind === "mapping" ? b.entries.get("c") : undefined
    assert.deepStrictEqual(c?.line, 4)
    assert.deepStrictEqual(c?.kind === "list" ? c.items.map((item) => item.line) : [], [5, 6])
  })

  it("tells a fault in one sentence with line, column and remedy", () => {
    const cases: ReadonlyArray<readonly [string, RegExp]> = [
      ["a: 1\nfoo\n", /^f\.yaml:2:1: a colon, .* missing here; write `key: value`/],
      ["a: [1, 2\nb: 3\n", /^f\.yaml:2:1: the indentation does not fit.*;/],
      ['a: "x\nb: 3\n', /^f\.yaml:3:1: a colon, a closing quote .*;/],
      ["a: @foo\n", /^f\.yaml:1:4: a value may not start with this character; put the value in quotes$/],
      ["a: b: c\n", /^f\.yaml:1:4: a second key starts on this line; /],
      ["a:\n\tb: 1\n", /^f\.yaml:2:1: a tab is used for indentation; use spaces$/],
      ["a:\n  b: 1\n c: 2\n", /^f\.yaml:3:1: the indentation does not fit/],
      ["a: 1\nb: 2\na: 3\n", /^f\.yaml:3:1: this key is written twice/],
      ["a: *foo\n", /^f\.yaml:1:4: an alias \(\*name\) has no anchor/],
      ["a: &x {b: *x}\n", /^f\.yaml:1:\d+: nested too deeply, perhaps an alias inside its own anchor; /],
      ["a: {<<: 1}\n", /^f\.yaml:1:5: a merge key \(<<\) needs a mapping; /],
      ["? [a, b]\n: 1\n", /^f\.yaml:1:\d+: a key is not a plain text; /],
      ["- a\n- b\n", /^f\.yaml:1:1: the file is not a mapping of configuration keys; /],
      ["just text", /^f\.yaml:1:1: the file is not a mapping of configuration keys; /],
      ["", /^f\.yaml:1:1: the file is empty; /],
      ["# only a comment\n", /^f\.yaml:1:1: the file is empty; /]
    ]
    for (const [text, expected] of cases) assert.match(fault(text), expected, JSON.stringify(text))
  })

  it("stops at aliases that unfold without end", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for (let i = 1; i < 9; i++)
      lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(", ")}]`)
    assert.match(fault(lines.join("\n")), /aliases unfold to a very large file; write the values out$/)
  })

  it("never repeats the text of a file in a fault", () => {
    for (const text of [
      "url: redis://:hunter2@h\nhunter2\n",
      'p: "hunter2\n',
      "p: @hunter2\n",
      "p: *hunter2\n",
      'p: "hunter2\\q"\n',
      "hunter2: 1\nhunter2: 2\n"
    ]) {
      assert.notInclude(fault(text), "hunter2")
      assert.notStrictEqual(fault(text), "read")
    }
  })
})
