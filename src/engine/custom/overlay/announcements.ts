import { type FrameOf, frameBounds } from './frames.ts'
import type { OverlayLimits } from './limits.ts'

/**
 * Announcements for lazy neighbours, and of messages for which the link of an eager one had no room, batched by neighbour
 * and topic until the next tick. What a link has no room for waits on.
 */
export interface Announcements {
  add(peerId: string, topic: string, id: string, hops: number): void
  forgetPeer(peerId: string): void
  /** Sends all that wait. `send` returns false when the neighbour's link has no room. */
  flush(send: (peerId: string, frame: FrameOf<'ihave'>) => boolean): void
  /** The same for one neighbour and topic. */
  flushFor(peerId: string, topic: string, send: (frame: FrameOf<'ihave'>) => boolean): void
  readonly size: number
}

interface Waiting {
  count: number
  readonly topics: Map<string, FrameOf<'ihave'>['messages']>
}

export function createAnnouncements(init: { limits: OverlayLimits }): Announcements {
  const waiting = new Map<string, Waiting>()

  /** Returns whether the link had room for all. */
  function flushTopic(peer: Waiting, topic: string, send: (frame: FrameOf<'ihave'>) => boolean): boolean {
    const messages = peer.topics.get(topic) ?? []
    while (messages.length > 0) {
      const some = messages.slice(0, frameBounds.ids)
      if (!send({ type: 'ihave', topic, messages: some })) return false
      messages.splice(0, some.length)
      peer.count -= some.length
    }
    peer.topics.delete(topic)
    return true
  }

  return {
    add(peerId, topic, id, hops) {
      let peer = waiting.get(peerId)
      if (peer === undefined) {
        peer = { count: 0, topics: new Map() }
        waiting.set(peerId, peer)
      }
      const messages = peer.topics.get(topic) ?? []
      if (messages.length === 0) peer.topics.set(topic, messages)
      if (peer.count >= init.limits.maxAnnouncements) {
        if (messages.length === 0) return
        messages.shift()
      } else peer.count++
      messages.push({ id, hops: Math.min(hops, frameBounds.hops) })
    },
    forgetPeer: (peerId) => waiting.delete(peerId),
    flush(send) {
      for (const [peerId, peer] of waiting) {
        const sendTo = (frame: FrameOf<'ihave'>) => send(peerId, frame)
        if ([...peer.topics.keys()].every((topic) => flushTopic(peer, topic, sendTo))) waiting.delete(peerId)
      }
    },
    flushFor(peerId, topic, send) {
      const peer = waiting.get(peerId)
      if (peer !== undefined) flushTopic(peer, topic, send)
    },
    get size() {
      let size = 0
      for (const { count } of waiting.values()) size += count
      return size
    },
  }
}
