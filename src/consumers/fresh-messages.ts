import type { Hub, HubStep } from '../log/hub.ts'
import type { StoredMessage } from '../model/message.ts'
import { subscriptionFilter } from '../model/topic.ts'
import type { ConsumerOrder, ConsumerRecord, FreshMessages } from '../store/consumer-store.ts'

/** Messages after the position of a consumer, as the store takes them in, with the messages themselves. */
export interface Fresh {
  taken: FreshMessages
  messages: Map<string, StoredMessage>
}

/** Maximum steps of reading in a row that find nothing. */
const maxEmptySteps = 20

/** Reads at most `limit` messages after the position, about `maxBytes` of data. Undefined when nothing is there. */
export async function readFresh(
  { client, position, prunedSince, settings }: ConsumerRecord,
  { limit, maxBytes }: { limit: number; maxBytes: number },
  components: { hub: Pick<Hub, 'read' | 'tip'> },
): Promise<Fresh | undefined> {
  const { hub } = components
  const filter = subscriptionFilter(settings)
  const taken: FreshMessages = { from: position, through: position, prunedSince, items: [] }
  const messages = new Map<string, StoredMessage>()
  for (let steps = 0; steps < maxEmptySteps && taken.items.length === 0 && taken.through < hub.tip; steps++) {
    const step = await hub.read(taken.through, filter, maxBytes, taken.prunedSince, client, limit)
    const gone = goneIn(step)
    if (gone > 0) taken.gap = { from: taken.gap?.from ?? taken.through, to: Math.max(gone, taken.gap?.to ?? 0) }
    for (const { message } of step.entries) {
      messages.set(message.id, message)
      taken.items.push({ id: message.id, seq: message.seq, lane: laneOf(message, settings.order) })
    }
    taken.through = step.scanned
    taken.prunedSince = Math.max(taken.prunedSince, step.prunes?.count ?? 0)
  }
  return taken.through === position ? undefined : { taken, messages }
}

/**
 * The last of the messages that a step did not get, as they were pruned, damaged or deleted; 0 if there are none. What was
 * pruned is told once, also beyond the step.
 */
function goneIn({ prunes, removed = [] }: HubStep): number {
  const pruned = (prunes?.topics ?? []).map((each) => each.through)
  return Math.max(0, ...pruned, ...removed.map(({ seq }) => seq))
}

function laneOf(message: StoredMessage, order: ConsumerOrder): string | null {
  if (order === 'none') return null
  return order === 'author' ? message.from : ''
}
