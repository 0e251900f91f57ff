/**
 * When a session is sealed and when its messages are sent. Heights are committed ones: what is sent at height h lands in
 * block h + 1 at the earliest, and a simulation runs as if in block h.
 */
import { canLandInWindow, type HeightRange } from "../session/SessionWindow.ts"

/**
 * Last height to which sealing may wait for relays under way: two blocks before the claim window closes, so that the
 * claim has two chances. A window of two or three blocks leaves its first height, one of one block the height before it.
 */
export const latestSeal = ({ opens, closes }: HeightRange): bigint => {
  if (closes === opens) return opens - 1n
  return closes - 2n > opens ? closes - 2n : opens
}

/** First height at which a session is sealed: nobody serves it any more, except in windows of one block. */
export const firstSeal = (window: HeightRange): bigint => {
  const latest = latestSeal(window)
  return latest < window.opens ? latest : window.opens
}

/**
 * What sealing waits for at `height`. `log`: for everything in the log at the first look. `briefly`: for that too, but
 * only a part of this one block. `nothing`: what is folded is sealed, the rest is late.
 */
export type SealWait = "not_due" | "log" | "briefly" | "nothing"

/** What sealing waits for at the committed `height`. `window` is that of the claim, inclusive at both ends. */
export const sealWait = (window: HeightRange, height: bigint): SealWait => {
  const first = firstSeal(window)
  const latest = latestSeal(window)
  if (height < first) return "not_due"
  if (height < latest) return "log"
  return height === latest && first === latest ? "briefly" : "nothing"
}

/**
 * How a message can be sent at `height`. `blind`: it can land, but a simulation would fail on the window, so its gas is
 * assumed. That is done where gas is fixed anyway, and where waiting a block would leave no chance. `simulated`: it is
 * simulated first; at the last heights it is sent with assumed gas when the simulation gets no answer
 * (`mayPassSimulation`).
 */
export type SendMode = "early" | "simulated" | "blind" | "closed"

/** How a message is sent when the committed height is `height`. `isGasFixed`: its gas is known without a simulation. */
export const sendMode = (window: HeightRange, height: bigint, isGasFixed: boolean): SendMode => {
  if (height + 1n > window.closes) return "closed"
  if (!canLandInWindow(window, height)) return "early"
  if (isGasFixed) return "blind"
  if (height >= window.opens) return "simulated"
  return window.opens === window.closes ? "blind" : "early"
}

/**
 * May a message be sent at `height` although its simulation got no answer? At the last two heights at which it can be sent:
 * gas that was assumed wrongly costs a fee, waiting on costs the session.
 */
export const mayPassSimulation = ({ closes }: HeightRange, height: bigint): boolean => height + 2n >= closes

/** Can it be known for sure at `height` what the window brought? One block of slack for a node that lags. */
export const isWindowPast = (window: HeightRange, height: bigint): boolean => height > window.closes
