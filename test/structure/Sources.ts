/** Reads the product's source files for tests that look at text. */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..")

export interface SourceFile {
  /** Path from the root of the project. */
  readonly path: string
  /** Text without comments; every line stays where it is. */
  readonly code: string
}

/** Text of a file of the project. */
export const readProjectFile = (path: string): string => readFileSync(join(root, path), "utf8")

/** The TypeScript files of these folders, ascending by path; generated ones are left out. */
export const sourceFiles = (...folders: ReadonlyArray<string>): ReadonlyArray<SourceFile> =>
  folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => `${folder}/${file}`)
    )
    .filter((path) => path.endsWith(".ts") && !path.endsWith("_pb.ts"))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((path) => ({ path, code: withoutComments(readProjectFile(path)) }))

/** Blanks comments. Strings are left as they are; `//` in one counts only after a space, as in a comment of ours. */
export const withoutComments = (text: string): string =>
  text
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "))
    .replaceAll(/(^|\s)\/\/ .*$/gm, "$1")

/** Number of the line, from 1, of an index into a text. */
export const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length
