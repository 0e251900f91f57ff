/** The operators' reference of keys as Markdown table rows, made from the readers themselves. */
import type { ConfigRow, Reader } from "./ConfigReader.ts"

/** One Markdown row for each key of a process, in the order of the readers. */
export const referenceRows = (reader: Reader<unknown>): ReadonlyArray<string> => reader.rows("").map(markdownRow)

const markdownRow = (row: ConfigRow): string => {
  const fallback = row.fallback === "required" || row.fallback === "" ? row.fallback : `\`${row.fallback}\``
  const meaning =
    row.status === "ignored"
      ? `Ignored with a warning: ${row.meaning}.`
      : row.status === "refused"
        ? `${row.meaning} Not built here: switching it on refuses the start.`
        : row.meaning
  return `| ${[`\`${row.place}\``, row.type, fallback, meaning].map(escapeCell).join(" | ")} |`
}

const escapeCell = (text: string): string => text.replaceAll("|", String.raw`\|`)
