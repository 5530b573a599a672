import type { P2PEngine } from '../engine/engine.ts'
import type { TopicRecord, TopicStore } from '../store/topic-store.ts'
import { maxHistoryTopics } from './history-protocol.ts'

/** A topic whose messages are fetched, and since when. */
export type Wanted = Pick<TopicRecord, 'topic' | 'retention' | 'joinedAt'>

/** Topics that are read together, and the position to start from. */
export interface Group {
  after: string | null
  group: Wanted[]
}

const topicsPerPage = 500
const noRetention: Wanted['retention'] = { maxAgeMs: null, maxMessages: null, maxBytes: null }

/**
 * The joined topics, and those that a bridge has subscribed to for peers: of these everything that is recent enough,
 * since the peers may have been away as long.
 */
export async function wantedTopics(components: { topics: Pick<TopicStore, 'list'>; engine: Pick<P2PEngine, 'bridge'> }): Promise<Wanted[]> {
  const wanted: Wanted[] = []
  const bridged = new Set(components.engine.bridge?.topics())
  for (let after: string | undefined; ; ) {
    const page = await components.topics.list({ ...(after === undefined ? {} : { after }), limit: topicsPerPage })
    for (const { topic, retention, ...record } of page) {
      if (record.joined) wanted.push({ topic, retention, joinedAt: record.joinedAt })
      else if (bridged.has(topic)) wanted.push({ topic, retention, joinedAt: 0 })
      bridged.delete(topic)
    }
    after = page.at(-1)?.topic
    if (page.length === topicsPerPage) continue
    return [...wanted, ...Array.from(bridged, (topic) => ({ topic, retention: noRetention, joinedAt: 0 }))]
  }
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
