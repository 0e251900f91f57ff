/**
 * An unordered collection for objects that come and go with every call. A `Set` that is added to and deleted from all
 * the time rehashes all the time, and each dead table, once it is old, keeps the next one and with it the members of
 * that moment alive until a full collection: measured, most of a relay's garbage survived that way.
 */

/** What can be a member: of one roster at a time, its place in it is kept in itself. */
export interface Member {
  /** -1 while it is in none. Written by the roster only. */
  place: number
}

/** Members in no order; adding and removing cost a few instructions and allocate nothing. */
export class Roster<M extends Member> implements Iterable<M> {
  readonly #members: Array<M> = []

  /** Members now. */
  get size(): number {
    return this.#members.length
  }

  /** Adds a member that is in no roster. */
  add(member: M): void {
    member.place = this.#members.length
    this.#members.push(member)
  }

  /** Removes a member of this roster; one that is in none is passed over. */
  delete(member: M): void {
    const { place } = member
    if (place < 0) return
    const last = this.#members.pop()
    if (last !== undefined && last !== member) {
      this.#members[place] = last
      last.place = place
    }
    member.place = -1
  }

  /** From the newest place down, so that the member at hand may be removed meanwhile. */
  *[Symbol.iterator](): Generator<M> {
    for (let place = this.#members.length - 1; place >= 0; place--) {
      const member = this.#members[place]
      if (member !== undefined) yield member
    }
  }
}
