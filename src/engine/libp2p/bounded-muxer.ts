import { type Stream, StreamBufferError, type StreamMuxerFactory } from '@libp2p/interface'

export interface StreamLimits {
  maxStreamBufferBytes: number
  maxMessageBytes: number
}

/** What stands around the data of a message: author, sequence, topic, signature, key, and the frame. */
export const messageOverheadBytes = 65_536

/**
 * Has a muxer's streams refuse a write that their buffer has no room for. libp2p's own take it, find the buffer too full, and abort the
 * stream with everything in it: one burst would end the gossip with a slow peer for good. The largest message always has room in an empty buffer.
 */
export function boundMuxer<Factory extends StreamMuxerFactory>(factory: Factory, limits: StreamLimits): Factory {
  const room = Math.max(limits.maxStreamBufferBytes, limits.maxMessageBytes + messageOverheadBytes)
  const { createStreamMuxer } = factory
  factory.createStreamMuxer = (connection) => {
    const muxer = createStreamMuxer.call(factory, connection)
    const { createStream } = muxer
    muxer.createStream = async (options) => refuseOverflow(await createStream.call(muxer, options), room)
    return muxer
  }
  return factory
}

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
