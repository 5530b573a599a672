import type { MultiaddrConnection, Transport, Upgrader, UpgraderOptions } from '@libp2p/interface'
import { type TCPComponents, type TCPDialOptions, type TCPOptions, tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { endpointOf } from '../../dial/endpoint.ts'
import { atIp, type DialGate } from '../../dial/gate.ts'

/** libp2p over TCP, whose dials pass the gate, and which knows nothing of the Unix sockets that libp2p's own would dial. */
export function tcpTransport(init: TCPOptions, { gate }: { gate: DialGate }): (components: TCPComponents) => Transport {
  return (components) => {
    const transport = tcp(init)(components)
    const { dial } = transport
    const ofTcp = (addresses: Multiaddr[]) => addresses.filter((address) => endpointOf(address)?.form === 'tcp')
    transport.dial = (address, options) =>
      gate.dial(address, options.signal, (target) => dial.call(transport, atIp(target), abortingUntilConnected(options)))
    transport.dialFilter = ofTcp
    transport.listenFilter = ofTcp
    return transport
  }
}

/**
 * The options of a dial whose signal no longer has to do with the socket once it is connected. libp2p hands the signal to Node, which would
 * destroy the socket whenever it fires: also when the link is open by then, and whoever waited for it has given the dial up for that.
 */
function abortingUntilConnected(options: TCPDialOptions): TCPDialOptions {
  const { signal, upgrader } = options
  const connecting = new AbortController()
  const abort = () => connecting.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  const upgradeOutbound: Upgrader['upgradeOutbound'] = (connection: MultiaddrConnection, upgrading: UpgraderOptions) => {
    signal.removeEventListener('abort', abort)
    return upgrader.upgradeOutbound(connection, { ...upgrading, signal })
  }
  return { ...options, signal: connecting.signal, upgrader: Object.assign(Object.create(upgrader), { upgradeOutbound }) }
}
