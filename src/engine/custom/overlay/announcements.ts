import { type FrameOf, frameBounds } from './frames.ts'
import type { OverlayLimits } from './limits.ts'

/** Announcements for lazy neighbours, batched by neighbour and topic until the next tick. */
export interface Announcements {
  add(peerId: string, topic: string, id: string, hops: number): void
  forgetPeer(peerId: string): void
  /** Removes all waiting announcements and returns them as frames. */
  take(): Array<{ peerId: string; frame: FrameOf<'ihave'> }>
  /** The same for one neighbour and topic. */
  takeFor(peerId: string, topic: string): Array<FrameOf<'ihave'>>
  readonly size: number
}

export function createAnnouncements(init: { limits: OverlayLimits }): Announcements {
  const waiting = new Map<string, { count: number; topics: Map<string, FrameOf<'ihave'>['messages']> }>()

  function framesOf(topic: string, messages: FrameOf<'ihave'>['messages']): Array<FrameOf<'ihave'>> {
    const frames: Array<FrameOf<'ihave'>> = []
    for (let at = 0; at < messages.length; at += frameBounds.ids) {
      frames.push({ type: 'ihave', topic, messages: messages.slice(at, at + frameBounds.ids) })
    }
    return frames
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
    take() {
      if (waiting.size === 0) return []
      const frames: Array<{ peerId: string; frame: FrameOf<'ihave'> }> = []
      for (const [peerId, { topics }] of waiting) {
        for (const [topic, messages] of topics) frames.push(...framesOf(topic, messages).map((frame) => ({ peerId, frame })))
      }
      waiting.clear()
      return frames
    },
    takeFor(peerId, topic) {
      const peer = waiting.get(peerId)
      const messages = peer?.topics.get(topic)
      if (peer === undefined || messages === undefined) return []
      peer.topics.delete(topic)
      peer.count -= messages.length
      return framesOf(topic, messages)
    },
    get size() {
      let size = 0
      for (const { count } of waiting.values()) size += count
      return size
    },
  }
}
