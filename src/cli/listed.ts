import { commandLimits } from './limits.ts'
import type { Remote } from './remote.ts'

interface Page<T> {
  items: T[]
  next?: string | null
}

/** All items of a list, page by page. */
export async function listed<T>(
  remote: Pick<Remote, 'patiently'>,
  read: (query: { after?: string; limit: number }) => Promise<Page<T>>,
): Promise<T[]> {
  const { pageItems: limit, listPatienceMs } = commandLimits
  const all: T[] = []
  for (let after: string | null | undefined; after !== null; ) {
    const query = after === undefined ? { limit } : { after, limit }
    const { items, next = null } = await remote.patiently(listPatienceMs, () => read(query))
    all.push(...items)
    after = next
  }
  return all
}
