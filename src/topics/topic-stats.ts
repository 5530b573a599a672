import type { P2PEngine } from '../engine/engine.ts'
import { formatCursor } from '../model/cursor.ts'
import type { Retention } from '../model/retention.ts'
import type { TopicStats, TopicTraffic } from '../model/topic-stats.ts'
import type { TopicRecord } from '../store/topic-store.ts'

export interface TopicStatsComponents {
  engine: Pick<P2PEngine, 'peerId' | 'subscribers' | 'networks' | 'bridge'>
  /** What is counted of topics while the gateway runs. */
  traffic: { of(topic: string): TopicTraffic }
}

/**
 * Shows a topic of the store with what the engine knows of it.
 * @param init.byDefault the limits of topics that have none of their own
 */
export function createTopicStats({ byDefault }: { byDefault: Retention }, { engine, traffic }: TopicStatsComponents) {
  async function inNetworks(topic: string): Promise<TopicStats['networks']> {
    return await Promise.all(
      engine.networks.map(async (network) => ({
        engine: network.kind,
        subscribers: (await network.subscribers(topic)).length,
        bridged: engine.bridge?.subscribes(topic, network.kind) === true,
      })),
    )
  }

  /** @param epoch the epoch of the log that the positions belong to */
  return async ({ topic, joined, messages, bytes, earliest, latest, retention }: TopicRecord, epoch: string): Promise<TopicStats> => ({
    topic,
    joined,
    messages,
    bytes,
    earliest: messages === 0 ? null : formatCursor(epoch, earliest),
    latest: messages === 0 ? null : formatCursor(epoch, latest),
    retention: {
      maxAgeMs: retention.maxAgeMs ?? byDefault.maxAgeMs,
      maxMessages: retention.maxMessages ?? byDefault.maxMessages,
      maxBytes: retention.maxBytes ?? byDefault.maxBytes,
    },
    traffic: traffic.of(topic),
    subscribers: (await engine.subscribers(topic)).length,
    networks: await inNetworks(topic),
    gateway: engine.peerId,
  })
}
