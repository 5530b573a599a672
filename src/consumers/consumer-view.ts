import { actorOf } from '../access/client-key.ts'
import type { ConsumerView } from '../model/consumer.ts'
import { formatCursor } from '../model/cursor.ts'
import type { ConsumerRecord } from '../store/consumer-store.ts'

/** A consumer as clients see it. */
export function consumerView(consumer: ConsumerRecord, epoch: string): ConsumerView {
  const { name, settings, client, createdAt, position, gaps, lastGap } = consumer
  return {
    name,
    ...settings,
    createdAt: new Date(createdAt).toISOString(),
    createdBy: actorOf(client),
    position: formatCursor(epoch, position),
    gaps,
    ...(lastGap === null ? {} : { lastGap: { from: formatCursor(epoch, lastGap.from), to: formatCursor(epoch, lastGap.to) } }),
  }
}
