/** Columns of a row, checked: a file that was changed by others is a defect of the file, told with the column's name. */
import type { SQLOutputValue } from "node:sqlite"

/** A row as `node:sqlite` returns it. */
export type Row = Readonly<Record<string, SQLOutputValue>>

/** A column has another type than its table says. */
export class WrongColumn extends Error {
  constructor(column: string) {
    super(`column ${column} of the database has a wrong type`)
  }
}

/** An integer up to 2⁵³. */
export const integerOf = (row: Row, column: string): number => {
  const value = row[column]
  if (typeof value !== "number") throw new WrongColumn(column)
  return value
}

/** A text. */
export const textOf = (row: Row, column: string): string => {
  const value = row[column]
  if (typeof value !== "string") throw new WrongColumn(column)
  return value
}

/** A text, or nothing. */
export const optionalTextOf = (row: Row, column: string): string | null =>
  row[column] === null ? null : textOf(row, column)

/** Bytes. */
export const bytesOf = (row: Row, column: string): Uint8Array => {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw new WrongColumn(column)
  return value
}

/** Bytes, or nothing. */
export const optionalBytesOf = (row: Row, column: string): Uint8Array | null =>
  row[column] === null ? null : bytesOf(row, column)
