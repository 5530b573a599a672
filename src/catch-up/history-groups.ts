import type { P2PEngine } from '../engine/engine.ts'
import type { Limits } from '../limits.ts'
import type { RetentionLimits } from '../log/retention.ts'
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

export type HistoryBounds = Pick<RetentionLimits, 'retentionMaxAgeMs' | 'seenWindowMs'> &
  Pick<Limits, 'unsentWindowMs' | 'historyBeforeJoinMs'>

/**
 * The oldest times of messages to accept. Older ones may have been stored here and forgotten, would be pruned at
 * once, or are from before the join.
 */
export function boundsOf(
  { retention, joinedAt }: Wanted,
  { limits, now }: { limits: HistoryBounds; now: number },
): { kept: number; joined: number } {
  const maxAgeMs = retention.maxAgeMs ?? limits.retentionMaxAgeMs
  // A publisher may hold a message for `unsentWindowMs` before the first peer sees it, so it may be older than its age
  // says.
  const windowMs = Math.max(limits.seenWindowMs - limits.unsentWindowMs, limits.seenWindowMs / 2)
  const keptMs = Math.min(windowMs, maxAgeMs === 0 ? Number.POSITIVE_INFINITY : maxAgeMs)
  return { kept: now - keptMs, joined: (joinedAt ?? now) - limits.historyBeforeJoinMs }
}
