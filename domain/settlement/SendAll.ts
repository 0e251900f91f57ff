/** Sends the batches of one look, one after the other, each in a span of its own that links to the relays it is about. */
import { Effect, Option } from "effect"
import type { SessionCopy } from "../mining/SessionCopy.ts"
import { SAMPLED_RELAYS } from "../mining/SessionCopy.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import type { Block } from "../ports/Blocks.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { parseTraceparent } from "../tracing/Traceparent.ts"
import type { Batch } from "./ClaimBatch.ts"
import { isGasTrusted, sendBatch } from "./SendBatch.ts"
import { isolated, type Submission } from "./Submission.ts"
import { noteObstacle } from "./SubmissionMemory.ts"
import { sendMode } from "./SubmissionTiming.ts"

/** A batch that fails, or for which it is too early, leaves the later ones going. `sessions` are those of the group, for links. */
export const sendAll = Effect.fnUntraced(function* (
  submission: Submission,
  batches: ReadonlyArray<Batch>,
  sessions: ReadonlyArray<SessionCopy>,
  block: Block
) {
  const { enabled, step } = yield* StepTracer
  const { lease } = yield* SessionLedger
  const name = submission.kind === "claim" ? "SubmitClaims.batch" : "SubmitProofs.batch"
  for (const batch of batches) {
    const mode = sendMode(submission.window, block.height, yield* isGasTrusted(submission.kind, batch.length))
    if (mode === "early" || mode === "closed") continue
    const links = enabled
      ? linksOf(sessions.filter(({ session }) => batch.some((sent) => sent.session === session)))
      : []
    yield* sendBatch(submission, batch, block, mode).pipe(
      Effect.tapError((failure) =>
        failure._tag === "ChainUnavailable"
          ? Effect.forEach(batch, ({ session }) =>
              noteObstacle(session, { reason: "no_chain", detail: failure.message })
            )
          : Effect.void
      ),
      step(name, {
        root: true,
        links,
        attributes: {
          "relaymill.supplier": lease.supplier,
          "relaymill.session.end_height": Number(submission.sessionEnd),
          "relaymill.batch.messages": batch.length
        }
      }),
      isolated(name, { height: block.height })
    )
  }
})

/** The sessions' own spans, and of each a few of the sampled relays. */
export const linksOf = (sessions: ReadonlyArray<SessionCopy>) =>
  [
    ...sessions.flatMap(({ state }) =>
      state.traceparent === undefined ? [] : Option.toArray(parseTraceparent(state.traceparent))
    ),
    ...sessions.flatMap(({ sampled }) => sampled).slice(0, SAMPLED_RELAYS)
  ].slice(0, 2 * SAMPLED_RELAYS)
