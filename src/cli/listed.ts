import { z } from 'zod'
import { commandLimits } from './limits.ts'
import type { Call, Remote } from './remote.ts'

/** All items of a list, page by page. */
export async function listed<T>(remote: Remote, path: string, item: z.ZodType<T>, query: NonNullable<Call['query']> = {}): Promise<T[]> {
  const page = z.object({ items: z.array(item), next: z.string().nullable() })
  const { pageItems, listPatienceMs } = commandLimits
  const all: T[] = []
  for (let after: string | null | undefined; after !== null; ) {
    const { items, next } = await remote.call('GET', path, page, {
      query: { ...query, after, limit: pageItems },
      patienceMs: listPatienceMs,
    })
    all.push(...items)
    after = next
  }
  return all
}
