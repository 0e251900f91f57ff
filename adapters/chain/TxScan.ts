/** Finds transactions on nodes that keep no index of them: in the newest blocks, each read once. */
import { Effect, Option, Schema } from "effect"
import { bytesToHex } from "@noble/hashes/utils.js"
import { sha256 } from "@noble/hashes/sha2.js"
import type { FoundTx } from "./CometAnswers.ts"
import { TxResult } from "./CometAnswers.ts"
import type { CometRpc, RpcFailure } from "./CometRpc.ts"
import { EndpointFailed } from "./EndpointFailed.ts"

/**
 * Newest blocks that are looked through. A transaction lives at most ten minutes of block time: 64 blocks of ten seconds
 * and more hold all that a miner still asks for.
 */
export const SCANNED_BLOCKS = 64n

/** Hashes kept over all blocks, about 20 MB; blocks with more are read again when they are asked for. */
const HASHES_KEPT = 100_000

/** What a scan needs of a transaction found. */
export type ScannedTx = Pick<FoundTx, "height" | "tx_result">

/** Remembers which transactions the newest blocks hold. */
export class TxScan {
  readonly #blocks = new Map<bigint, ReadonlyArray<string>>()
  #hashes = 0

  /** Hashes kept now. */
  get size(): number {
    return this.#hashes
  }

  /** Looks for the upper-case hash in the newest blocks of a node, newest first. */
  readonly find = (client: CometRpc, txHash: string): Effect.Effect<Option.Option<ScannedTx>, RpcFailure> => {
    const hashesOf = this.#hashesOf
    return Effect.gen(function* () {
      const { earliestHeight, height: newest } = yield* client.status
      for (
        let height = newest;
        height > newest - SCANNED_BLOCKS && height >= 1n && height >= earliestHeight;
        height--
      ) {
        const hashes = yield* hashesOf(client, height)
        const index = hashes?.indexOf(txHash) ?? -1
        if (index >= 0) return Option.some({ height, tx_result: yield* resultAt(client, height, index) })
      }
      return Option.none<ScannedTx>()
    })
  }

  readonly #hashesOf = (
    client: CometRpc,
    height: bigint
  ): Effect.Effect<ReadonlyArray<string> | undefined, RpcFailure> => {
    const kept = this.#blocks.get(height)
    if (kept !== undefined) return Effect.succeed(kept)
    return Effect.map(client.block(height), (block) => {
      if (Option.isNone(block)) return undefined
      const hashes = block.value.txs.map((tx) => bytesToHex(sha256(tx)).toUpperCase())
      this.#keep(height, hashes)
      return hashes
    })
  }

  #keep(height: bigint, hashes: ReadonlyArray<string>): void {
    if (!this.#blocks.has(height)) this.#hashes += hashes.length
    this.#blocks.set(height, hashes)
    const lowestFirst = [...this.#blocks.keys()].sort((a, b) => (a < b ? -1 : 1))
    for (const lowest of lowestFirst) {
      if (this.#blocks.size <= Number(SCANNED_BLOCKS) && this.#hashes <= HASHES_KEPT) return
      this.#hashes -= this.#blocks.get(lowest)?.length ?? 0
      this.#blocks.delete(lowest)
    }
  }
}

const decodeResult = Schema.decodeUnknownEffect(Schema.fromJsonString(TxResult))

/** Result of the transaction at `index` of a block. */
const resultAt = (client: CometRpc, height: bigint, index: number): Effect.Effect<TxResult, RpcFailure> =>
  Effect.gen(function* () {
    let at = -1
    let text: string | undefined
    yield* client.blockResults(height, ["result.txs_results[]"], ({ bytes }) => {
      at++
      if (at === index) text = new TextDecoder().decode(bytes)
      return at < index
    })
    const failed = (detail: string) =>
      new EndpointFailed({
        endpoint: client.address.name,
        operation: "block_results",
        kind: "undecodable",
        detail: `result ${index} of block ${height}: ${detail}`
      })
    if (text === undefined) return yield* Effect.fail(failed("is missing"))
    return yield* Effect.mapError(decodeResult(text), (error) => failed(error.message))
  })
