/** Body of a worker thread of `RingVerifierWorkers`: answers each batch with its verdicts, with caches of its own. */
import { parentPort, workerData } from "node:worker_threads"
import { makeRingVerificationPure } from "../../domain/ring/RingVerifierPure.ts"
import { nodeHashToScalar } from "./NodeSha256.ts"
import { DEFECT, decodeBatch, INVALID, type RingBatchAnswer, VALID } from "./RingBatch.ts"

/** What a worker is started with. */
export interface RingWorkerData {
  /** Most members kept. */
  readonly memberCapacity: number
}

// `RingVerifierWorkers` starts this file, with data of this shape.
const { memberCapacity } = workerData as RingWorkerData
const { fill, verify } = makeRingVerificationPure({ memberCapacity, hashToScalar: nodeHashToScalar })

parentPort?.on("message", (batch: Uint8Array) => {
  const verdicts: Array<number> = []
  const defects: Array<string> = []
  for (const { message, signature } of decodeBatch(batch)) {
    try {
      verdicts.push(verify(message, signature) ? VALID : INVALID)
    } catch (cause) {
      verdicts.push(DEFECT)
      defects.push(String(cause))
    }
  }
  const answer: RingBatchAnswer = { verdicts: Uint8Array.from(verdicts), defects, fill: fill() }
  parentPort?.postMessage(answer, [answer.verdicts.buffer])
})
