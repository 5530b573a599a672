import type { Stream } from '@libp2p/interface'
import { type Ping, type PingComponents, type PingInit, ping } from '@libp2p/ping'
import { overriding } from '../../lib/overriding.ts'

/** Maximum bytes of a stream that have not been sent back. An honest peer sends the next 32 once it has the last. */
const maxUnansweredBytes = 4_096

/** libp2p's ping, which by itself reads on in memory while the peer does not read the answers. */
export function pingService(init: PingInit): (libp2p: PingComponents) => Ping {
  return (libp2p) => {
    const { registrar } = libp2p
    const bounding = overriding(registrar, {
      handle: (protocol, handler, options) =>
        registrar.handle(
          protocol,
          (stream, connection) => {
            boundEcho(stream)
            return handler(stream, connection)
          },
          options,
        ),
    })
    return ping(init)(overriding(libp2p, { registrar: bounding }))
  }
}

function boundEcho(stream: Stream & { onData?: (data: { byteLength: number }) => void }): void {
  const { onData, send } = stream
  if (onData === undefined) throw new Error('a stream of libp2p takes data in an unknown way')
  let unsent = 0
  function arrived(bytes: number): boolean {
    unsent += bytes
    if (unsent + stream.writeBufferLength <= maxUnansweredBytes) return true
    stream.abort(new Error('the peer does not wait for the answers to its pings'))
    return false
  }
  stream.onData = (data) => void (arrived(data.byteLength) && onData.call(stream, data))
  stream.send = (data) => {
    unsent -= data.byteLength
    return send.call(stream, data)
  }
  arrived(stream.readBufferLength)
}
