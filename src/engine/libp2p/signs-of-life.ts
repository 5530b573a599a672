import type { Connection, MessageStream, Stream, StreamMuxer } from '@libp2p/interface'

/** Records when the other end of each connection last gave a sign of life, by the monotonic clock, and what it has sent. */
export interface SignsOfLife {
  /** Observes a muxer and its connection. The QUIC muxer receives no data itself; its streams do. */
  listen(muxer: StreamMuxer & Hearing, connection: MessageStream): void
  /** Observes a stream of a muxer that receives no data itself. */
  listenTo(stream: Stream & Hearing, muxer: StreamMuxer & Hearing): void
  heardAt(connection: Connection): number
  /** The bytes that the peer has sent on the connection of a muxer. */
  receivedBytes(muxer: object): number
}

/** What stands for a connection: it exists before the connection, which libp2p wraps. */
export function muxerOf(connection: Connection & { muxer?: StreamMuxer }): object {
  return connection.muxer ?? connection
}

/** An object whose `onData` receives the incoming bytes. */
interface Hearing {
  onData?(data: unknown): void
}

export function createSignsOfLife(): SignsOfLife {
  const heard = new WeakMap<object, number>()
  const received = new WeakMap<object, number>()

  function hear(muxer: StreamMuxer): void {
    heard.set(muxer, performance.now())
  }

  /** Wraps `onData`. An event listener would make the stream emit data before its reader is ready. */
  function listenAt(hearing: Hearing, muxer: StreamMuxer): void {
    const { onData } = hearing
    if (onData === undefined) return
    hearing.onData = (data) => {
      hear(muxer)
      received.set(muxer, (received.get(muxer) ?? 0) + lengthOf(data))
      onData.call(hearing, data)
    }
  }

  return {
    listen(muxer, connection) {
      hear(muxer)
      listenAt(muxer, muxer)
      // The other end has taken the queued data.
      connection.addEventListener('drain', () => hear(muxer))
    },
    listenTo(stream, muxer) {
      if (muxer.onData !== undefined) return
      if (stream.direction === 'inbound') hear(muxer)
      listenAt(stream, muxer)
    },
    heardAt: (connection) => heard.get(muxerOf(connection)) ?? performance.now(),
    receivedBytes: (muxer) => received.get(muxer) ?? 0,
  }
}

/** Of a list of arrays or an array. */
function lengthOf(data: unknown): number {
  return typeof data === 'object' && data !== null && 'byteLength' in data ? Number(data.byteLength) : 0
}
