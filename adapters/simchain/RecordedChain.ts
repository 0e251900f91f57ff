/**
 * A simulated chain that outlasts its process. Its blocks are a function of genesis, seed, times and transactions, so a
 * journal of these is the chain: each transaction is in it before its sender hears of it, over whatever wire, each block
 * before anybody sees it, and a later start builds them again and goes on, with what waited for a block still waiting.
 */
import { closeSync, existsSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import { bytesToHex } from "@noble/hashes/utils.js"
import { Clock, Effect, Layer, References, Result, Schema, type Scope } from "effect"
import type { CommittedBlock } from "./CommittedBlock.ts"
import { make, SimChain, type SimChainOptions } from "./SimChain.ts"

/** Blocks that a journal may hold: at a block a second more than a day. Building one again takes 50 to 100 µs. */
export const MAX_RECORDED_BLOCKS = 100_000

/** The journal is not one of this chain; the message says what to do. */
export class ChainJournalRefused extends Schema.TaggedError<ChainJournalRefused>()("ChainJournalRefused", {
  path: Schema.String,
  reason: Schema.Literals(["other_chain", "damaged", "full", "not_usable"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.path} ${REASONS[this.reason](this.detail)}`
  }
}

const REASONS: Readonly<Record<ChainJournalRefused["reason"], (detail: string) => string>> = {
  other_chain: (detail) =>
    `is of a chain that was started with ${detail}; start with the same, or in another directory`,
  damaged: (detail) => `cannot be followed (${detail}); start in another directory`,
  full: (detail) => `holds ${detail} blocks, more than a simulated chain may have; start in another directory`,
  not_usable: (detail) => `cannot be read and written (${detail}); make it writable for this user`
}

/** What a journal is of, and where it is. */
export interface RecordedChainOptions extends SimChainOptions {
  /** Written block by block; the directory exists, and no other process has the file open. */
  readonly path: string
  /** Everything that genesis and seed are made of, as an operator would write it; compared with that of the journal. */
  readonly origin: string
}

/** A transaction that the pool took, or a block: its time, and its hash to tell whether it came out as it was. */
const Line = Schema.fromJsonString(
  Schema.toCodecJson(
    Schema.Union([
      Schema.Struct({ time: Schema.BigIntFromString, hash: Schema.String }),
      Schema.Struct({ tx: Schema.Uint8ArrayFromBase64 })
    ])
  )
)
type Line = typeof Line.Type
type BlockLine = Exclude<Line, { readonly tx: unknown }>

const encodeLine = Schema.encodeSync(Line)
const decodeLine = Schema.decodeUnknownResult(Line)

/** The chain of the journal, or a new one with a new journal. It takes no operations, which are not recorded. */
export const layer = (options: RecordedChainOptions): Layer.Layer<SimChain, ChainJournalRefused> =>
  Layer.effect(SimChain, record(options))

const record = Effect.fnUntraced(function* (options: RecordedChainOptions) {
  const { origin, path } = options
  const { length, lines } = yield* readJournal(path, origin)
  const first = lines.find(isBlock)
  /** What is built again is in the journal already. */
  let note: (bytes: Uint8Array) => void = () => {}
  const made = make({ ...options, taken: (bytes) => note(bytes) })
  const chain = yield* first === undefined ? made : at(first.time, made)
  yield* Effect.scoped(replay(chain, lines, path))
  const journal = yield* openJournal(path, length)
  note = journal.tx
  if (length === 0) journal.write(`${origin}\n`)
  if (first === undefined) journal.block(yield* Effect.flatMap(chain.block(1n), Effect.fromOption).pipe(Effect.orDie))
  const produceBlock = Effect.suspend(() =>
    journal.blocks() < MAX_RECORDED_BLOCKS
      ? chain.produceBlock
      : // The chain stands still: a later start could not follow it.
        Effect.andThen(
          Effect.logError(new ChainJournalRefused({ path, reason: "full", detail: `${journal.blocks()}` }).message),
          Effect.never
        )
  ).pipe(
    Effect.tap((block) => Effect.sync(() => journal.block(block))),
    // Nobody else runs between the block and its record.
    Effect.provideService(References.PreventSchedulerYield, true)
  )
  return SimChain.of({
    ...chain,
    produceBlock,
    produceUntil: (height) =>
      Effect.flatMap(chain.state, (state) =>
        Effect.asVoid(
          Effect.replicateEffect(produceBlock, Math.max(0, Number(height - state.height)), { discard: true })
        )
      ),
    administer: () => Effect.die(new Error("a recorded chain takes no operations"))
  })

  /** Lines are counted with those of earlier processes. */
  function openJournal(file: string, size: number) {
    let blocks = lines.filter(isBlock).length
    return Effect.map(openFile(file, size), (descriptor) => ({
      blocks: () => blocks,
      write: (text: string) => void writeSync(descriptor, text),
      /** Reaches the disk with the next block. */
      tx: (bytes: Uint8Array) => void writeSync(descriptor, `${encodeLine({ tx: bytes })}\n`),
      block: ({ hash, timeUnixNano }: CommittedBlock) => {
        writeSync(descriptor, `${encodeLine({ time: timeUnixNano, hash: bytesToHex(hash) })}\n`)
        fdatasyncSync(descriptor)
        blocks++
      }
    }))
  }
})

/** Builds the journal's blocks again, the first one being there. */
const replay = Effect.fnUntraced(function* (chain: SimChain["Service"], lines: ReadonlyArray<Line>, path: string) {
  const { tx } = yield* chain.makeNode()
  const damaged = (detail: string) => new ChainJournalRefused({ path, reason: "damaged", detail })
  let height = 0n
  for (const line of lines) {
    if (!isBlock(line)) {
      yield* Effect.mapError(tx.broadcast(line.tx), (refused) => damaged(`after block ${height}: ${refused.message}`))
      continue
    }
    height++
    if (height > 1n) yield* at(line.time, chain.produceBlock)
    const block = yield* Effect.flatMap(chain.block(height), Effect.fromOption).pipe(Effect.orDie)
    if (bytesToHex(block.hash) !== line.hash) return yield* damaged(`block ${height} comes out differently`)
  }
})

const isBlock = (line: Line): line is BlockLine => "time" in line

/** Runs an effect at a given Unix time in nanoseconds. */
const at = <A, E, R>(nanos: bigint, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.service(Clock.Clock), (clock) =>
    Effect.provideService(effect, Clock.Clock, {
      currentTimeMillisUnsafe: () => Number(nanos / 1_000_000n),
      currentTimeMillis: Effect.succeed(Number(nanos / 1_000_000n)),
      currentTimeNanosUnsafe: () => nanos,
      currentTimeNanos: Effect.succeed(nanos),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration) => clock.sleep(duration)
    })
  )

/** The whole lines of the journal and their length in bytes; a line that was cut short was seen by nobody. */
const readJournal = Effect.fnUntraced(function* (path: string, origin: string) {
  const refuse = (reason: ChainJournalRefused["reason"], detail: string) =>
    new ChainJournalRefused({ path, reason, detail })
  const text = yield* Effect.try({
    try: () => (existsSync(path) ? readFileSync(path, "utf8") : ""),
    catch: (cause) => refuse("not_usable", String(cause))
  })
  const whole = text.slice(0, text.lastIndexOf("\n") + 1)
  const [ofJournal, ...texts] = whole.split("\n").slice(0, -1)
  if (ofJournal !== undefined && ofJournal !== origin) return yield* refuse("other_chain", ofJournal)
  const lines: Array<Line> = []
  for (const [index, line] of texts.entries()) {
    const decoded = decodeLine(line)
    if (Result.isFailure(decoded)) return yield* refuse("damaged", `line ${index + 2} is no part of a chain`)
    lines.push(decoded.success)
  }
  const blocks = lines.filter(isBlock).length
  if (blocks >= MAX_RECORDED_BLOCKS) return yield* refuse("full", `${blocks}`)
  return { lines, length: Buffer.byteLength(whole) }
})

/** The journal behind its last whole line, until the scope ends. */
const openFile = (path: string, length: number): Effect.Effect<number, ChainJournalRefused, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const descriptor = openSync(path, "a", 0o600)
        ftruncateSync(descriptor, length)
        return descriptor
      },
      catch: (cause) => new ChainJournalRefused({ path, reason: "not_usable", detail: String(cause) })
    }),
    (descriptor) => Effect.sync(() => closeSync(descriptor))
  )
