/**
 * Reads one source of keys again and again: only files that changed are read, and what cannot be read keeps the keys
 * that it gave before. A source that gave keys once never gives none.
 */
import { createHash } from "node:crypto"
import { Effect, Result } from "effect"
import type { FileStamp, KeyDisk } from "./KeyBytes.ts"
import { isSkip, type KeyProblem } from "./KeyProblem.ts"
import type { LoadedKey } from "./LoadedKey.ts"

/** What a source consists of at one look. */
export interface Inventory {
  /** Its files, in the order in which their keys count. */
  readonly paths: ReadonlyArray<string>
  /** The keys in a file's bytes. */
  readonly decode: (path: string, bytes: Uint8Array) => Effect.Effect<ReadonlyArray<LoadedKey>, KeyProblem>
  /** Whatever else the keys depend on: when it changes, every file is read again. */
  readonly context: string
  readonly problems: ReadonlyArray<KeyProblem>
  readonly exposed: ReadonlyArray<ExposedPath>
}

/** A path whose permissions give others more than they need. */
export interface ExposedPath {
  readonly path: string
  /** Permission bits that it has, and those that it should lose. */
  readonly mode: number
  readonly excess: number
}

/** A key and the file it came from. */
export interface PlacedKey extends LoadedKey {
  readonly path: string
}

/** One look at a source. */
export interface SourceReading {
  readonly keys: ReadonlyArray<PlacedKey>
  readonly findings: ReadonlyArray<Finding>
  readonly exposed: ReadonlyArray<ExposedPath>
  /** Changes with every change of a file, of the set of files, or of a problem. */
  readonly version: string
}

/** A problem and the state of the file that has it: the same problem in a changed file is a new finding. */
export interface Finding {
  readonly problem: KeyProblem
  readonly version: string
}

/** What a file held when it was read last. */
interface FileReading {
  /** Undefined where it could not be looked at. */
  readonly stamp: FileStamp | undefined
  /** SHA-256 of the content, hex; the problem where it could not be read. */
  readonly version: string
  readonly keys: Result.Result<ReadonlyArray<LoadedKey>, KeyProblem>
}

/**
 * Files read at the same time. A disk that hangs (a network file system that is away) then holds two of Node's four
 * threads for files, and the others go on with whatever else the process reads.
 */
const CONCURRENCY = 2

/** Permission bits of group and others. */
export const OTHERS = 0o077

/** A source under repeated looks; `take` makes the inventory of each. */
export class KeySourceReader {
  readonly #disk: KeyDisk
  /** The configured path, for problems of the source as a whole. */
  readonly #place: string
  readonly #take: Effect.Effect<Inventory, KeyProblem>
  #files: ReadonlyMap<string, FileReading> = new Map()
  #context = ""
  /** Keys of the last look. */
  #seen: ReadonlyArray<PlacedKey> = []
  /** Keys of the last accepted look: what a file or the source falls back to. */
  #accepted: ReadonlyArray<PlacedKey> = []

  constructor(disk: KeyDisk, place: string, take: Effect.Effect<Inventory, KeyProblem>) {
    this.#disk = disk
    this.#place = place
    this.#take = take
  }

  /** Looks at the source as it is now. Looks must not overlap. */
  readonly look: Effect.Effect<SourceReading> = Effect.gen({ self: this }, function* () {
    const taken = yield* Effect.result(this.#take)
    const reading = Result.isSuccess(taken) ? yield* this.#read(taken.success) : this.#failed(taken.failure)
    this.#seen = reading.keys
    return reading
  })

  /** Takes the last look's keys for good: what fails from now on falls back to them. */
  accept(): void {
    this.#accepted = this.#seen
  }

  #failed(problem: KeyProblem): SourceReading {
    const { message } = problem
    return { keys: this.#accepted, findings: [{ problem, version: "" }], exposed: [], version: message }
  }

  readonly #read = Effect.fnUntraced({ self: this }, function* (inventory: Inventory) {
    const isSameContext = inventory.context === this.#context
    const files = yield* Effect.forEach(
      inventory.paths,
      (path) => Effect.map(this.#file(path, inventory, isSameContext), (reading) => [path, reading] as const),
      { concurrency: CONCURRENCY }
    )
    this.#context = inventory.context
    this.#files = new Map(files)
    return this.#composed(inventory, files)
  })

  #composed(inventory: Inventory, files: ReadonlyArray<readonly [string, FileReading]>): SourceReading {
    const accepted = Map.groupBy(this.#accepted, ({ path }) => path)
    const keys = files.flatMap(([path, reading]) =>
      Result.match(reading.keys, {
        onSuccess: (loaded) => loaded.map((key) => ({ ...key, path })),
        onFailure: (problem) => (isSkip(problem) ? [] : (accepted.get(path) ?? []))
      })
    )
    const findings = [
      ...inventory.problems.map((problem) => ({ problem, version: "" })),
      ...files.flatMap(([, reading]) =>
        Result.isFailure(reading.keys) ? [{ problem: reading.keys.failure, version: reading.version }] : []
      )
    ]
    const exposed = [
      ...inventory.exposed,
      ...files.flatMap(([path, { stamp }]) =>
        stamp === undefined || (stamp.mode & OTHERS) === 0 ? [] : [{ path, mode: stamp.mode, excess: OTHERS }]
      )
    ]
    const version = [inventory.context, ...files.map(([path, reading]) => `${path}=${reading.version}`)].join("\n")
    const had = this.#accepted.length
    if (keys.length > 0 || had === 0) return { keys, findings, exposed, version }
    const last = { problem: this.#disk.problem(this.#place, "last key", `had ${had}`), version: "" }
    return { keys: this.#accepted, findings: [...findings, last], exposed, version }
  }

  #file(path: string, inventory: Inventory, isSameContext: boolean): Effect.Effect<FileReading> {
    const before = this.#files.get(path)
    return Effect.gen({ self: this }, function* () {
      const stamp = yield* this.#disk.stamp(path)
      if (isSameContext && before?.stamp?.isSettled === true && before.stamp.text === stamp.text) return before
      const read = yield* this.#disk.read(path)
      const version = createHash("sha256").update(read.bytes).digest("hex")
      if (isSameContext && before?.version === version) return { ...before, stamp: read.stamp }
      return { stamp: read.stamp, version, keys: yield* Effect.result(inventory.decode(path, read.bytes)) }
    }).pipe(
      Effect.catchTag("KeyProblem", (problem) =>
        Effect.succeed({ stamp: undefined, version: problem.message, keys: Result.fail(problem) })
      )
    )
  }
}
