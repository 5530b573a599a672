import { byCodePoint } from '../lib/by-code-point.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import type { Page } from '../lib/page.ts'
import { matchesTopic, type TopicFilter } from '../model/topic.ts'
import { literalPrefix } from '../model/topic-pattern.ts'
import type { TopicRecord, TopicStore } from '../store/topic-store.ts'

/** Topics that one page may read, and how many of them at a time. */
const maxRead = 10_000
const maxStep = 1_000

/**
 * A page of the topics that a filter allows, by name, exclusive of `after`. Reads only the filter's exact names and the
 * ranges of its patterns' literal prefixes, so other topics cost nothing. A page that has read `maxRead` topics ends,
 * short or even empty, and `next` is the last one read.
 */
export async function listVisibleTopics(
  query: { visible: TopicFilter; after?: string | undefined; limit: number },
  store: Pick<TopicStore, 'list' | 'get'>,
): Promise<Page<TopicRecord>> {
  const { visible, after, limit } = query
  const items: TopicRecord[] = []
  let read = 0
  for await (const record of within(visible, after, limit + 1, store)) {
    const isVisible = matchesTopic(visible, record.topic)
    if (isVisible && items.length >= limit) return { items, next: items.at(-1)?.topic ?? null }
    if (isVisible) items.push(record)
    if (++read >= maxRead) return { items, next: record.topic }
  }
  return { items, next: null }
}

/** The topics of the filter's exact names and of the ranges of its patterns, by name. */
async function* within(visible: TopicFilter, after: string | undefined, limit: number, store: Pick<TopicStore, 'list' | 'get'>) {
  const isLater = (name: string) => after === undefined || byCodePoint(name, after) > 0
  const prefixes = outermost(visible.patterns.map(literalPrefix))
  const others = visible.exact.filter((name) => name !== '' && !prefixes.some((prefix) => name.startsWith(prefix)))
  const isRange = new Set(prefixes)
  for (const name of [...new Set([...others, ...prefixes])].toSorted(byCodePoint)) {
    // A prefix is itself a possible name, which a list exclusive of it leaves out.
    const record = name !== '' && isLater(name) ? await store.get(name) : undefined
    if (record !== undefined) yield record
    if (isRange.has(name) && (isLater(name) || after?.startsWith(name))) {
      yield* range(name, isLater(name) ? name : after, Math.min(limit, maxStep), store)
    }
  }
}

/** The topics that begin with a prefix, after a name; in steps that grow, since few or many may be wanted. */
async function* range(prefix: string, after: string | undefined, limit: number, store: Pick<TopicStore, 'list'>) {
  for (let [from, step] = [after === '' ? undefined : after, limit]; ; step = Math.min(2 * step, maxStep)) {
    const records = await store.list({ ...omitUndefined({ after: from }), limit: step })
    for (const record of records) {
      if (!record.topic.startsWith(prefix)) return
      yield record
    }
    if (records.length < step) return
    from = records.at(-1)?.topic
  }
}

/** The prefixes that begin with no other one: their ranges share no name. */
function outermost(prefixes: string[]): string[] {
  const found: string[] = []
  // A text is sorted directly before those that begin with it.
  for (const each of prefixes.toSorted()) if (found.length === 0 || !each.startsWith(found.at(-1) ?? '')) found.push(each)
  return found
}
