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
  /** Topics that this node is subscribed to, each with the number of linked subscribers. */
  topics(): Map<string, number>
  onSubscribers(topic: string, peers: Contact[]): void
  now(): number
  signal: AbortSignal
}): Rendezvous {
  const { node, topics, onSubscribers, now, signal } = components
  const met = new Map<string, { at: number; lookups: number; pauseMs: number }>()

  function isDue(topic: string, linked: number): boolean {
    const last = met.get(topic)
    if (last === undefined) return true
    return now() - last.at > (linked >= enough ? sayAgainMs : last.pauseMs)
  }

  async function doDue(): Promise<void> {
    if (node.table.size === 0) return
    const subscribed = topics()
    for (const topic of met.keys()) if (!subscribed.has(topic)) met.delete(topic)
    const due = [...subscribed].find(([topic, linked]) => isDue(topic, linked))
    if (due === undefined) return
    const [topic] = due
    const lookups = met.get(topic)?.lookups ?? 0
    met.set(topic, { at: now(), lookups: lookups + 1, pauseMs: backOffMs(pauses, lookups) })
    onSubscribers(topic, await node.meet(topic, { signal }))
  }

  return { tick: createSingleFlight(doDue).run }
}
