import { type MessageStream, type Stream, StreamBufferError, type StreamMuxer, type StreamMuxerFactory } from '@libp2p/interface'
import type { LimitsReached } from '../../limits-reached.ts'
import type { SignsOfLife } from '../signs-of-life.ts'
import { boundFrames } from './muxer-frames.ts'
import { pauseReading } from './pause-reading.ts'
import { createWaitingFrames } from './waiting-frames.ts'

export interface StreamLimits {
  maxStreamBufferBytes: number
  maxMessageBytes: number
  maxPubsubBufferBytes: number
}

export interface MuxerComponents {
  reached: Pick<LimitsReached, 'note'>
  signsOfLife: Pick<SignsOfLife, 'listen' | 'listenTo'>
}

/** What stands around the data of a message: author, sequence, topic, signature, key, and the frame. */
export const messageOverheadBytes = 65_536

/** Bytes that may wait in a stream that this node has opened. */
export function streamRoomBytes({
  maxStreamBufferBytes,
  maxMessageBytes,
}: Pick<StreamLimits, 'maxStreamBufferBytes' | 'maxMessageBytes'>): number {
  return Math.max(maxStreamBufferBytes, maxMessageBytes + messageOverheadBytes)
}

/**
 * Bounds what is written to a peer that does not read. The connection is cut when too much waits for it that no stream holds back: answers
 * to the muxer's pings, resets, windows. Has a muxer's streams refuse a write that their buffer has no room for. libp2p's own take it, find the buffer too full, and abort the
 * stream with everything in it: one burst would end the gossip with a slow peer for good. The largest message always has room in an empty buffer.
 * Cuts a connection whose peer sends more frames that ask for nothing than any honest one.
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
    const muxer = createStreamMuxer.call(factory, connection)
    pauseReading(muxer)
    signsOfLife.listen(muxer, connection)
    const frames = boundFrames(muxer, connection, {
      maxFrameBytes: limits.maxStreamBufferBytes,
      onFlood: () => reached.note('frame_flood'),
    })
    onFirstListener(muxer, ({ detail: stream }) => {
      frames.opened()
      signsOfLife.listenTo(stream, muxer)
      waitForRoom(stream, connection)
      // What others open is answered as it is read; a protocol that does not wait loses its stream.
      stream.maxWriteBufferLength = room
    })
    const { createStream } = muxer
    muxer.createStream = async (options) => {
      const stream = await createStream.call(muxer, options)
      signsOfLife.listenTo(stream, muxer)
      waitForRoom(stream, connection)
      return refuseOverflow(stream, room)
    }
    return muxer
  }
  return factory
}

/**
 * Listens before the connection does, and no sooner: a muxer keeps the streams that come before anybody listens, and would take us for
 * the connection. Over a relay they come so early.
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

/** A stream whose window has become larger would write into a connection that is full, and have it taken for one that nobody reads. */
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
  // What was written before is gone, but for what the connection has kept back.
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
