/** A page of a list. `next` is the `after` of the next page, null on the last page. */
export interface Page<Item> {
  items: Item[]
  next: string | null
}

/** The page of what was read with a limit of one more than the page's. @param keyOf what `after` is compared with */
export function pageOf<Item>(read: Item[], limit: number, keyOf: (item: Item) => string): Page<Item> {
  const items = read.slice(0, limit)
  const last = items.at(-1)
  return { items, next: read.length > limit && last !== undefined ? keyOf(last) : null }
}
