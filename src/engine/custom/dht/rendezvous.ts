import { backOffMs } from '../../../lib/back-off.ts'
import { createSingleFlight } from '../../../lib/single-flight.ts'
import type { DhtNode } from './dht-node.ts'
import type { Contact } from './frames.ts'

/** Lets the subscribers of a topic find each other through the DHT. */
export interface Rendezvous {
  /** Does one due task. Call it about every second. */
  tick(): Promise<void>
}

/** Linked subscribers that suffice, since the topic's view finds the others. */
const enough = 3
/** Between two lookups of a topic while too few subscribers are linked. */
const pauses = { firstMs: 10_000, lastMs: 600_000 }
/** Milliseconds between two announcements of this node's subscription when enough subscribers are linked. */
const sayAgainMs = 12 * 3_600_000

export function createRendezvous(components: {
  node: Pick<DhtNode, 'meet' | 'table'>
  /** Topics that this node is subscribed to. */
  topics: ReadonlySet<string>
  /** The number of linked subscribers of a topic. */
  linked(topic: string): number
  onSubscribers(topic: string, peers: Contact[]): void
  now(): number
  signal: AbortSignal
}): Rendezvous {
  const { node, topics, linked, onSubscribers, now, signal } = components
  /** In the order of the last lookups. */
  const met = new Map<string, { at: number; lookups: number; pauseMs: number }>()

  /**
   * The topic to look up now. Those that were never looked up go first, then those whose last lookup is the longest
   * ago. Otherwise a few topics that nobody else has would keep all others waiting.
   */
  function next(): string | undefined {
    for (const topic of topics) if (!met.has(topic)) return topic
    for (const [topic, { at, pauseMs }] of met) {
      if (!topics.has(topic)) met.delete(topic)
      else if (now() - at > (linked(topic) >= enough ? sayAgainMs : pauseMs)) return topic
    }
    return undefined
  }

  async function doDue(): Promise<void> {
    if (node.table.size === 0) return
    const topic = next()
    if (topic === undefined) return
    const lookups = met.get(topic)?.lookups ?? 0
    met.delete(topic)
    met.set(topic, { at: now(), lookups: lookups + 1, pauseMs: backOffMs(pauses, lookups) })
    onSubscribers(topic, await node.meet(topic, { signal }))
  }

  return { tick: createSingleFlight(doDue).run }
}
