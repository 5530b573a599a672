import type { Connection, MessageStream, Stream, StreamMuxer } from '@libp2p/interface'

/** When the other ends of connections last gave a sign of life, by the monotonic clock. */
export interface SignsOfLife {
  /** Listens to a muxer, and to what it writes to. That of QUIC is handed nothing: its streams are. */
  listen(muxer: StreamMuxer & Hearing, connection: MessageStream): void
  /** Listens to a stream of a muxer that is handed nothing itself. */
  listenTo(stream: Stream & Hearing, muxer: StreamMuxer & Hearing): void
  heardAt(connection: Connection): number
}

/** What is handed the bytes that arrive. */
interface Hearing {
  onData?(data: unknown): void
}

export function createSignsOfLife(): SignsOfLife {
  const heard = new WeakMap<object, number>()

  function hear(muxer: StreamMuxer): void {
    heard.set(muxer, performance.now())
  }

  /** Listening to events would have a stream give away what nobody takes yet. */
  function listenAt(hearing: Hearing, muxer: StreamMuxer): void {
    const { onData } = hearing
    if (onData === undefined) return
    hearing.onData = (data) => {
      hear(muxer)
      onData.call(hearing, data)
    }
  }

  return {
    listen(muxer, connection) {
      hear(muxer)
      listenAt(muxer, muxer)
      // What waited has been taken.
      connection.addEventListener('drain', () => hear(muxer))
    },
    listenTo(stream, muxer) {
      if (muxer.onData !== undefined) return
      if (stream.direction === 'inbound') hear(muxer)
      listenAt(stream, muxer)
    },
    // A connection is known by its muxer, which is made before it.
    heardAt: (connection: Connection & { muxer?: StreamMuxer }) => heard.get(connection.muxer ?? connection) ?? performance.now(),
  }
}
