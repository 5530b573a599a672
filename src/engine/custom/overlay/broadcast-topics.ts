import { frameBounds, type OverlayFrame } from './frames.ts'
import type { OverlayLimits } from './limits.ts'
import type { MessageCache } from './message-cache.ts'
import { createRenewal, type Renewal } from './renewal.ts'
import { createTree, type Tree } from './tree.ts'

/** The topics that this node broadcasts in, each with its neighbours. */
export interface BroadcastTopics extends Iterable<[topic: string, state: BroadcastTopic]> {
  get(topic: string): BroadcastTopic | undefined
  /** The state of a topic; a new one has the linked subscribers as neighbours. */
  open(topic: string): BroadcastTopic
  close(topic: string): void
  neighborUp(peerId: string, topic: string): void
  neighborDown(peerId: string, topic: string): void
  /** The link is gone. */
  forgetPeer(peerId: string): void
  /** Whether the peer is pushed messages of any topic. */
  carries(peerId: string): boolean
}

export interface BroadcastTopic {
  readonly tree: Tree
  readonly since: number
  /** Whether a message has passed, so that the eager links are a tree and not all links. */
  isGrown: boolean
  /** When neighbours were pruned. Payloads that they sent before may still be in transit. */
  readonly prunedAt: Map<string, number>
  readonly renewal: Renewal
  /**
   * Neighbours that a beacon came from a second time, off the shortest path. They leave the tree when the new tree is
   * complete.
   */
  readonly aside: Set<string>
}

export interface BroadcastTopicsComponents {
  now(): number
  random(): number
  send(peerId: string, frame: OverlayFrame): boolean
  isSubscribed(topic: string): boolean
  subscribers(topic: string): ReadonlySet<string>
  cache: MessageCache
}

export function createBroadcastTopics(init: { limits: OverlayLimits }, components: BroadcastTopicsComponents): BroadcastTopics {
  const { limits } = init
  const { now, send, isSubscribed, cache } = components
  const topics = new Map<string, BroadcastTopic>()

  function open(topic: string): BroadcastTopic {
    const known = topics.get(topic)
    if (known !== undefined) return known
    const state: BroadcastTopic = {
      tree: createTree(),
      since: now(),
      isGrown: false,
      prunedAt: new Map(),
      renewal: createRenewal(init, components),
      aside: new Set(),
    }
    topics.set(topic, state)
    for (const peerId of components.subscribers(topic)) addNeighbor(topic, state, peerId)
    return state
  }

  /**
   * With few neighbours, a new one joins the tree at both ends. With enough, it gets announcements first, so that a new
   * link costs no duplicates while the tree is whole. In both cases it is told of the latest messages, which a closed
   * link may have lost.
   */
  function addNeighbor(topic: string, { tree, isGrown }: BroadcastTopic, peerId: string): void {
    if (tree.has(peerId)) return
    if (isSubscribed(topic)) {
      const needed = !isGrown || tree.size < limits.topicView
      tree.add(peerId, needed ? 'eager' : 'lazy')
      if (needed) send(peerId, { type: 'graft', topic, ids: [] })
    } else {
      tree.add(peerId, tree.size < limits.fanOut ? 'eager' : 'lazy')
    }
    const latest = cache.latest(topic, now() - limits.recapMs, Math.min(limits.maxRecap, frameBounds.ids))
    if (latest.length === 0) return
    const messages = latest.reverse().map(({ envelope, hops, at }) => ({
      id: envelope.id,
      hops: Math.min(hops, frameBounds.hops),
      ageMs: Math.min(Math.floor(now() - at), frameBounds.ageMs),
    }))
    send(peerId, { type: 'ihave', topic, messages })
  }

  function forget(state: BroadcastTopic | undefined, peerId: string): void {
    state?.tree.remove(peerId)
    state?.prunedAt.delete(peerId)
    state?.aside.delete(peerId)
  }

  return {
    [Symbol.iterator]: () => topics[Symbol.iterator](),
    get: (topic) => topics.get(topic),
    open,
    close: (topic) => void topics.delete(topic),
    neighborUp(peerId, topic) {
      const state = topics.get(topic)
      if (state !== undefined) addNeighbor(topic, state, peerId)
    },
    neighborDown: (peerId, topic) => forget(topics.get(topic), peerId),
    forgetPeer(peerId) {
      for (const state of topics.values()) forget(state, peerId)
    },
    carries(peerId) {
      for (const { tree, isGrown } of topics.values()) if (isGrown && tree.eager.has(peerId)) return true
      return false
    },
  }
}
