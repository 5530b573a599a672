import type { P2PEngine } from '../engine/engine.ts'

/** The topics that this gateway shares with each connected peer, by peer id. */
export async function sharedTopics(engine: Pick<P2PEngine, 'topics' | 'subscribers'>): Promise<Map<string, string[]>> {
  const shared = new Map<string, string[]>()
  for (const topic of await engine.topics()) {
    for (const peerId of await engine.subscribers(topic)) {
      const known = shared.get(peerId)
      if (known === undefined) shared.set(peerId, [topic])
      else known.push(topic)
    }
  }
  return shared
}
