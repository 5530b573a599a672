import type { TopicRecord } from '../store/topic-store.ts'
import { maxHistoryTopics } from './history-protocol.ts'

/** A topic whose messages are fetched, and since when. */
export type Wanted = Pick<TopicRecord, 'topic' | 'retention' | 'joinedAt'>

/** Topics that are read together, and the position to start from. */
export interface Group {
  after: string | null
  group: Wanted[]
}

/** Groups topics by the position to start from, at most `maxHistoryTopics` in each group. */
export function groups(joined: Wanted[], reached: ReadonlyMap<string, string>): Group[] {
  const byPosition = new Map<string | null, Wanted[][]>()
  for (const record of joined) {
    const after = reached.get(record.topic) ?? null
    const lists = byPosition.get(after) ?? [[]]
    byPosition.set(after, lists)
    const last = lists.at(-1)
    if (last !== undefined && last.length < maxHistoryTopics) last.push(record)
    else lists.push([record])
  }
  return [...byPosition].flatMap(([after, lists]) => lists.map((group) => ({ after, group })))
}
