/**
 * What becomes ready in one turn of the event loop is sent together at its end: the first write wakes the process at the
 * other end, and while that is awake a write costs about half. The turn is the one that is under way: nothing waits.
 */

/** Sends one message; must not throw. */
type Send = () => void

/** Calls its argument at the end of the turn, in the order of the calls. */
export type SendTurns = (send: Send) => void

/** Turns for what goes to one kind of peer; as many wait as relays are in flight. */
export const makeSendTurns = (): SendTurns => {
  const waiting: Array<Send> = []
  const turn = (): void => {
    for (const send of waiting.splice(0)) send()
  }
  return (send) => {
    if (waiting.push(send) === 1) process.nextTick(turn)
  }
}
