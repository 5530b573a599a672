import { RPC } from '@libp2p/gossipsub/message'
import { type Stream, StreamBufferError } from '@libp2p/interface'
import type { EngineEvent } from '../../engine.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { TrafficCounter } from '../../peer-traffic.ts'
import type { Stragglers } from '../../stragglers.ts'
import { streamRoomBytes } from '../transport/bounded-muxer.ts'
import { createDeparted } from './departed.ts'
import type { GossipInternals } from './gossip-internals.ts'
import type { GossipTraits } from './gossip-traits.ts'
import { onceHalfDrained } from './half-drained.ts'
import { begin, createLane, hurry, isQueued, type Lane, type LaneLimits, sendControl } from './lane.ts'
import { batches, type OutgoingMessage, toOutgoing } from './outgoing-message.ts'

/**
 * The way out for own and forwarded messages: one lane per neighbour. A lane keeps the order, loses no message that the
 * neighbour has room for, and reports when it had none. Peergates, rust-libp2p and js-libp2p are sent many messages in
 * one RPC. Other implementations are sent one message at a time, with pauses: go-libp2p-pubsub validates with a queue
 * of 32, whose overflow it drops, and with several workers, so that the second of two concurrent messages may be first;
 * Kubo then ignores the other, whose sequence number is lower (https://github.com/libp2p/go-libp2p-pubsub/issues/431,
 * https://github.com/libp2p/go-libp2p-pubsub/issues/621).
 */
export interface GossipLanes {
  /** Hands messages to a subscribed neighbour, in order. Returns for each whether it was handed over. */
  hand(peerId: string, messages: OutgoingMessage[]): boolean[]
  hold: Stragglers['hold']
  hasRoom: Stragglers['hasRoom']
  /** Whether the peer's subscriptions are known. */
  isReady(peerId: string): boolean
  /** Hands messages to a peer that is behind. Returns the number, from the first, that were handed or skipped. */
  feed(peerId: string, messages: OutgoingMessage[]): number
  settle: Stragglers['settle']
  /** Whether the peer takes only smaller messages. */
  isTooLarge(peerId: string, message: OutgoingMessage): boolean
  unsent: Stragglers['unsent']
  /** The peer has told its agent. */
  identified(peerId: string): void
  /** A new stream to the peer is open. */
  opened(peerId: string): void
  /** The stream to the peer has ended: written messages may be lost. */
  broken(peerId: string): void
  /** The peer ended the stream but kept the link: a message may have been too large for it. */
  refused(peerId: string): void
  /** The peer has told its subscriptions. */
  told(peerId: string): void
  /** The last link to the peer has ended. */
  gone(peerId: string): void
}

/** Frames up to this size are no reason for a peer to end a stream: every implementation takes them. */
const alwaysTakenBytes = 32_768
/** Maximum time from write to read on a working link, in milliseconds. */
const inFlightMs = 5_000
/**
 * Bytes of a stream that are reserved for control: gossipsub sends joins, leaves and grafts only once, whether or not
 * there is room.
 */
const controlBytes = 131_072
/**
 * Maximum remembered topics of a lane. A message of another topic that is lost with the link is not kept for the next
 * subscriber.
 */
const maxTopics = 1_000

export function createGossipLanes(
  init: { limits: LaneLimits },
  components: {
    internals: Pick<GossipInternals, 'sendRpc' | 'streamsOutbound' | 'peers' | 'mcache'>
    traits(peerId: string): GossipTraits
    openPing(peerId: string): Promise<Stream>
    /** Whether the peer has a link. gossipsub learns of the end of a link late, and for some peers never. */
    isLinked(peerId: string): boolean
    emit(event: Extract<EngineEvent, { type: 'peer:behind' | 'peer:begins' | 'peer:left' | 'peer:room' }>): void
    traffic: Pick<TrafficCounter, 'sent'>
    reached: Pick<LimitsReached, 'note'>
  },
): GossipLanes {
  const { limits } = init
  const { internals, traits, openPing, isLinked, emit, traffic, reached } = components
  const lanes = new Map<string, Lane>()
  const departed = createDeparted({ keepMs: limits.returnMs })
  const messageRoom = streamRoomBytes(limits) - controlBytes

  function laneOf(peerId: string): Lane | undefined {
    const known = lanes.get(peerId)
    if (known !== undefined || !isLinked(peerId)) return known
    const since = departed.returned(peerId)
    const lane = createLane(
      { limits, since },
      {
        traits: () => traits(peerId),
        send: (own, message) => write(peerId, own, [message]),
        openPing: () => openPing(peerId),
        onRoom: () => emit({ type: 'peer:room', peerId }),
      },
    )
    lanes.set(peerId, lane)
    if (since !== undefined) emit({ type: 'peer:behind', peerId, since })
    tellBegin(peerId, lane)
    return lane
  }

  function tellBegin(peerId: string, lane: Lane): void {
    const pauseMs = begin(lane, traits(peerId), limits)
    if (pauseMs !== undefined) emit({ type: 'peer:begins', peerId, pauseMs })
  }

  /** Writes one RPC. Returns false when the peer has no stream, or the stream has no room. */
  function write(peerId: string, lane: Lane, messages: OutgoingMessage[]): boolean {
    const [first] = messages
    const stream = internals.streamsOutbound.get(peerId)
    if (first === undefined || stream === undefined) return false
    const rpc = RPC.encode({ subscriptions: [], messages: messages.map(({ raw }) => raw) })
    const held = stream.rawStream.writeBufferLength
    if (held === 0) lane.emptyAt = performance.now()
    try {
      if (held > 0 && held + rpc.length > messageRoom) throw new StreamBufferError('the rest of the buffer is reserved for control')
      stream.push(rpc)
    } catch {
      awaitRoom(peerId, lane, stream.rawStream)
      return false
    }
    lane.written.note(first.id, rpc.length)
    traffic.sent(peerId, messages.length, rpc.length)
    return true
  }

  /** Puts messages on a lane while there is room. Returns the number that were taken, from the first. */
  function put(peerId: string, lane: Lane, messages: OutgoingMessage[]): number {
    if (lane.isForgotten || !internals.streamsOutbound.has(peerId)) return 0
    if (isQueued(lane, messages, traits(peerId))) {
      const refused = messages.findIndex((message) => !lane.queue.add(message, message.rpcBytes))
      return refused === -1 ? messages.length : refused
    }
    let written = 0
    for (const batch of batches(messages)) {
      if (!write(peerId, lane, batch)) break
      written += batch.length
    }
    return written
  }

  /**
   * Reports room once half of the stream's buffer has drained, so that a slow reader is fed as rarely as a fast one.
   */
  function awaitRoom(peerId: string, lane: Lane, stream: Stream): void {
    if (lane.full === stream || stream.status !== 'open') return
    lane.full = stream
    onceHalfDrained(stream, () => {
      if (lane.full !== stream) return
      lane.full = undefined
      tellRoom(peerId, lane)
    })
  }

  function tellRoom(peerId: string, lane: Lane): void {
    lane.queue.resume()
    if (lane.isBehind) emit({ type: 'peer:room', peerId })
  }

  function fallBehind(peerId: string, lane: Lane, since: string): void {
    lane.isBehind = true
    lane.hasMissed = true
    lane.since ??= since
    emit({ type: 'peer:behind', peerId, since })
  }

  function isTooLarge(lane: Lane, { rpcBytes }: OutgoingMessage): boolean {
    if (rpcBytes <= lane.maxRpcBytes) return false
    reached.note('peer_message_size')
    return true
  }

  /** The messages that are small enough for the peer. */
  function fittingOf(lane: Lane, messages: OutgoingMessage[]): OutgoingMessage[] {
    const fitting = messages.filter((message) => !isTooLarge(lane, message))
    for (const { raw } of fitting) if (lane.topics.size < maxTopics) lane.topics.add(raw.topic)
    return fitting
  }

  function hand(peerId: string, messages: OutgoingMessage[]): boolean[] {
    const lane = laneOf(peerId)
    if (lane === undefined) return messages.map(() => false)
    const fitting = fittingOf(lane, messages)
    if (lane.isBehind) {
      lane.hasMissed ||= fitting.length > 0
      return messages.map(() => false)
    }
    const handed = new Set(fitting.slice(0, put(peerId, lane, fitting)))
    const [first] = fitting.slice(handed.size)
    if (first !== undefined) fallBehind(peerId, lane, first.id())
    return messages.map((message) => handed.has(message))
  }

  /**
   * The id of the first message in the peer's stream buffer, or of a slightly earlier one; otherwise of the first in
   * its queue.
   */
  function firstUnsent(peerId: string, { written, queue, emptyAt }: Lane): string | undefined {
    const stream = internals.streamsOutbound.get(peerId)?.rawStream
    const isHolding = stream !== undefined && stream.writeBufferLength > 0
    return (isHolding ? written.since(performance.now() - emptyAt) : undefined) ?? queue.first?.id()
  }

  const { sendRpc } = internals
  internals.sendRpc = (peerId, { messages, ...rest }) => {
    const wasHanded = messages.length === 0 || hand(peerId, messages.map(toOutgoing)).every(Boolean)
    const isMore = messages.length === 0 || rest.subscriptions.length > 0 || rest.control !== undefined
    return (!isMore || sendControl(lanes.get(peerId), () => sendRpc.call(internals, peerId, { ...rest, messages: [] }))) && wasHanded
  }

  const { put: remember } = internals.mcache
  internals.mcache.put = (id, message, validated) => {
    departed.passes(toOutgoing(message).id)
    return remember.call(internals.mcache, id, message, validated)
  }

  const { delete: forget } = internals.peers
  internals.peers.delete = (peerId) => {
    const lane = lanes.get(peerId)
    if (lane !== undefined) lane.isForgotten = true
    return forget.call(internals.peers, peerId)
  }

  return {
    hand,
    hold(peerId) {
      const lane = lanes.get(peerId)
      if (lane !== undefined) lane.isBehind = true
    },
    hasRoom(peerId) {
      const lane = lanes.get(peerId)
      if (lane === undefined || lane.isForgotten) return false
      const stream = internals.streamsOutbound.get(peerId)?.rawStream
      return stream !== undefined && lane.full !== stream && lane.queue.hasRoom
    },
    isReady: (peerId) => lanes.get(peerId)?.isForgotten === false,
    feed(peerId, messages) {
      const lane = lanes.get(peerId)
      if (lane === undefined) return 0
      const fitting = fittingOf(lane, messages)
      const [refused] = fitting.slice(put(peerId, lane, fitting))
      return refused === undefined ? messages.length : messages.indexOf(refused)
    },
    settle(peerId) {
      const lane = lanes.get(peerId)
      if (lane === undefined) return true
      lane.isBehind = lane.hasMissed
      lane.hasMissed = false
      if (!lane.isBehind) lane.since = undefined
      return !lane.isBehind
    },
    isTooLarge: (peerId, { rpcBytes }) => rpcBytes > (lanes.get(peerId)?.maxRpcBytes ?? Number.POSITIVE_INFINITY),
    unsent: () => [...lanes].flatMap(([peerId, lane]) => (traits(peerId).catchesUp ? [] : (firstUnsent(peerId, lane) ?? []))),
    identified(peerId) {
      const lane = lanes.get(peerId)
      if (lane !== undefined) hurry(lane, traits(peerId))
      if (lane !== undefined) tellBegin(peerId, lane)
    },
    opened(peerId) {
      const lane = lanes.get(peerId)
      if (lane !== undefined) tellRoom(peerId, lane)
    },
    broken(peerId) {
      const lane = lanes.get(peerId)
      if (lane === undefined) return
      const unreadMs = Math.max(inFlightMs, performance.now() - lane.emptyAt)
      lane.suspectBytes = lane.written.largest(unreadMs)
      const queued = lane.queue.clear()
      const since = lane.written.since(unreadMs) ?? queued?.id()
      if (since !== undefined) fallBehind(peerId, lane, since)
    },
    refused(peerId) {
      const lane = lanes.get(peerId)
      // A Peergate takes everything that this node does.
      if (lane === undefined || lane.suspectBytes <= alwaysTakenBytes || traits(peerId).catchesUp) return
      lane.maxRpcBytes = Math.min(lane.maxRpcBytes, lane.suspectBytes - 1)
    },
    told(peerId) {
      const isNew = !lanes.has(peerId)
      const lane = laneOf(peerId)
      if (lane === undefined || !(isNew || lane.isForgotten)) return
      lane.isForgotten = false
      tellRoom(peerId, lane)
    },
    gone(peerId) {
      const lane = lanes.get(peerId)
      if (lane === undefined) return
      lanes.delete(peerId)
      lane.echo.close()
      const queued = lane.queue.clear()
      const { catchesUp } = traits(peerId)
      const inFlight = catchesUp ? undefined : lane.written.since(limits.silentLinkMs)
      // In the order of sending. While a peer is being fed, the feeder knows how far it has come.
      const since = inFlight ?? queued?.id() ?? lane.since
      if (!catchesUp) departed.left(peerId, since)
      if (since !== undefined) emit({ type: 'peer:left', peerId, since, topics: [...lane.topics] })
    },
  }
}
