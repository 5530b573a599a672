import { RPC } from '@libp2p/gossipsub/message'
import { type Stream, StreamBufferError } from '@libp2p/interface'
import type { EngineEvent, Stragglers } from '../../engine.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { streamRoomBytes } from '../transport/bounded-muxer.ts'
import { createEcho } from './echo.ts'
import type { GossipInternals } from './gossip-internals.ts'
import type { GossipTraits } from './gossip-traits.ts'
import type { Lane } from './lane.ts'
import { batches, type OutgoingMessage, toOutgoing } from './outgoing-message.ts'
import { createPacedQueue } from './paced-queue.ts'
import { createWrittenLately } from './written-lately.ts'

/**
 * The way out for messages, our own and forwarded ones: a lane to each neighbour, which keeps their order, loses none that the neighbour has
 * room for, and tells where it had none. Peergates, rust-libp2p and js-libp2p take as many messages in an RPC as there are. Others are sent one at a time,
 * with pauses: go-libp2p-pubsub validates with a queue of 32, whose overflow it drops, and with several workers, so that of two messages
 * that come together the second may be first; Kubo then ignores the other, whose sequence number is lower
 * (https://github.com/libp2p/go-libp2p-pubsub/issues/431, https://github.com/libp2p/go-libp2p-pubsub/issues/621).
 */
export interface GossipLanes {
  /** Hands a subscribed neighbour messages, in order; answers of each whether it was handed. */
  hand(peerId: string, messages: OutgoingMessage[]): boolean[]
  hasRoom: Stragglers['hasRoom']
  /** Whether it is known what the peer is subscribed to. */
  isReady(peerId: string): boolean
  /** Hands messages to a peer that is behind; answers how many, from the first, are dealt with. */
  feed(peerId: string, messages: OutgoingMessage[]): number
  settle: Stragglers['settle']
  unsent: Stragglers['unsent']
  /** The peer has said what it is. */
  identified(peerId: string): void
  /** Messages can be sent to the peer, on a stream that is new. */
  opened(peerId: string): void
  /** The stream to the peer has ended: some of what was written may be lost. */
  broken(peerId: string): void
  /** It was the peer that ended it, and went on: something may have been too large for it. */
  refused(peerId: string): void
  /** The peer has told what it is subscribed to. */
  told(peerId: string): void
  /** The peer has no link any more. */
  gone(peerId: string): void
}

export interface LaneLimits {
  maxPacedMessages: number
  pacedMessageMs: number
  kuboMessageMs: number
  maxPubsubBufferBytes: number
  maxStreamBufferBytes: number
  maxMessageBytes: number
  silentLinkMs: number
}

/** Frames below this size are no reason for a peer to end a stream: no implementation takes less. */
const alwaysTakenBytes = 32_768
/** Milliseconds that what was written may take to be read, on a link that works. */
const inFlightMs = 5_000
const writtenStepMs = 250
/** Bytes in a stream that messages leave to control: gossipsub says once what it has joined, left and grafted, whether or not there is room. */
const controlBytes = 131_072
/** Topics of a lane that are remembered; that of a message that is lost with the link may be beyond it, and then waits for nobody. */
const maxTopics = 1_000

export function createGossipLanes(
  init: { limits: LaneLimits },
  components: {
    internals: Pick<GossipInternals, 'sendRpc' | 'streamsOutbound' | 'peers'>
    traits(peerId: string): GossipTraits
    openPing(peerId: string): Promise<Stream>
    /** gossipsub hears that a link has ended later than it ends, and of some peers never. */
    isLinked(peerId: string): boolean
    emit(event: Extract<EngineEvent, { type: 'peer:behind' | 'peer:left' | 'peer:room' }>): void
    reached: Pick<LimitsReached, 'note'>
  },
): GossipLanes {
  const { limits } = init
  const { internals, traits, openPing, isLinked, emit, reached } = components
  const lanes = new Map<string, Lane>()
  const messageRoom = streamRoomBytes(limits) - controlBytes

  function laneOf(peerId: string): Lane | undefined {
    const known = lanes.get(peerId)
    if (known !== undefined || !isLinked(peerId)) return known
    const lane: Lane = {
      isBehind: false,
      hasMissed: false,
      maxRpcBytes: Number.POSITIVE_INFINITY,
      full: undefined,
      emptyAt: 0,
      isForgotten: false,
      suspectBytes: 0,
      since: undefined,
      topics: new Set(),
      queue: createPacedQueue(
        { maxItems: limits.maxPacedMessages, maxBytes: limits.maxPubsubBufferBytes },
        {
          pauseMs: () => (traits(peerId).writesEach ? Math.max(limits.pacedMessageMs, limits.kuboMessageMs) : limits.pacedMessageMs),
          send: (message) => write(peerId, lane, [message]),
          untilRead: () => lane.echo.ask(),
          onRoom: () => emit({ type: 'peer:room', peerId }),
        },
      ),
      echo: createEcho({ open: () => openPing(peerId) }),
      written: createWrittenLately({ keepMs: limits.silentLinkMs, stepMs: writtenStepMs }),
    }
    lanes.set(peerId, lane)
    return lane
  }

  /** Writes one RPC. False when the peer has no stream, or that has no room. */
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
    return true
  }

  /** Puts messages on a lane, as far as there is room; answers how many, from the first. */
  function put(peerId: string, lane: Lane, messages: OutgoingMessage[]): number {
    if (lane.isForgotten || !internals.streamsOutbound.has(peerId)) return 0
    if (lane.queue.size > 0 || !traits(peerId).takesBatches) {
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

  /** Room is told of when half of what a stream held has left: a peer that reads little by little is fed as seldom as one that reads fast. */
  function awaitRoom(peerId: string, lane: Lane, stream: Stream): void {
    if (lane.full === stream || stream.status !== 'open') return
    lane.full = stream
    const enough = stream.writeBufferLength / 2
    const events = ['drain', 'idle', 'close'] as const
    // The stream goes on to write when it has told everybody of a drain.
    const look = () => queueMicrotask(check)
    function check(): void {
      if (stream.status === 'open' && stream.writeBufferLength > enough) return
      for (const event of events) stream.removeEventListener(event, look)
      if (lane.full !== stream) return
      lane.full = undefined
      tellRoom(peerId, lane)
    }
    for (const event of events) stream.addEventListener(event, look)
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

  /** Those of the messages that the peer takes. */
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

  /** The first message that the stream to a peer holds, or a little before; else the first that waits for it. */
  function firstUnsent(peerId: string, { written, queue, emptyAt }: Lane): string | undefined {
    const stream = internals.streamsOutbound.get(peerId)?.rawStream
    const isHolding = stream !== undefined && stream.writeBufferLength > 0
    return (isHolding ? written.since(performance.now() - emptyAt) : undefined) ?? queue.first?.id()
  }

  const { sendRpc } = internals
  internals.sendRpc = (peerId, { messages, ...rest }) => {
    const wasHanded = messages.length === 0 || hand(peerId, messages.map(toOutgoing)).every(Boolean)
    const isMore = messages.length === 0 || rest.subscriptions.length > 0 || rest.control !== undefined
    return (!isMore || sendRpc.call(internals, peerId, { ...rest, messages: [] })) && wasHanded
  }

  const { delete: forget } = internals.peers
  internals.peers.delete = (peerId) => {
    const lane = lanes.get(peerId)
    if (lane !== undefined) lane.isForgotten = true
    return forget.call(internals.peers, peerId)
  }

  return {
    hand,
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
    unsent: () => [...lanes].flatMap(([peerId, lane]) => (traits(peerId).catchesUp ? [] : (firstUnsent(peerId, lane) ?? []))),
    identified(peerId) {
      if (traits(peerId).takesBatches) lanes.get(peerId)?.queue.hurry()
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
      // A Peergate takes what we do.
      if (lane === undefined || lane.suspectBytes <= alwaysTakenBytes || traits(peerId).catchesUp) return
      lane.maxRpcBytes = Math.min(lane.maxRpcBytes, lane.suspectBytes - 1)
    },
    told(peerId) {
      const lane = lanes.get(peerId)
      if (lane?.isForgotten !== true) return
      lane.isForgotten = false
      tellRoom(peerId, lane)
    },
    gone(peerId) {
      const lane = lanes.get(peerId)
      if (lane === undefined) return
      lanes.delete(peerId)
      lane.echo.close()
      const queued = lane.queue.clear()
      const inFlight = traits(peerId).catchesUp ? undefined : lane.written.since(limits.silentLinkMs)
      // In this order they were sent, or were to be; where the peer was being fed, whoever feeds it knows how far.
      const since = inFlight ?? queued?.id() ?? lane.since
      if (since !== undefined) emit({ type: 'peer:left', peerId, since, topics: [...lane.topics] })
    },
  }
}
