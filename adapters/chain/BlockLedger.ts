/**
 * The blocks that this process has published, and what each endpoint says of the chain. Pure state: it decides whether a
 * block that an endpoint showed continues the published chain, is known, or contradicts it. What was published stays.
 */
import { Result } from "effect"
import type { Block } from "../../domain/ports/Blocks.ts"
import type { BlockHead } from "./CometRpc.ts"

/** An endpoint shows a block that the published chain rules out. */
export interface Contradiction {
  readonly height: bigint
  /** Both hashes, or the times. */
  readonly detail: string
}

/** What became of a block: the newest now, known already, or of a height below the newest that was not kept. */
export type Offered = "newest" | "known" | "older"

/** Blocks kept by height, for comparison and for reads: 4096 of about 150 bytes, half a day or more of blocks. */
export const BLOCKS_KEPT = 4_096

/** Mutable ledger of one process. */
export class BlockLedger {
  readonly #byHeight = new Map<bigint, BlockHead>()
  #latest: BlockHead | undefined

  /** The newest published block. */
  get latest(): Block | undefined {
    return this.#latest && toBlock(this.#latest)
  }

  /** How many blocks are kept. */
  get size(): number {
    return this.#byHeight.size
  }

  /** A block that was published or remembered. */
  at(height: bigint): Block | undefined {
    const head = this.#byHeight.get(height)
    return head && toBlock(head)
  }

  /**
   * Takes a block that an endpoint has shown. It must not contradict a published hash at its height, name another parent
   * than the block published before it, nor be another than the parent of the one published after it; a newer block has a
   * later time.
   */
  offer(head: BlockHead): Result.Result<Offered, Contradiction> {
    const { height, hash, parentHash } = head
    const known = this.#byHeight.get(height)
    if (known !== undefined) {
      return isSame(known.hash, hash) ? Result.succeed("known") : differs(height, known.hash, hash)
    }
    const parent = this.#byHeight.get(height - 1n)
    if (parent !== undefined && !isSame(parent.hash, parentHash)) return differs(parent.height, parent.hash, parentHash)
    const child = this.#byHeight.get(height + 1n)
    if (child !== undefined && !isSame(child.parentHash, hash)) return differs(height, child.parentHash, hash)
    const latest = this.#latest
    const isNewest = latest === undefined || height > latest.height
    if (latest !== undefined && isNewest && head.timeUnixNano <= latest.timeUnixNano) {
      return Result.fail({ height, detail: `its time is not after that of block ${latest.height}` })
    }
    this.#byHeight.set(height, head)
    if (this.#byHeight.size > BLOCKS_KEPT) this.#forgetLowest()
    if (isNewest) this.#latest = head
    return Result.succeed(isNewest ? "newest" : "older")
  }

  /** The newest block is never the lowest. Reads of old heights come in any order. */
  #forgetLowest(): void {
    let lowest: bigint | undefined
    for (const height of this.#byHeight.keys()) if (lowest === undefined || height < lowest) lowest = height
    if (lowest !== undefined) this.#byHeight.delete(lowest)
  }
}

const toBlock = ({ height, hash, timeUnixNano }: BlockHead): Block => ({ height, hash, timeUnixNano })

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const differs = (height: bigint, published: Uint8Array, shown: Uint8Array): Result.Result<never, Contradiction> =>
  Result.fail({ height, detail: `its hash is ${hex(shown)}, ${hex(published)} was published` })

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase()
