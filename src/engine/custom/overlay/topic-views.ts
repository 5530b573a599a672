import { backOffMs } from '../../../lib/back-off.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import { type FrameOf, frameBounds } from './frames.ts'
import type { KnownSubscribers } from './known-subscribers.ts'
import type { OverlayLimits } from './limits.ts'
import type { Link } from './links.ts'
import type { PeerRecord } from './overlay.ts'
import { pick, sample } from './partial-view.ts'
import { createTurns } from './turns.ts'
import { createView, type View, type ViewComponents } from './view.ts'

/**
 * A view of the subscribers of each topic that this node is subscribed to, so that messages cross subscribers only; and
 * links to a few subscribers of topics that it publishes to without being subscribed. Subscribers are found by what
 * neighbours tell, by shuffles, and by seeks: walks over the links of membership.
 */
export interface TopicViews {
  open(topic: string): void
  close(topic: string): void
  get(topic: string): View | undefined
  all(): IterableIterator<View>
  /** A peer is reported to be subscribed. */
  learn(topic: string, peer: PeerRecord): void
  receive(link: Link, frame: FrameOf<'seek' | 'found'>): void
  tick(): void
  /** Finds links for the topics that this node publishes to without being subscribed. */
  sweep(): void
}

/** Walkers of one seek. */
const walkers = 2
/** Each view has a turn a second, a part of them in each tick. */
const turnsPerSecond = 10
/** Views in one tick that have a turn before, because there is news for them. */
const maxWoken = 500

export interface TopicViewsComponents extends Omit<ViewComponents, 'belongs' | 'onLonely' | 'mayAsk' | 'mayMix'> {
  readonly known: KnownSubscribers
  subscribers(topic: string): ReadonlySet<string>
  /** Topics that this node publishes to without being subscribed. */
  fanOutTopics(): Iterable<string>
  /** Neighbours for walks. */
  neighbors(): ReadonlySet<string>
}

export function createTopicViews(init: { peerId: string; limits: OverlayLimits }, components: TopicViewsComponents): TopicViews {
  const { limits } = init
  const { now, random, send, passOn, links, walks, known, subscribers } = components
  const views = new Map<string, View>()
  /** When the next seek for each topic is allowed. */
  const seeks = new Map<string, { count: number; at: number }>()
  /** Topics whose seek waits for its turn, the longest waiting first: those that were never sought, and the others. */
  const due = { first: new Set<string>(), again: new Set<string>() }
  const turns = createTurns<View>({ turns: turnsPerSecond, turnMs: 1_000 / turnsPerSecond, maxWoken })
  const mixes = createTokenBucket({ perSecond: limits.topicMixesPerSecond, burst: limits.topicMixesBurst })
  const pace = createTokenBucket({ perSecond: limits.seeksPerSecond, burst: limits.seeksBurst })

  const ofViews: ViewComponents = {
    ...components,
    belongs: (link, topic = '') => link.topics.has(topic),
    onLonely: (topic = '') => seek(topic),
    mayAsk: (link) => link.asks.take(now()),
    mayMix: () => mixes.take(now()),
  }

  function learn(topic: string, peer: PeerRecord): void {
    if (peer.peerId === init.peerId) return
    known.learn(topic, peer)
    const view = views.get(topic)
    if (view === undefined) return
    view.peers.know(peer)
    wake(view)
  }

  function wake(view: View): void {
    if (view.peers.active.size >= limits.topicView) return
    view.wake()
    turns.wake(view)
  }

  function open(topic: string): void {
    const view = createView(
      {
        topic,
        peerId: init.peerId,
        target: limits.topicView,
        max: limits.maxTopicView,
        passiveSize: limits.topicPassiveView,
        limits,
      },
      ofViews,
    )
    views.set(topic, view)
    turns.add(view)
    for (const peer of known.of(topic)) view.peers.know(peer)
  }

  function step(from?: string): string | undefined {
    const neighbors = [...components.neighbors()].filter((peerId) => peerId !== from)
    return pick(neighbors, random)
  }

  function seek(topic: string): void {
    if ((seeks.get(topic)?.at ?? 0) > now()) return
    const turns = seeks.has(topic) ? due.again : due.first
    turns.add(topic)
    seekDue()
  }

  /** Seeks in turn, at a pace that many topics without subscribers share. */
  function seekDue(): void {
    for (const turns of [due.first, due.again]) {
      for (const topic of turns) {
        if (!pace.take(now())) return
        turns.delete(topic)
        walk(topic)
      }
    }
  }

  function forgetSeek(topic: string): void {
    seeks.delete(topic)
    due.first.delete(topic)
    due.again.delete(topic)
  }

  function walk(topic: string): void {
    const count = seeks.get(topic)?.count ?? 0
    const waitMs = backOffMs({ firstMs: limits.firstSeekMs, lastMs: limits.lastSeekMs }, count, random)
    seeks.set(topic, { count: count + 1, at: now() + waitMs })
    const seeker = views.has(topic) ? { seeker: components.self() } : {}
    for (const peerId of sample([...components.neighbors()], walkers, random)) {
      send(peerId, { type: 'seek', token: walks.begin(), topic, hops: limits.seekHops, ...seeker })
    }
  }

  function receiveSeek(link: Link, frame: FrameOf<'seek'>): void {
    const { topic, token, seeker } = frame
    if (!walks.pass(token, link.peerId)) return
    const away = (peerId: string) => peerId !== seeker?.peerId && peerId !== link.peerId
    const linked = [...subscribers(topic)].filter(away).flatMap((peerId) => links.get(peerId)?.record ?? [])
    const own = views.has(topic) ? [components.self()] : []
    const certain = [...own, ...sample(linked, frameBounds.samplePeers / 2, random)]
    const said = known.of(topic).filter(({ peerId }) => away(peerId) && !subscribers(topic).has(peerId))
    const peers = [...certain, ...said].slice(0, frameBounds.samplePeers)
    if (seeker !== undefined) {
      components.told(seeker, link.peerId)
      learn(topic, seeker)
    }
    if (peers.length > 0) send(link.peerId, { type: 'found', token, topic, peers })
    // Unverified subscribers may be out of date, so the walk continues.
    if (certain.length > 0) {
      walks.end(token)
      return
    }
    const next = step(link.peerId)
    if (frame.hops > 0 && next !== undefined) passOn(next, { ...frame, hops: Math.min(frame.hops, limits.seekHops) - 1 })
  }

  function receiveFound(link: Link, frame: FrameOf<'found'>): void {
    const back = walks.back(frame.token)
    if (back === undefined) return
    if (back !== 'self') {
      send(back.to, frame)
      return
    }
    forgetSeek(frame.topic)
    for (const peer of frame.peers) {
      components.told(peer, link.peerId)
      learn(frame.topic, peer)
    }
  }

  /** Dials or seeks subscribers of a topic that this node publishes to without being subscribed. */
  function fanOut(topic: string): void {
    const linked = subscribers(topic)
    if (linked.size >= limits.fanOut) return
    const others = known.of(topic).filter((peer) => !linked.has(peer.peerId) && links.canDial(peer))
    const peer = pick(others, random)
    if (peer !== undefined) links.dial(peer)
    else if (linked.size === 0) seek(topic)
  }

  return {
    open,
    close(topic) {
      const view = views.get(topic)
      if (view !== undefined) turns.delete(view)
      views.delete(topic)
      forgetSeek(topic)
    },
    get: (topic) => views.get(topic),
    all: () => views.values(),
    learn,
    receive(link, frame) {
      if (frame.type === 'seek') receiveSeek(link, frame)
      else receiveFound(link, frame)
    },
    tick() {
      turns.take(now(), (view) => view.tick())
      seekDue()
    },
    sweep() {
      const outside = new Set(components.fanOutTopics())
      for (const topic of outside) fanOut(topic)
      const isGone = (topic: string) => !outside.has(topic) && !views.has(topic)
      for (const topic of [...seeks.keys(), ...due.first]) if (isGone(topic)) forgetSeek(topic)
    },
  }
}
