import { createBroadcast } from './broadcast.ts'
import { frameBounds, type OverlayFrame, recordAddresses, type SampledPeer } from './frames.ts'
import { createKnownSubscribers } from './known-subscribers.ts'
import type { OverlayLimits } from './limits.ts'
import { createLinks, type Link } from './links.ts'
import { createMembership } from './membership.ts'
import type { HangUpReason, Overlay, OverlayComponents, PeerRecord } from './overlay.ts'
import { sample } from './partial-view.ts'
import { createPruning } from './pruning.ts'
import { createScores, type Offence } from './scores.ts'
import { createSubscriptions } from './subscriptions.ts'
import { createTopicViews } from './topic-views.ts'
import { createWalks } from './walks.ts'

/** Milliseconds between two sweeps. */
const sweepMs = 1_000

/** Frames that make other nodes send and dial. Excess is dropped without a penalty, since a neighbour may relay. */
const setsOff: ReadonlySet<OverlayFrame['type']> = new Set(['join', 'forward-join', 'neighbor', 'shuffle', 'seek'])

/** Composes the overlay: passes frames and events to its parts, and hangs up links without a role. Owns no socket. */
export function createOverlay(
  init: {
    peerId: string
    /** The current addresses of this node. */
    multiaddrs(): string[]
    limits: OverlayLimits
  },
  components: OverlayComponents,
): Overlay {
  const { now, random } = components
  const scores = createScores(init, components)
  const links = createLinks(init, { ...components, isAvoided: scores.avoided })
  const subscriptions = createSubscriptions(init, { onRefused: components.onTopicRefused })
  const walks = createWalks(init, components)
  const known = createKnownSubscribers(init)

  const broadcast = createBroadcast(init, {
    ...components,
    send,
    isLinked: (peerId) => links.get(peerId) !== undefined,
    isSubscribed: (topic) => subscriptions.own.has(topic),
    subscribers: subscriptions.of,
    offence,
    // One broken promise outweighs earlier messages.
    doubt: (peerId) => scores.penalty(peerId) - (links.isProven(peerId) ? 0.5 : 0),
    used,
    brought,
    broughtAt: (peerId) => links.get(peerId)?.broughtAt,
  })
  const shared = { now, random, send, passOn, links, walks, self, topicsOf, learn, told: components.told }
  const membership = createMembership(init, shared)
  const topicViews = createTopicViews(init, {
    ...shared,
    known,
    subscribers: subscriptions.of,
    fanOutTopics: broadcast.fanOutTopics,
    neighbors: () => membership.view.peers.active,
  })

  const pruning = createPruning(init, {
    now,
    random,
    links,
    broadcast,
    views: () => [membership.view, ...topicViews.all()],
    hangUp,
  })

  function self(): PeerRecord {
    return { peerId: init.peerId, multiaddrs: recordAddresses(init.multiaddrs()) }
  }

  function topicsOf(peerId: string): string[] {
    const topics = peerId === init.peerId ? subscriptions.own : links.get(peerId)?.topics
    return topics === undefined ? [] : sample([...topics], frameBounds.sampleTopics, random)
  }

  /** Takes the peers and topics of a sample. */
  function learn(peers: readonly SampledPeer[], by?: string): void {
    for (const { peer, topics } of peers) {
      if (scores.avoided(peer.peerId)) continue
      if (by !== undefined) components.told(peer, by)
      membership.view.peers.know(peer)
      for (const topic of topics) topicViews.learn(topic, peer)
    }
  }

  function send(peerId: string, frame: OverlayFrame): boolean {
    return links.get(peerId) !== undefined && components.send(peerId, frame)
  }

  /**
   * Sends a frame that comes from another peer, unless the receiver takes no more of them: it charges this node for all
   * that this node sends.
   */
  function passOn(peerId: string, frame: OverlayFrame): void {
    if (links.get(peerId)?.passedWalks.take(now()) === true) send(peerId, frame)
  }

  function used(peerId: string): void {
    const link = links.get(peerId)
    if (link !== undefined) link.usedAt = now()
  }

  function brought(peerId: string): void {
    const link = links.get(peerId)
    if (link === undefined) return
    if (!links.isProven(peerId)) membership.proven(link.record)
    link.usedAt = link.broughtAt = now()
  }

  function offence(peerId: string, kind: Offence): void {
    if (!scores.penalize(peerId, kind)) return
    membership.view.peers.forget(peerId)
    for (const view of topicViews.all()) view.peers.forget(peerId)
    known.forget(peerId)
    const link = links.get(peerId)
    if (link !== undefined && !link.pinned) hangUp(link, 'avoided')
  }

  function forget(link: Link): void {
    const { peerId } = link
    for (const topic of subscriptions.forget(link)) broadcast.neighborDown(peerId, topic)
    broadcast.forgetPeer(peerId)
    membership.view.gone(peerId)
    for (const view of topicViews.all()) view.gone(peerId)
  }

  function hangUp(link: Link, why: HangUpReason): void {
    links.hangUp(link.peerId, why)
    forget(link)
  }

  function announce(frame: OverlayFrame): void {
    for (const { peerId } of links.all()) send(peerId, frame)
  }

  function receiveSubscriptions(link: Link, frame: Extract<OverlayFrame, { type: 'subscriptions' }>): void {
    const { peerId, record } = link
    const { added, removed } = subscriptions.receive(link, frame)
    for (const topic of removed) {
      components.onSubscription(peerId, topic, false)
      broadcast.neighborDown(peerId, topic)
      topicViews.get(topic)?.gone(peerId)
    }
    for (const topic of added) components.onSubscription(peerId, topic, true)
    const told = broadcast.neighborUp(peerId, added)
    if (told > 0) components.onTold(peerId, told)
    for (const topic of added) topicViews.learn(topic, record)
  }

  /** Only subscribers ask for the tree and the view of a topic. There may have been no room for what the peer said before. */
  function impliesSubscription(link: Link, topics: readonly string[]): void {
    const untold = topics.filter((topic) => subscriptions.own.has(topic) && !link.topics.has(topic))
    if (untold.length > 0) receiveSubscriptions(link, { type: 'subscriptions', add: untold, remove: [] })
  }

  let sweepAt = 0

  return {
    connected(peer, about) {
      if (scores.avoided(peer.peerId) && !about.pinned) {
        components.hangUp(peer.peerId, 'avoided')
        return
      }
      const before = links.get(peer.peerId)
      if (before !== undefined) forget(before)
      const link = links.add(peer, about)
      for (const frame of subscriptions.greeting()) send(peer.peerId, frame)
      membership.connected(link)
      pruning.makeRoom()
    },
    updated(peer, { pinned }) {
      const link = links.get(peer.peerId)
      if (link === undefined) return
      const hasMoved = peer.multiaddrs.some((address) => !link.record.multiaddrs.includes(address))
      link.record = peer
      link.pinned ||= pinned
      if (hasMoved) membership.moved(link)
      membership.view.peers.know(peer)
      for (const topic of link.topics) topicViews.learn(topic, peer)
    },
    disconnected(peerId) {
      const link = links.get(peerId)
      if (link === undefined) return
      links.remove(peerId)
      forget(link)
    },
    dialFailed(peerId) {
      links.failed(peerId)
      known.forget(peerId)
      membership.view.dialFailed(peerId)
      for (const view of topicViews.all()) view.dialFailed(peerId)
    },
    discovered: membership.discovered,
    suggested: (peers) => learn(peers.map((peer) => ({ peer, topics: [] }))),
    subscribersFound: (topic, peers) => learn(peers.map((peer) => ({ peer, topics: [topic] }))),
    receive(peerId, frame) {
      const link = links.get(peerId)
      if (link === undefined) return
      if (frame.type !== 'message' && !link.controlFrames.take(now())) return offence(peerId, 'floodedFrame')
      if (setsOff.has(frame.type) && !link.walks.take(now())) return
      switch (frame.type) {
        case 'subscriptions':
          return receiveSubscriptions(link, frame)
        case 'graft':
          impliesSubscription(link, [frame.topic])
          return broadcast.receive(peerId, frame)
        case 'grafts':
          impliesSubscription(link, frame.topics)
          return broadcast.receive(peerId, frame)
        case 'message':
        case 'ihave':
        case 'prune':
        case 'beacon':
          return broadcast.receive(peerId, frame)
        case 'join':
        case 'forward-join':
          return membership.receive(link, frame)
        case 'shuffle':
        case 'neighbor':
        case 'neighbor-reply':
        case 'disconnect': {
          if (frame.type === 'neighbor' && frame.topic !== undefined) impliesSubscription(link, [frame.topic])
          const view = frame.topic === undefined ? membership.view : topicViews.get(frame.topic)
          if (view !== undefined) view.receive(link, frame)
          else if (frame.type === 'neighbor') send(peerId, { type: 'neighbor-reply', topic: frame.topic, accepted: false })
          return
        }
        case 'shuffle-reply': {
          const back = walks.back(frame.token)
          if (back === 'self') learn(frame.peers, peerId)
          else if (back !== undefined) send(back.to, frame)
          return
        }
        case 'seek':
        case 'found':
          return topicViews.receive(link, frame)
        default:
          return frame satisfies never
      }
    },
    subscribe(topic) {
      if (!subscriptions.subscribe(topic)) return
      announce({ type: 'subscriptions', add: [topic], remove: [] })
      broadcast.subscribe(topic)
      topicViews.open(topic)
    },
    unsubscribe(topic) {
      if (!subscriptions.unsubscribe(topic)) return
      announce({ type: 'subscriptions', add: [], remove: [topic] })
      broadcast.unsubscribe(topic)
      topicViews.close(topic)
    },
    subscribers: (topic) => [...subscriptions.of(topic)],
    publish: (messages) => messages.map(broadcast.publish),
    settle: broadcast.settle,
    penalty: scores.penalty,
    tick() {
      membership.view.tick()
      topicViews.tick()
      broadcast.tick()
      if (now() < sweepAt) return
      sweepAt = now() + sweepMs
      links.sweep()
      walks.sweep()
      broadcast.sweep()
      topicViews.sweep()
      pruning.hangUpIdle()
    },
    size: () => ({
      links: links.size,
      activeView: membership.view.peers.active.size,
      passiveView: membership.view.peers.passive.size,
      topicViews: [...topicViews.all()].length,
      ...broadcast.size(),
      knownSubscribers: known.size,
      walks: walks.size,
      scoredPeers: scores.size,
    }),
  }
}
