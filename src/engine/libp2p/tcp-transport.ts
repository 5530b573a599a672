import type { Transport } from '@libp2p/interface'
import { type TCPComponents, type TCPOptions, tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { atIp, type DialGate } from '../dial-gate.ts'
import { endpointOf } from '../endpoint.ts'

/** libp2p over TCP, whose dials pass the gate, and which knows nothing of the Unix sockets that libp2p's own would dial. */
export function tcpTransport(init: TCPOptions, { gate }: { gate: DialGate }): (components: TCPComponents) => Transport {
  return (components) => {
    const transport = tcp(init)(components)
    const { dial } = transport
    const ofTcp = (addresses: Multiaddr[]) => addresses.filter((address) => endpointOf(address)?.form === 'tcp')
    transport.dial = (address, options) => gate.dial(address, options.signal, (target) => dial.call(transport, atIp(target), options))
    transport.dialFilter = ofTcp
    transport.listenFilter = ofTcp
    return transport
  }
}
