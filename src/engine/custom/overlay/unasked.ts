import { placeOf } from '../../../lib/place-of.ts'
import { authorOf, firstDrawn, sequenceOf } from '../../../model/signed-message.ts'

/**
 * Announced messages that were not asked for yet, by author in the order of their sequence numbers. However many are
 * announced of an author, a message of it costs only those that it has overtaken, each once.
 */
export interface Unasked<Entry> {
  add(entry: Entry): void
  remove(entry: Entry): void
  /** Removes and returns the earlier messages of the author of this message. */
  takeBefore(id: string): Entry[]
}

export function createUnasked<Entry extends { readonly id: string }>(): Unasked<Entry> {
  const authors = new Map<string, Array<{ sequence: bigint; entry: Entry }>>()

  return {
    add(entry) {
      const sequence = sequenceOf(entry.id)
      // Random numbers have no order.
      if (sequence >= firstDrawn) return
      const author = authorOf(entry.id)
      const list = authors.get(author) ?? []
      authors.set(author, list)
      list.splice(placeOf(list, sequence), 0, { sequence, entry })
    },
    remove({ id }) {
      const author = authorOf(id)
      const list = authors.get(author)
      if (list === undefined) return
      const place = placeOf(list, sequenceOf(id))
      if (list[place]?.entry.id === id) list.splice(place, 1)
      if (list.length === 0) authors.delete(author)
    },
    takeBefore(id) {
      const author = authorOf(id)
      const list = authors.get(author)
      const sequence = sequenceOf(id)
      if (list === undefined || sequence >= firstDrawn) return []
      const taken = list.splice(0, placeOf(list, sequence))
      if (list.length === 0) authors.delete(author)
      return taken.map(({ entry }) => entry)
    },
  }
}
