import { type CircuitRelayTransportComponents, RELAY_V2_STOP_CODEC } from '@libp2p/circuit-relay-v2'
import type { Stream } from '@libp2p/interface'
import { overriding } from '../../../lib/overriding.ts'
import { numberIn, readFields } from '../protobuf.ts'

type Registrar = CircuitRelayTransportComponents['registrar']

/** Maximum bytes of a request to a relay, or of one by a relay; as in go-libp2p. */
const maxRequestBytes = 4_096
/** https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md#protobuf */
const stopStatus = { field: 4, ok: 100n }

/**
 * Bounds what comes on a stream until it carries a circuit: libp2p keeps up to 4 MiB of it, of a request that never ends as
 * well as behind one that was refused, and a peer can have a hundred such streams. Must be called before the stream has a
 * reader.
 */
export function boundRequest(
  stream: Stream & { onData?: (data: { byteLength: number }) => void },
  { isCarried }: { isCarried(): boolean },
): void {
  const { onData } = stream
  if (onData === undefined) throw new Error('a stream of libp2p takes data in an unknown way')
  let bytes = 0
  function arrived(more: number): boolean {
    bytes += more
    if (bytes <= maxRequestBytes || isCarried()) return true
    stream.abort(new Error(`a request for a circuit has more than ${maxRequestBytes} bytes`))
    return false
  }
  stream.onData = (data) => void (arrived(data.byteLength) && onData.call(stream, data))
  arrived(stream.readBufferLength)
}

/** Bounds the requests of relays to carry a circuit to this node. */
export function boundingStops(registrar: Registrar): Registrar {
  return overriding(registrar, {
    handle: (protocol, handler, options) =>
      registrar.handle(
        protocol,
        (stream, connection) => {
          if (protocol === RELAY_V2_STOP_CODEC) boundStop(stream)
          return handler(stream, connection)
        },
        options,
      ),
  })
}

function boundStop(stream: Stream): void {
  const { send } = stream
  let isCarried = false
  stream.send = (data) => {
    stream.send = send
    // The first message is the answer, behind a length of one byte.
    isCarried = numberIn(readFields(data.subarray(1)), stopStatus.field) === stopStatus.ok
    return send.call(stream, data)
  }
  boundRequest(stream, { isCarried: () => isCarried })
}
