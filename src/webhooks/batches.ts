import type { Entry } from '../log/entry.ts'
import type { Hub, HubStep } from '../log/hub.ts'
import { formatCursor, parseCursor, type Seq } from '../model/cursor.ts'
import { matchesTopic, type TopicFilter } from '../model/topic.ts'
import type { WebhookGap } from '../store/webhook-store.ts'

/** What comes next for a webhook, read from the log. */
export interface Batch {
  entries: Entry[]
  /** The position after them. */
  cursor: string
  /** What the log no longer had, of the topics of the webhook, since the position before. */
  gaps: WebhookGap[]
  /** Whether there is no room for another message. */
  isFull: boolean
  /**
   * Whether a batch that was begun was read to its end. The tail of this gateway may be behind the gateway that began it;
   * then the rest of the batch is not known here yet.
   */
  isWhole: boolean
}

export interface BatchQuery {
  cursor: string
  /** Where the batch ends that was begun before. Default: where it is full, or the log ends. */
  through?: string | undefined
  filter: TopicFilter
  maxMessages: number
  maxBytes: number
  /** `clientKey`. */
  client: string
}

export async function readBatch(query: BatchQuery, { hub }: { hub: Pick<Hub, 'read' | 'epoch' | 'tip'> }): Promise<Batch> {
  const { epoch } = hub
  const start = parseCursor(query.cursor)
  if (start.epoch === epoch) return await readFrom(query, start, { hub, epoch })
  // Positions of another log mean nothing here.
  const from = { seq: 0 }
  const other: WebhookGap = { from: query.cursor, to: formatCursor(epoch, from.seq), reason: 'other-log' }
  const batch = await readFrom({ ...query, through: undefined }, from, { hub, epoch })
  return { ...batch, gaps: [other, ...batch.gaps] }
}

async function readFrom(
  { through, filter, maxMessages, maxBytes, client }: BatchQuery,
  start: { seq: Seq; pruneCount?: number },
  { hub, epoch }: { hub: Pick<Hub, 'read' | 'tip'>; epoch: string },
): Promise<Batch> {
  /** A batch that was begun is read whole, whatever has changed since. */
  const isBegun = through !== undefined
  const end = through === undefined ? Number.POSITIVE_INFINITY : parseCursor(through).seq
  const entries: Entry[] = []
  const gaps: WebhookGap[] = []
  let { seq, pruneCount = 0 } = start
  let bytes = 0
  let isFull = false

  /** Takes messages of a step while there is room; returns the position after the last one. */
  function take(step: HubStep): Seq {
    for (const entry of step.entries) {
      if (entry.message.seq > end) return end
      bytes += entry.message.data.length
      isFull = !isBegun && entries.length > 0 && (bytes > maxBytes || entries.length === maxMessages)
      if (isFull) return entries.at(-1)?.message.seq ?? seq
      entries.push(entry)
    }
    return Math.min(step.scanned, end)
  }

  for (;;) {
    const step = await hub.read(seq, filter, isBegun ? maxBytes : Math.max(1, maxBytes - bytes), pruneCount, client)
    for (const { topic, through: pruned } of step.prunes?.topics ?? []) {
      gaps.push({
        ...(topic === undefined ? {} : { topic }),
        from: formatCursor(epoch, seq),
        to: formatCursor(epoch, pruned),
        reason: 'pruned',
      })
    }
    pruneCount = Math.max(pruneCount, step.prunes?.count ?? 0)
    seq = take(step)
    for (const { seq: gone, topic, reason } of step.removed ?? []) {
      if (gone > seq || (topic !== undefined && !matchesTopic(filter, topic))) continue
      gaps.push({ ...(topic === undefined ? {} : { topic }), from: formatCursor(epoch, gone - 1), to: formatCursor(epoch, gone), reason })
    }
    isFull ||= !isBegun && (entries.length === maxMessages || bytes >= maxBytes)
    if (isFull || seq >= Math.min(end, hub.tip))
      return { entries, gaps, isFull, isWhole: !isBegun || seq >= end, cursor: formatCursor(epoch, seq, pruneCount) }
  }
}
