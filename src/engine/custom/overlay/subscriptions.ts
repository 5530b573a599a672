import { type FrameOf, frameBounds } from './frames.ts'
import type { OverlayLimits } from './limits.ts'
import type { Link } from './links.ts'

/** Subscriptions: the topics of this node, and those that linked peers have told. */
export interface Subscriptions {
  readonly own: ReadonlySet<string>
  subscribe(topic: string): boolean
  unsubscribe(topic: string): boolean
  /** Linked peers that are subscribed. */
  of(topic: string): ReadonlySet<string>
  /** The frames that tell a new link this node's topics. */
  greeting(): Array<FrameOf<'subscriptions'>>
  /**
   * Applies a peer's frame and returns the changes. Topics without room are ignored: beyond `maxPeerTopics` of the
   * peer, or beyond its `ownPeerTopics` when the room that all peers share is taken. Messages of these topics reach the
   * peer on other links, or when it catches up.
   */
  receive(link: Link, frame: FrameOf<'subscriptions'>): { added: string[]; removed: string[] }
  /** Forgets the topics of a link and returns them. */
  forget(link: Link): string[]
}

const nobody: ReadonlySet<string> = new Set()

export function createSubscriptions(init: { limits: OverlayLimits }, { onRefused }: { onRefused(): void }): Subscriptions {
  const { maxPeerTopics, ownPeerTopics, maxSharedPeerTopics } = init.limits
  const own = new Set<string>()
  const subscribers = new Map<string, Set<string>>()
  /** Topics of all peers beyond those that each has room for. */
  let shared = 0

  function hasRoom({ topics }: Link): boolean {
    if (topics.size >= maxPeerTopics) return false
    return topics.size < ownPeerTopics || shared < maxSharedPeerTopics
  }

  function add(link: Link, topic: string): boolean {
    if (link.topics.has(topic)) return false
    if (!hasRoom(link)) {
      onRefused()
      return false
    }
    if (link.topics.size >= ownPeerTopics) shared++
    link.topics.add(topic)
    const peers = subscribers.get(topic) ?? new Set()
    subscribers.set(topic, peers.add(link.peerId))
    return true
  }

  function remove(link: Link, topic: string): boolean {
    if (!link.topics.delete(topic)) return false
    if (link.topics.size >= ownPeerTopics) shared--
    const peers = subscribers.get(topic)
    peers?.delete(link.peerId)
    if (peers?.size === 0) subscribers.delete(topic)
    return true
  }

  return {
    own,
    subscribe(topic) {
      if (own.has(topic)) return false
      own.add(topic)
      return true
    },
    unsubscribe: (topic) => own.delete(topic),
    of: (topic) => subscribers.get(topic) ?? nobody,
    greeting() {
      const topics = [...own]
      const frames: Array<FrameOf<'subscriptions'>> = []
      for (let at = 0; at < topics.length; at += frameBounds.topics) {
        frames.push({ type: 'subscriptions', add: topics.slice(at, at + frameBounds.topics), remove: [] })
      }
      return frames
    },
    receive(link, frame) {
      const removed = frame.remove.filter((topic) => remove(link, topic))
      const added = frame.add.filter((topic) => add(link, topic))
      return { added, removed }
    },
    forget(link) {
      const topics = [...link.topics]
      for (const topic of topics) remove(link, topic)
      return topics
    },
  }
}
