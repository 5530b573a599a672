import { type Stream, StreamBufferError, type StreamMuxerFactory } from '@libp2p/interface'

/**
 * A stream muxer whose streams refuse a write that their buffer has no room for. libp2p's own take it, find the buffer too full, and
 * abort the stream with everything in it: one burst would end the gossip with a slow peer for good.
 */
export function boundedMuxer<Components>(
  create: (components: Components) => StreamMuxerFactory,
): (components: Components) => StreamMuxerFactory {
  return (components) => {
    const factory = create(components)
    const { createStreamMuxer } = factory
    factory.createStreamMuxer = (connection) => {
      const muxer = createStreamMuxer.call(factory, connection)
      const { createStream } = muxer
      muxer.createStream = async (options) => refuseOverflow(await createStream.call(muxer, options))
      return muxer
    }
    return factory
  }
}

function refuseOverflow(stream: Stream): Stream {
  const { send } = stream
  stream.send = (data) => {
    const wanted = stream.writeBufferLength + data.byteLength
    const room = stream.maxWriteBufferLength ?? Number.POSITIVE_INFINITY
    if (wanted > room) throw new StreamBufferError(`The write buffer has no room for ${data.byteLength} bytes`)
    return send.call(stream, data)
  }
  return stream
}
