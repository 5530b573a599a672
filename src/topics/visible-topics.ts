import type { TopicFilter } from '../model/topic.ts'
import type { TopicRecord, TopicStore } from '../store/topic-store.ts'

/**
 * A page of the topics that a filter allows, by name, exclusive of `after`. Reads only the filter's exact names and the
 * ranges of its prefixes, so other topics cost nothing.
 */
export async function listVisibleTopics(
  query: { visible: TopicFilter; after: string | undefined; limit: number },
  store: Pick<TopicStore, 'list' | 'get'>,
): Promise<TopicRecord[]> {
  const { visible, after, limit } = query
  const found = new Map<string, TopicRecord>()
  const isLater = (name: string) => after === undefined || byCodePoint(name, after) > 0

  // A prefix is itself a possible name, which a list exclusive of it leaves out.
  const names = new Set([...visible.exact, ...visible.prefixes].filter((name) => name !== '' && isLater(name)))
  for (const name of [...names].toSorted(byCodePoint)) {
    if (found.size >= limit) break
    const record = await store.get(name)
    if (record !== undefined) found.set(name, record)
  }
  for (const prefix of visible.prefixes) {
    const from = after !== undefined && byCodePoint(after, prefix) > 0 ? after : prefix
    for (const record of await store.list({ after: from, limit })) {
      if (!record.topic.startsWith(prefix)) break
      found.set(record.topic, record)
    }
  }
  return [...found.values()].toSorted((one, other) => byCodePoint(one.topic, other.topic)).slice(0, limit)
}

/** The order of code points is that of the bytes of UTF-8. */
function byCodePoint(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}
