import { authorOf, firstDrawn, sequenceOf } from '../model/signed-message.ts'
import { historyBatchBytes, type Listed, maxHistoryMessages } from './history-protocol.ts'

/** Each author's messages in the order of their numbers, in the places that they have in the page. */
export function inOrder<Item extends Listed>(items: Item[]): Item[] {
  const byAuthor = Map.groupBy(items, ({ id }) => authorOf(id))
  for (const [author, list] of byAuthor) {
    const numbered = list.map((item) => ({ item, sequence: sequenceOf(item.id) }))
    if (numbered.some(({ sequence }) => sequence >= firstDrawn)) continue
    byAuthor.set(
      author,
      numbered.toSorted((one, other) => (one.sequence < other.sequence ? -1 : 1)).map(({ item }) => item),
    )
  }
  const rest = new Map(Array.from(byAuthor, ([author, list]) => [author, list.values()]))
  return items.flatMap(({ id }) => rest.get(authorOf(id))?.next().value ?? [])
}

/** Parts of a page that one request fetches. */
export function* batches<Item extends Listed>(items: Item[]): Generator<Item[]> {
  let batch: Item[] = []
  let bytes = 0
  for (const item of items) {
    if (batch.length > 0 && (batch.length >= maxHistoryMessages || bytes + item.bytes > historyBatchBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(item)
    bytes += item.bytes
  }
  if (batch.length > 0) yield batch
}
