import { type FrameOf, frameBounds, type OverlayFrame } from './frames.ts'
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
  /** A linked peer has subscribed to these topics. Returns how many messages it was told of. */
  neighborUp(peerId: string, topics: readonly string[]): number
  neighborDown(peerId: string, topic: string): void
  /** The link is gone. */
  forgetPeer(peerId: string): void
  /** Removes the peers that are pushed messages of any topic. */
  spare(peerIds: Set<string>): void
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
    let renewal: Renewal | undefined
    const state: BroadcastTopic = {
      tree: createTree(),
      since: now(),
      isGrown: false,
      prunedAt: new Map(),
      // A topic without messages needs none.
      get renewal() {
        renewal ??= createRenewal(init, components)
        return renewal
      },
      aside: new Set(),
    }
    topics.set(topic, state)
    for (const peerId of components.subscribers(topic)) {
      if (addNeighbor(topic, state, peerId)) send(peerId, { type: 'graft', topic, ids: [] })
      recap(topic, peerId)
    }
    return state
  }

  /**
   * With few neighbours, a new one joins the tree at both ends: returns true, and the neighbour is to be asked for it.
   * With enough, it gets announcements first, so that a new link costs no duplicates while the tree is whole.
   */
  function addNeighbor(topic: string, { tree, isGrown }: BroadcastTopic, peerId: string): boolean {
    if (!isSubscribed(topic)) {
      tree.add(peerId, tree.size < limits.fanOut ? 'eager' : 'lazy')
      return false
    }
    const needed = !isGrown || tree.size < limits.topicView
    tree.add(peerId, needed ? 'eager' : 'lazy')
    return needed
  }

  /** Tells a new neighbour of the latest messages, which a closed link may have lost; returns how many. */
  function recap(topic: string, peerId: string): number {
    const latest = cache.latest(topic, now() - limits.recapMs, Math.min(limits.maxRecap, frameBounds.ids))
    if (latest.length === 0) return 0
    const messages = latest.reverse().map(({ envelope, hops, at }) => ({
      id: envelope.id,
      hops: Math.min(hops, frameBounds.hops),
      ageMs: Math.min(Math.floor(now() - at), frameBounds.ageMs),
    }))
    send(peerId, { type: 'ihave', topic, messages })
    return messages.length
  }

  /** One frame for all topics: a new link to a peer with many topics in common costs few frames. */
  function askForTrees(peerId: string, asked: string[]): void {
    const [topic] = asked
    if (topic === undefined) return
    const frame: FrameOf<'graft' | 'grafts'> = asked.length === 1 ? { type: 'graft', topic, ids: [] } : { type: 'grafts', topics: asked }
    send(peerId, frame)
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
    neighborUp(peerId, subscribed) {
      const asked: string[] = []
      const added: string[] = []
      for (const topic of subscribed) {
        const state = topics.get(topic)
        if (state === undefined || state.tree.has(peerId)) continue
        added.push(topic)
        if (addNeighbor(topic, state, peerId)) asked.push(topic)
      }
      askForTrees(peerId, asked)
      return added.reduce((told, topic) => told + recap(topic, peerId), 0)
    },
    neighborDown: (peerId, topic) => forget(topics.get(topic), peerId),
    forgetPeer(peerId) {
      for (const state of topics.values()) forget(state, peerId)
    },
    spare(peerIds) {
      for (const { tree, isGrown } of topics.values()) {
        if (peerIds.size === 0) return
        if (isGrown) for (const peerId of tree.eager) peerIds.delete(peerId)
      }
    },
  }
}
