/**
 * CPU time of one closest proof of a session of 100 000 leaves in memory (leaf and neighbour read from a map), of its gob
 * form and of its verification, against the insertion of one leaf. Run alone: `node test/bench/ProofBench.ts [--quick]`.
 */
import { createHash } from "node:crypto"
import { Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { proofNeeds, proveClosest } from "../../domain/smst/ClosestProof.ts"
import { compact } from "../../domain/smst/CompactProof.ts"
import { decode, encode } from "../../domain/smst/GobProof.ts"
import { verify } from "../../domain/smst/ProofVerification.ts"
import { type BenchLength, interleave, lengthFromArguments, medianRatio, medians, print } from "./Harness.ts"
import { BATCH, commitLeaves, makeLeaves, makeSession } from "./TrieSession.ts"

const LEAVES = 100_000
const PATHS = 256

/** CPU in µs. */
export interface ProofFigures {
  readonly leaves: number
  /** One closest proof, what it needs found and read. */
  readonly prove: number
  readonly gobEncode: number
  readonly gobDecode: number
  /** Verification of a compact proof, as before it is sent. */
  readonly verify: number
  /** Bytes of the gob form. */
  readonly gobBytes: number
  /** One leaf of a batch of 500, inserted and committed. */
  readonly insert: number
  /** Proof and gob form by that insertion, of the same rounds. */
  readonly proofByInsert: number
}

/** With Node's hash. About 6 s in full length, most of it to make the session. */
export const benchProof = (length: BenchLength): ProofFigures => {
  const session = makeSession(LEAVES, nodeSha256)
  const { store, trie } = session
  const paths = Array.from({ length: PATHS }, (_, index) => createHash("sha256").update(`path ${index}`).digest())
  const at = <A>(values: ReadonlyArray<A>, index: number): A => values[index % values.length] as A // never empty here
  const prove = (index: number) => {
    const path = at(paths, index)
    Result.getOrThrow(proofNeeds(trie, path, store.read))
    return compact(Result.getOrThrow(proveClosest(trie, path, store.read)))
  }
  const root = trie.root()
  const proofs = paths.map((_, index) => prove(index))
  const encodings = proofs.map(encode)
  const batches = Array.from({ length: length.rounds + 1 }, (_, round) => makeLeaves(LEAVES + round * BATCH, BATCH))
  const whole = {
    prove: { calls: 400, call: prove },
    proveAndEncode: { calls: 400, call: (index: number) => encode(prove(index)) },
    gobEncode: { calls: 2000, call: (index: number) => encode(at(proofs, index)) },
    gobDecode: { calls: 2000, call: (index: number) => Result.getOrThrow(decode(at(encodings, index))) },
    verify: { calls: 1000, call: (index: number) => Result.getOrThrow(verify(at(proofs, index), root, nodeSha256)) },
    insert: {
      // A batch a round, whatever the length.
      calls: 1 / length.share,
      call: (round: number) => commitLeaves(session, at(batches, round))
    }
  }
  const samples = interleave(whole, length)
  const insert = samples.insert.map((micros) => micros / BATCH)
  const figures = medians(samples)
  return {
    leaves: LEAVES,
    prove: figures.prove,
    gobEncode: figures.gobEncode,
    gobDecode: figures.gobDecode,
    verify: figures.verify,
    gobBytes: at(encodings, 0).length,
    insert: medians({ insert }).insert,
    proofByInsert: medianRatio(samples.proveAndEncode, insert)
  }
}

if (process.argv[1] === import.meta.filename) print(benchProof(lengthFromArguments()))
