import { type MessageStream, type Stream, StreamBufferError, type StreamMuxer, type StreamMuxerFactory } from '@libp2p/interface'
import type { Limits } from '../../../limits.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { SignsOfLife } from '../signs-of-life.ts'
import { muxerInTurns } from './frames-in-turns.ts'
import { holdUnread } from './hold-unread.ts'
import { dropLateWindows } from './late-windows.ts'
import { boundFrames } from './muxer-frames.ts'
import { boundNegotiation } from './negotiations.ts'
import { pauseReading } from './pause-reading.ts'
import { createWaitingFrames } from './waiting-frames.ts'

export type StreamLimits = Pick<Limits, 'maxStreamBufferBytes' | 'maxMessageBytes' | 'maxPubsubBufferBytes'>

export interface MuxerComponents {
  reached: Pick<LimitsReached, 'note'>
  signsOfLife: Pick<SignsOfLife, 'listen' | 'listenTo'>
}

/** Overhead around the data of a message, in bytes: author, sequence, topic, signature, key, and frame. */
export const messageOverheadBytes = 65_536

/** Maximum queued bytes of a stream that this node has opened. */
export function streamRoomBytes({
  maxStreamBufferBytes,
  maxMessageBytes,
}: Pick<StreamLimits, 'maxStreamBufferBytes' | 'maxMessageBytes'>): number {
  return Math.max(maxStreamBufferBytes, maxMessageBytes + messageOverheadBytes)
}

/**
 * Bounds what is queued for a peer that does not read, and what a peer may send.
 *
 * - A stream refuses a write that does not fit into its buffer. libp2p's own streams accept it, find the buffer too
 *   full, and abort with everything in it: one burst would end the gossip with a slow peer for good. The largest
 *   message always fits into an empty buffer.
 * - The connection is cut when too many bytes are queued that no stream holds back: answers to the muxer's pings,
 *   resets, windows.
 * - The connection is cut when the peer sends more unproductive frames than any honest peer does.
 * - Frames of all connections are handled in turns with other work.
 */
export function boundMuxer<Factory extends StreamMuxerFactory>(
  factory: Factory,
  limits: StreamLimits,
  { reached, signsOfLife }: MuxerComponents,
): Factory {
  const room = streamRoomBytes(limits)
  const { createStreamMuxer } = factory
  factory.createStreamMuxer = (connection) => {
    cutOverflow(connection, limits.maxPubsubBufferBytes + room, () => reached.note('unread_link'))
    const muxer = muxerInTurns(connection, () => createStreamMuxer.call(factory, connection))
    pauseReading(muxer)
    dropLateWindows(muxer)
    signsOfLife.listen(muxer, connection)
    const frames = boundFrames(muxer, connection, {
      maxFrameBytes: limits.maxStreamBufferBytes,
      onFlood: () => reached.note('frame_flood'),
    })
    onFirstListener(muxer, ({ detail: stream }) => {
      frames.opened()
      boundNegotiation(stream, {
        isOver: () => stream.protocol !== '',
        onAnswer: frames.answered,
        onFlood: () => reached.note('frame_flood'),
      })
      signsOfLife.listenTo(stream, muxer)
      holdUnread(stream)
      waitForRoom(stream, connection)
      // Peers' streams are answered as they are read; a protocol that does not wait for room loses its stream.
      stream.maxWriteBufferLength = room
    })
    const { createStream } = muxer
    muxer.createStream = async (options) => {
      const stream = await createStream.call(muxer, options)
      signsOfLife.listenTo(stream, muxer)
      holdUnread(stream)
      waitForRoom(stream, connection)
      return refuseOverflow(stream, room)
    }
    return muxer
  }
  return factory
}

/**
 * Registers a listener just before the connection's first one. Registered earlier, it would receive the streams that
 * the muxer holds until the connection listens. Over a relay streams arrive that early.
 */
function onFirstListener(muxer: StreamMuxer, listener: (event: CustomEvent<Stream>) => void): void {
  const { addEventListener } = muxer
  muxer.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    if (args[0] === 'stream') {
      muxer.addEventListener = addEventListener
      addEventListener.call(muxer, 'stream', listener)
    }
    addEventListener.apply(muxer, args)
  }
}

/**
 * Makes a stream wait while its connection is full: with a larger window it would write on, and the peer would seem not
 * to read.
 */
function waitForRoom(stream: Stream & { sendData?: SendData }, connection: MessageStream): void {
  const { sendData } = stream
  if (sendData === undefined) return
  stream.sendData = (data) => (connection.writableNeedsDrain ? { sentBytes: 0, canSendMore: false } : sendData.call(stream, data))
}

type SendData = (data: unknown) => { sentBytes: number; canSendMore: boolean }

function refuseOverflow(stream: Stream, room: number): Stream {
  const { send } = stream
  stream.send = (data) => {
    if (stream.writeBufferLength + data.byteLength > room) {
      throw new StreamBufferError(`The write buffer has no room for ${data.byteLength} bytes`)
    }
    return send.call(stream, data)
  }
  return stream
}

function cutOverflow(connection: MessageStream, room: number, onUnread: () => void): void {
  const { send } = connection
  const frames = createWaitingFrames()
  // Everything written before has left, except what the connection still holds.
  connection.addEventListener('drain', () => frames.keepLast(connection.writeBufferLength))
  connection.send = (data) => {
    const bytes = data.byteLength
    const takesMore = send.call(connection, data)
    if (takesMore) frames.keepLast(0)
    else frames.add(bytes)
    if (frames.cost > room && connection.status === 'open') {
      onUnread()
      connection.abort(new StreamBufferError(`${frames.cost} bytes are queued for a peer that does not read`))
    }
    return takesMore
  }
}
