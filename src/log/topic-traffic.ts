import { BoundedMap } from '../lib/bounded-map.ts'
import { directTopic } from '../model/topic.ts'
import type { TopicTraffic } from '../model/topic-stats.ts'

/** Counts the messages of topics, in and out, while this gateway runs. */
export interface TopicTrafficCounter {
  /** A message came into the log, at this gateway or at another one of the database. */
  stored(topic: string): void
  /** A message was sent to a follower of this gateway. */
  delivered(topic: string): void
  /** A message of this gateway was handed to this number of peers. */
  sent(topic: string, peers: number): void
  of(topic: string): TopicTraffic
}

/** Topics that are counted, about 200 bytes each. Beyond them, the one counted for the longest time begins at zero. */
const maxTopics = 10_000

const none: TopicTraffic = { stored: 0, delivered: 0, sent: 0 }

export function createTopicTraffic(init: { maxTopics?: number } = {}): TopicTrafficCounter {
  const counts = new BoundedMap<string, TopicTraffic>({ max: init.maxTopics ?? maxTopics })

  function add(topic: string, name: keyof TopicTraffic, count: number): void {
    if (topic === directTopic || count === 0) return
    const known = counts.get(topic)
    if (known === undefined) counts.set(topic, { ...none, [name]: count })
    else known[name] += count
  }

  return {
    stored: (topic) => add(topic, 'stored', 1),
    delivered: (topic) => add(topic, 'delivered', 1),
    sent: (topic, peers) => add(topic, 'sent', peers),
    of: (topic) => ({ ...(counts.get(topic) ?? none) }),
  }
}
