import { createAnnouncements } from './announcements.ts'
import { createAnswers } from './answers.ts'
import { createBeacons } from './beacons.ts'
import type { BroadcastComponents } from './broadcast-components.ts'
import { type BroadcastTopic, createBroadcastTopics } from './broadcast-topics.ts'
import { createFanOut } from './fan-out.ts'
import { type FrameOf, frameBounds } from './frames.ts'
import type { OverlayLimits } from './limits.ts'
import { type CachedMessage, createMessageCache } from './message-cache.ts'
import { createMissing } from './missing.ts'
import type { Envelope, Outcome, OverlaySize } from './overlay.ts'
import type { PendingMessage } from './pending.ts'
import { createSeen } from './seen.ts'
import type { Tree } from './tree.ts'

/**
 * Broadcast among the subscribers of each topic: Plumtree (Leitão, Pereira, Rodrigues 2007, "Epidemic Broadcast
 * Trees"). Messages are pushed on eager links and announced on lazy ones. An announced message that does not arrive is
 * requested, and the link of the request joins the tree. A link that brings duplicates leaves it.
 *
 * Beyond the paper: nothing is forwarded before its verdict; a node that publishes without being subscribed is a leaf
 * of the tree; the tree is renewed from the middle of its traffic (renewal.ts), instead of being mended link by link.
 */
export interface Broadcast {
  /** Subscribes this node. Linked subscribers become neighbours at once. */
  subscribe(topic: string): void
  unsubscribe(topic: string): void
  /** A linked peer has subscribed to these topics. Returns how many messages it was told of. */
  neighborUp(peerId: string, topics: readonly string[]): number
  /** A linked peer has unsubscribed. */
  neighborDown(peerId: string, topic: string): void
  /** The link has closed. */
  forgetPeer(peerId: string): void
  receive(peerId: string, frame: BroadcastFrame): void
  publish(envelope: Envelope): number
  settle(id: string, outcome: Outcome): void
  /** Topics that this node recently published to without being subscribed. */
  fanOutTopics(): Iterable<string>
  /** Requests missing messages, renews trees, and sends announcements. */
  tick(): void
  /** Removes expired entries. */
  sweep(): void
  tree(topic: string): Tree | undefined
  /** Removes the peers that are pushed messages of any topic. */
  spare(peerIds: Set<string>): void
  size(): Pick<OverlaySize, 'seen' | 'cacheBytes' | 'cacheMessages' | 'missing' | 'pending' | 'announcements' | 'answers'>
}

export type BroadcastFrame = FrameOf<'message' | 'ihave' | 'graft' | 'grafts' | 'prune' | 'beacon'>

/** Milliseconds after a prune within which a payload may still have been in transit. */
const pruneGraceMs = 10_000

export function createBroadcast(init: { limits: OverlayLimits }, components: BroadcastComponents): Broadcast {
  const { limits } = init
  const { now, send, isSubscribed, offence } = components
  const seen = createSeen(init, components)
  const cache = createMessageCache(init, components)
  const missing = createMissing(init, components)
  /** Messages that wait for their verdict, by id. The host bounds them. */
  const pending = new Map<string, PendingMessage>()
  const announcements = createAnnouncements(init)
  const answers = createAnswers(init, { ...components, cache })
  const fanOut = createFanOut(init, { now, onExpired: close })
  const topics = createBroadcastTopics(init, { ...components, cache })
  const beacons = createBeacons({ topics, send, isSubscribed, graft: (topic, state, peerId) => graft(topic, state, peerId, []) })

  /** Sends a message to the neighbours that do not have it; returns how many took it. */
  function push(state: BroadcastTopic, message: CachedMessage, has: (peerId: string) => boolean): number {
    const { envelope, hops } = message
    const { id, topic } = envelope
    let handed = 0
    state.isGrown = true
    const isOutside = !isSubscribed(topic)
    for (const peerId of state.tree.eager) {
      if (has(peerId)) continue
      const spare = isOutside && handed > 0
      // Earlier messages go first; of those that were not sent the neighbour is told, if it was lazy until now.
      answers.flushFor(peerId)
      announcements.flushFor(peerId, topic, (frame) => send(peerId, frame))
      const sent = send(peerId, { type: 'message', hops, ...(spare && { spare }), envelope })
      if (sent) {
        handed++
        if (isOutside) components.used(peerId)
      } else announcements.add(peerId, topic, id, hops)
    }
    for (const peerId of state.tree.lazy) if (!has(peerId)) announcements.add(peerId, topic, id, hops)
    return handed
  }

  function prune(topic: string, state: BroadcastTopic | undefined, peerId: string): void {
    // During a renewal the old and the new tree together form cycles, which bring duplicates.
    if (state?.renewal.phase !== undefined) return
    state?.tree.makeLazy(peerId)
    send(peerId, { type: 'prune', topic })
    if (state === undefined) return
    const before = state.prunedAt.get(peerId)
    if (before === undefined) state.prunedAt.set(peerId, now())
    else if (now() - before > pruneGraceMs) offence(peerId, 'waste')
  }

  /** Returns whether the link had room for the request. */
  function graft(topic: string, state: BroadcastTopic | undefined, peerId: string, ids: string[]): boolean {
    state?.tree.makeEager(peerId)
    state?.prunedAt.delete(peerId)
    state?.aside.delete(peerId)
    return send(peerId, { type: 'graft', topic, ids })
  }

  function receiveMessage(from: string, { envelope, hops, spare }: FrameOf<'message'>): void {
    const { id, topic } = envelope
    if (!isSubscribed(topic)) return
    if (seen.has(topic, id)) {
      prune(topic, topics.get(topic), from)
      return
    }
    const waiting = pending.get(id)
    if (waiting !== undefined) {
      waiting.holders.add(from)
      if (waiting.from !== from) waiting.senders.add(from)
      return
    }
    missing.found(id)
    missing.overtaken(id)
    pending.set(id, {
      envelope,
      from,
      hops: Math.min(hops + 1, frameBounds.hops),
      spare: spare === true,
      holders: new Set([from]),
      senders: new Set(),
    })
    if (!components.onMessage(envelope, from)) pending.delete(id)
  }

  function accepted(settled: PendingMessage): void {
    const { envelope, from, hops, spare, holders, senders } = settled
    const { id, topic } = envelope
    seen.add(topic, id)
    missing.found(id)
    components.brought(from)
    const state = topics.get(topic)
    if (state === undefined || !isSubscribed(topic)) return
    const message: CachedMessage = { envelope, hops, from, at: now() }
    cache.put(message)
    state.renewal.heard(from)
    beacons.passed(topic)
    if (spare && state.tree.size > 0) send(from, { type: 'prune', topic })
    else if (!state.aside.has(from)) state.tree.makeEager(from)
    for (const peerId of senders) prune(topic, state, peerId)
    push(state, message, (peerId) => holders.has(peerId))
  }

  function receiveIHave(from: string, { topic, messages }: FrameOf<'ihave'>): void {
    const state = topics.get(topic)
    if (state === undefined || !isSubscribed(topic)) return
    const subscribedMs = now() - state.since
    const announced: string[] = []
    for (const { id, hops, ageMs = 0 } of messages) {
      // Messages from before the subscription are not requested.
      if (seen.has(topic, id) || ageMs > subscribedMs) continue
      const waiting = pending.get(id)
      if (waiting === undefined) {
        if (missing.announce(topic, id, from, hops)) announced.push(id)
      } else if (waiting.holders.size < limits.maxHolders) waiting.holders.add(from)
    }
    if (announced.length > 0) components.onAnnounced(from, announced)
  }

  function receiveGraft(from: string, { topic, ids }: Omit<FrameOf<'graft'>, 'type'>): void {
    const state = topics.get(topic)
    if (state === undefined || !components.subscribers(topic).has(from)) return
    state.tree.makeEager(from)
    state.prunedAt.delete(from)
    state.aside.delete(from)
    answers.ask(from, topic, ids)
  }

  function askForMissing(): void {
    const { asks, missed } = missing.due()
    for (const [peerId, ids] of missed) components.onMissed(peerId, ids)
    for (const { peerId, topic, ids } of asks) {
      topics.get(topic)?.renewal.broken()
      if (!components.isLinked(peerId)) continue
      for (let at = 0; at < ids.length; at += frameBounds.ids) {
        const some = ids.slice(at, at + frameBounds.ids)
        if (graft(topic, topics.get(topic), peerId, some)) missing.asked(peerId, some)
        else missing.notAsked(peerId, some)
      }
    }
  }

  function close(topic: string): void {
    topics.close(topic)
    fanOut.forget(topic)
    missing.forgetTopic(topic)
    cache.forgetTopic(topic)
  }

  return {
    subscribe(topic) {
      // A leaf for publishing starts again as a part of the tree.
      if (topics.get(topic) !== undefined) close(topic)
      topics.open(topic)
    },
    unsubscribe: close,
    neighborUp: topics.neighborUp,
    neighborDown: topics.neighborDown,
    forgetPeer(peerId) {
      missing.forgetPeer(peerId)
      announcements.forgetPeer(peerId)
      answers.forgetPeer(peerId)
      topics.forgetPeer(peerId)
    },
    receive(from, frame) {
      switch (frame.type) {
        case 'message':
          return receiveMessage(from, frame)
        case 'ihave':
          return receiveIHave(from, frame)
        case 'graft':
          return receiveGraft(from, frame)
        case 'grafts':
          for (const topic of frame.topics) receiveGraft(from, { topic, ids: [] })
          return
        case 'prune':
          topics.get(frame.topic)?.tree.makeLazy(from)
          return
        case 'beacon':
          return beacons.receive(from, frame)
        default:
          return frame satisfies never
      }
    },
    publish(envelope) {
      const { id, topic } = envelope
      if (!isSubscribed(topic)) fanOut.note(topic)
      const state = topics.open(topic)
      const { tree } = state
      if (tree.eager.size === 0) {
        const [any] = tree.lazy
        if (any !== undefined) tree.makeEager(any)
      }
      seen.add(topic, id)
      const message: CachedMessage = { envelope, hops: 0, from: undefined, at: now() }
      cache.put(message)
      state.renewal.heard(undefined)
      beacons.passed(topic)
      return push(state, message, (peerId) => id.startsWith(`${peerId}.`))
    },
    settle(id, outcome) {
      const message = pending.get(id)
      if (message === undefined) return
      pending.delete(id)
      switch (outcome) {
        case 'accept':
          return accepted(message)
        case 'ignore':
          return seen.add(message.envelope.topic, id)
        case 'reject':
          seen.add(message.envelope.topic, id)
          return offence(message.from, 'rejectedMessage')
        case 'forged':
          // The id stays unknown: a forgery must not shut out the true message, which others may have sent meanwhile.
          message.holders.delete(message.from)
          missing.askNow(message.envelope.topic, id, message.holders)
          return offence(message.from, 'rejectedMessage')
        default:
          return outcome satisfies never
      }
    },
    fanOutTopics: fanOut.topics,
    tick() {
      if (missing.size > 0) askForMissing()
      for (const peerId of missing.broken()) offence(peerId, 'brokenPromise')
      beacons.tick()
      answers.flush()
      announcements.flush(send)
    },
    sweep() {
      cache.sweep()
      answers.sweep()
      seen.sweep()
      fanOut.sweep()
    },
    tree: (topic) => topics.get(topic)?.tree,
    spare: topics.spare,
    size: () => ({
      seen: seen.size,
      cacheBytes: cache.bytes,
      cacheMessages: cache.size,
      missing: missing.size,
      pending: pending.size,
      announcements: announcements.size,
      answers: answers.size,
    }),
  }
}
