import { authorOf, firstDrawn, sequenceOf } from '../../../model/signed-message.ts'

/**
 * Announced messages that were not asked for yet, by author. However many are announced of an author, a message of it
 * costs only those that it has overtaken, each once.
 */
export interface Unasked<Entry> {
  add(entry: Entry): void
  remove(entry: Entry): void
  /** Removes and returns the earlier messages of the author of this message, in their order. */
  takeBefore(id: string): Entry[]
}

interface Numbered<Entry> {
  readonly sequence: bigint
  readonly entry: Entry
}

/** Those of one author: a binary heap by sequence number. Removed ones stay in it until they are half of it. */
interface Author<Entry> {
  heap: Array<Numbered<Entry>>
  /** Those that were not removed. */
  readonly left: Set<Entry>
}

export function createUnasked<Entry extends { readonly id: string }>(): Unasked<Entry> {
  const authors = new Map<string, Author<Entry>>()

  /** Forgets what was removed, once that is worth its time. */
  function tidy(name: string, author: Author<Entry>): void {
    const { left, heap } = author
    if (left.size === 0) authors.delete(name)
    else if (heap.length > 2 * left.size) {
      // A sorted list is a heap.
      author.heap = heap.filter(({ entry }) => left.has(entry)).sort((one, other) => (one.sequence < other.sequence ? -1 : 1))
    }
  }

  return {
    add(entry) {
      const sequence = sequenceOf(entry.id)
      // Random numbers have no order.
      if (sequence >= firstDrawn) return
      const name = authorOf(entry.id)
      const author = authors.get(name) ?? { heap: [], left: new Set() }
      authors.set(name, author)
      author.left.add(entry)
      push(author.heap, { sequence, entry })
    },
    remove(entry) {
      const name = authorOf(entry.id)
      const author = authors.get(name)
      if (author?.left.delete(entry) === true) tidy(name, author)
    },
    takeBefore(id) {
      const name = authorOf(id)
      const author = authors.get(name)
      const sequence = sequenceOf(id)
      if (author === undefined || sequence >= firstDrawn) return []
      const taken: Entry[] = []
      for (let [first] = author.heap; first !== undefined && first.sequence < sequence; [first] = author.heap) {
        pop(author.heap)
        if (author.left.delete(first.entry)) taken.push(first.entry)
      }
      tidy(name, author)
      return taken
    },
  }
}

function push<Entry>(heap: Array<Numbered<Entry>>, added: Numbered<Entry>): void {
  let at = heap.push(added) - 1
  while (at > 0) {
    const above = (at - 1) >>> 1
    const parent = heap[above]
    if (parent === undefined || parent.sequence <= added.sequence) break
    heap[at] = parent
    at = above
  }
  heap[at] = added
}

/** Removes the first. */
function pop<Entry>(heap: Array<Numbered<Entry>>): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    const left = heap[2 * at + 1]
    const right = heap[2 * at + 2]
    const isRight = left !== undefined && right !== undefined && right.sequence < left.sequence
    const least = isRight ? right : left
    if (least === undefined || least.sequence >= last.sequence) break
    heap[at] = least
    at = 2 * at + (isRight ? 2 : 1)
  }
  heap[at] = last
}
