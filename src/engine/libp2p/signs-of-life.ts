import type { Connection, MessageStream, StreamMuxer } from '@libp2p/interface'

/** When the other ends of connections last gave a sign of life, by the monotonic clock. */
export interface SignsOfLife {
  /** Listens to a muxer of yamux, and to what it writes to. */
  listen(muxer: StreamMuxer & HearingMuxer, connection: MessageStream): void
  /** Of a connection over QUIC, of which nothing is heard here and which finds out by itself, that is now. */
  heardAt(connection: Connection): number
}

/** What a muxer of yamux is handed. */
interface HearingMuxer {
  onData?(data: unknown): void
}

export function createSignsOfLife(): SignsOfLife {
  const heard = new WeakMap<object, number>()

  return {
    listen(muxer, connection) {
      const { onData } = muxer
      if (onData === undefined) return
      const hear = () => void heard.set(muxer, performance.now())
      hear()
      // What waited has been taken.
      connection.addEventListener('drain', hear)
      muxer.onData = (data) => {
        hear()
        onData.call(muxer, data)
      }
    },
    // A connection is known by its muxer, which is made before it.
    heardAt: (connection: Connection & { muxer?: StreamMuxer }) => heard.get(connection.muxer ?? connection) ?? performance.now(),
  }
}
