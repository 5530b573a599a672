import type { Connection, MessageStream, StreamMuxer } from '@libp2p/interface'

/** When the other ends of connections last gave a sign of life, by the monotonic clock. */
export interface SignsOfLife {
  /** Listens to a muxer, and to what it writes to. Of one of QUIC nothing is heard: its pings are noted. */
  listen(muxer: StreamMuxer & HearingMuxer, connection: MessageStream): void
  note(connection: Connection): void
  heardAt(connection: Connection): number
}

/** What a muxer of yamux is handed. */
interface HearingMuxer {
  onData?(data: unknown): void
}

export function createSignsOfLife(): SignsOfLife {
  const heard = new WeakMap<object, number>()

  /** A connection is known by its muxer, which is made before it. */
  function keyOf(connection: Connection & { muxer?: StreamMuxer }): object {
    return connection.muxer ?? connection
  }

  return {
    listen(muxer, connection) {
      const hear = () => void heard.set(muxer, performance.now())
      hear()
      // What waited has been taken.
      connection.addEventListener('drain', hear)
      const { onData } = muxer
      if (onData === undefined) return
      muxer.onData = (data) => {
        hear()
        onData.call(muxer, data)
      }
    },
    note: (connection) => void heard.set(keyOf(connection), performance.now()),
    heardAt: (connection) => heard.get(keyOf(connection)) ?? performance.now(),
  }
}
