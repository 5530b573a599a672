import type { MultiaddrConnection, Transport, Upgrader, UpgraderOptions } from '@libp2p/interface'
import { type TCPComponents, type TCPDialOptions, type TCPOptions, tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { endpointOf } from '../../dial/endpoint.ts'
import { atIp, type DialGate } from '../../dial/gate.ts'

/** libp2p over TCP, with dials through the gate, and without the Unix sockets that libp2p's own would dial. */
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
 * Dial options whose signal no longer affects the socket once it is connected. libp2p passes the signal to Node, which
 * destroys the socket whenever it fires: even when the link is open by then and only the caller has given up.
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
