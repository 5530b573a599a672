import type { MessageStream, Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import type { Limits } from '../../../limits.ts'
import { FrameFlood } from '../../frame-flood.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { maxChannelMessageBytes } from '../../webrtc/session-description.ts'
import { createFrameBudget, type FrameRate } from '../transport/frame-budget.ts'
import { type Channel, type HeldRoom, holdMessages } from './held-messages.ts'

/**
 * What a message of a data channel costs: a turn of the event loop, and its bytes. No honest peer sends more. A new
 * channel costs as much work as some messages, whatever becomes of it.
 */
const channelMessages: FrameRate = { perSecond: 20_000, burst: 40_000, bytesPerUnit: maxChannelMessageBytes }
const channelUnits = 20

/** Internals of the WebRTC muxer; each use checks that they exist. */
interface ChannelParts {
  onRemoteStream?(stream: Stream): void
  onData?: unknown
}

interface FactoryParts {
  peerConnection?: unknown
}

/**
 * Bounds the streams of a WebRTC connection, each of which is a data channel. libp2p's own muxer accepts any number of
 * them, and reads each as fast as messages arrive: into memory. Nothing holds the peer back, so messages wait for a
 * reader that does not keep up, a stream is aborted when there is no more room for them, and a connection with too many
 * messages is cut.
 */
export function boundChannels<Factory extends StreamMuxerFactory & FactoryParts>(
  factory: Factory,
  init: { limits: Pick<Limits, 'maxStreamsPerConnection' | 'maxStreamBufferBytes'>; rate?: FrameRate },
  { reached, room }: { reached: Pick<LimitsReached, 'note'>; room: HeldRoom },
): Factory {
  const { maxStreamsPerConnection, maxStreamBufferBytes } = init.limits
  const { createStreamMuxer } = factory
  factory.createStreamMuxer = (connection) => {
    const muxer: StreamMuxer & ChannelParts = createStreamMuxer.call(factory, connection)
    const budget = createFrameBudget(init.rate ?? channelMessages)

    function cut(error: unknown): void {
      if (connection.status !== 'open') return
      reached.note('frame_flood')
      connection.abort(error instanceof Error ? error : new FrameFlood(String(error)))
    }

    function charge(): void {
      try {
        budget.spend(channelUnits, 0)
      } catch (error) {
        cut(error)
      }
    }

    function bound(stream: Stream): void {
      stream.maxReadBufferLength = maxStreamBufferBytes
      const channel = channelOf(stream)
      if (channel === undefined) return
      holdMessages(stream, channel, { room, onFull: () => reached.note('unread_webrtc') })
      watch(channel, connection, budget.spend, cut)
    }

    // Also those of which the muxer makes no stream.
    if (factory.peerConnection instanceof EventTarget) factory.peerConnection.addEventListener('datachannel', charge)
    const { onRemoteStream, createStream } = muxer
    muxer.onRemoteStream = (stream) => {
      if (muxer.streams.length >= maxStreamsPerConnection) {
        stream.abort(new Error('the peer has opened too many streams'))
        return
      }
      bound(stream)
      onRemoteStream?.call(muxer, stream)
    }
    muxer.createStream = async (options) => {
      const stream = await createStream.call(muxer, options)
      bound(stream)
      return stream
    }
    // It gets no data, which the parts that watch muxers would wait for.
    muxer.onData = undefined
    return muxer
  }
  return factory
}

/** Counts the messages of a channel, and follows the lengths that stand before the frames in them. */
function watch(
  channel: Channel,
  connection: MessageStream,
  spend: (units: number, bytes: number) => void,
  cut: (error: unknown) => void,
): void {
  const { onmessage } = channel
  const checkFrames = createFrameLengths(maxChannelMessageBytes)
  channel.onmessage = (event) => {
    if (connection.status !== 'open') return
    try {
      if (!(event.data instanceof ArrayBuffer)) throw new Error('the peer has sent text')
      spend(1, event.data.byteLength)
      checkFrames(new Uint8Array(event.data))
    } catch (error) {
      cut(error)
      return
    }
    onmessage?.call(channel, event)
  }
}

/**
 * Follows frames behind their lengths, in pieces of any size. libp2p keeps a frame of up to 4 MiB in memory until it is
 * complete. @throws Error from the returned function when a frame is longer than `maxBytes`
 */
export function createFrameLengths(maxBytes: number): (bytes: Uint8Array) => void {
  /** Bytes of the frame that are still to come, and what has been read of the next length. */
  let left = 0
  let length = 0
  let factor = 1

  return (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      if (left > 0) {
        const taken = Math.min(left, bytes.length - at)
        left -= taken
        at += taken
        continue
      }
      const byte = bytes[at++] ?? 0
      length += (byte & 127) * factor
      factor *= 128
      if (length > maxBytes || factor > 128 ** 4) throw new Error('a frame is longer than any that libp2p sends')
      if (byte >= 128) continue
      left = length
      length = 0
      factor = 1
    }
  }
}

function channelOf(stream: Stream & { channel?: unknown }): Channel | undefined {
  const { channel } = stream
  return typeof channel === 'object' && channel !== null && 'onmessage' in channel ? (channel as Channel) : undefined
}
