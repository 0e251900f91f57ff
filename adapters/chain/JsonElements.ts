/**
 * Reads a JSON text in pieces and hands out the elements of chosen arrays one by one, so that an answer of hundreds of
 * megabytes needs the memory of its largest element. Text between them is skipped, its syntax is not judged.
 */

/** An object, as JSON text in UTF-8, or a short string, as it stands between its quotes, at one of the paths. */
export interface JsonElement {
  /** The path as it was asked for. */
  readonly path: string
  readonly bytes: Uint8Array
}

/** An element is longer than allowed, or the text nests deeper than any answer does. */
export class JsonTooLarge extends Error {}

const [QUOTE, BACKSLASH, COMMA, COLON, OPEN, CLOSE, OPEN_ARRAY, CLOSE_ARRAY] = [
  0x22, 0x5c, 0x2c, 0x3a, 0x7b, 0x7d, 0x5b, 0x5d
]

/** Deepest nesting that is read; block results have 7. */
const MAX_DEPTH = 64

/** Longest object key that is compared; longer ones match no path. */
const MAX_KEY = 64

interface Level {
  readonly isArray: boolean
  /** Path of what stands at this level: keys joined by dots, `[]` for elements of an array. */
  path: string
  readonly base: string
}

/**
 * A reader of one text. Paths are keys from the root with `[]` for an array's elements: `result.txs_results[].events[]`.
 * `write` returns the elements that the piece completes, in order, and throws `JsonTooLarge` for one above `maxElement` bytes.
 * `ended`: whether the outermost value is complete.
 */
export class JsonElements {
  readonly #paths: ReadonlySet<string>
  readonly #maxElement: number
  readonly #levels: Array<Level> = []
  #inString = false
  #escaped = false
  /** Bytes of the string being read where it may be a key, or is a value that was asked for. */
  #key: string | undefined
  #valuePath: string | undefined
  #expectsKey = false
  #ended = false
  /** Pieces of the element being read, and the depth at which it ends. */
  #element: Array<Uint8Array> | undefined
  #elementLength = 0
  #elementDepth = 0
  #elementPath = ""

  constructor(paths: ReadonlyArray<string>, maxElement: number) {
    this.#paths = new Set(paths)
    this.#maxElement = maxElement
  }

  get ended(): boolean {
    return this.#ended
  }

  write(chunk: Uint8Array): ReadonlyArray<JsonElement> {
    const found: Array<JsonElement> = []
    let start = 0
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]
      if (this.#inString) {
        const value = this.#string(byte)
        if (value !== undefined) found.push(value)
        continue
      }
      if (byte === QUOTE) {
        this.#inString = true
        this.#valuePath = this.#expectsKey || this.#element !== undefined ? undefined : this.#pathOfValue()
        this.#key = this.#expectsKey || this.#valuePath !== undefined ? "" : undefined
      } else if (byte === OPEN || byte === OPEN_ARRAY) {
        if (this.#open(byte === OPEN_ARRAY)) start = i
      } else if (byte === CLOSE || byte === CLOSE_ARRAY) {
        this.#levels.pop()
        if (this.#element !== undefined && this.#levels.length === this.#elementDepth) {
          this.#keep(chunk.subarray(start, i + 1))
          found.push({ path: this.#elementPath, bytes: joined(this.#element, this.#elementLength) })
          this.#element = undefined
        }
        this.#expectsKey = false
        if (this.#levels.length === 0) this.#ended = true
      } else if (byte === COMMA) {
        this.#expectsKey = this.#levels.at(-1)?.isArray === false
      } else if (byte === COLON) {
        this.#expectsKey = false
      }
    }
    if (this.#element !== undefined) this.#keep(chunk.subarray(start))
    return found
  }

  #pathOfValue(): string | undefined {
    const path = this.#levels.at(-1)?.path
    return path !== undefined && this.#paths.has(path) ? path : undefined
  }

  /** The value that this byte completes, if it was asked for. */
  #string(byte: number | undefined): JsonElement | undefined {
    if (this.#escaped) {
      this.#escaped = false
    } else if (byte === BACKSLASH) {
      this.#escaped = true
    } else if (byte === QUOTE) {
      this.#inString = false
      const level = this.#levels.at(-1)
      if (this.#valuePath !== undefined) {
        return { path: this.#valuePath, bytes: Buffer.from(this.#key ?? "", "latin1") }
      }
      if (this.#key !== undefined && level !== undefined) {
        level.path = level.base === "" ? this.#key : `${level.base}.${this.#key}`
        this.#expectsKey = false
      }
      return undefined
    }
    if (this.#key !== undefined && this.#key.length < MAX_KEY) this.#key += String.fromCharCode(byte ?? 0)
    return undefined
  }

  /** Whether an element that was asked for begins here. */
  #open(isArray: boolean): boolean {
    const path = this.#levels.at(-1)?.path ?? ""
    const depth = this.#levels.length
    if (depth >= MAX_DEPTH) throw new JsonTooLarge(`nested deeper than ${MAX_DEPTH}`)
    const inner = isArray ? `${path}[]` : path
    this.#levels.push({ isArray, path: inner, base: inner })
    this.#expectsKey = !isArray
    if (this.#element !== undefined || isArray || !this.#paths.has(path)) return false
    this.#element = []
    this.#elementLength = 0
    this.#elementDepth = depth
    this.#elementPath = path
    return true
  }

  #keep(piece: Uint8Array): void {
    this.#elementLength += piece.length
    if (this.#elementLength > this.#maxElement) {
      throw new JsonTooLarge(`an element of ${this.#elementPath} is longer than ${this.#maxElement} bytes`)
    }
    this.#element?.push(piece)
  }
}

const joined = (pieces: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, length)
}
