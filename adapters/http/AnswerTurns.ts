/**
 * Answers that came in together are first all read, then handed on one after the other: signing and replying find their
 * code and data in the processor's caches. A turn begins as soon as what is readable now is read.
 */

/** Answers handed on in one turn of the event loop: about half a millisecond in which nothing else is read. */
const TURN = 8

/** Continues whoever waits for one answer. */
type HandOn = () => void

/** Calls its argument in a turn soon, in the order of the calls. */
export type AnswerTurns = (handOn: HandOn) => void

/** Turns for the answers of all backends; as many wait as relays are in flight. */
export const makeAnswerTurns = (): AnswerTurns => {
  const waiting: Array<HandOn> = []
  const turn = (): void => {
    const answers = waiting.splice(0, TURN)
    // The next turn comes after what has become readable meanwhile.
    if (waiting.length > 0) setImmediate(turn)
    for (const handOn of answers) handOn()
  }
  return (handOn) => {
    if (waiting.push(handOn) === 1) setImmediate(turn)
  }
}
