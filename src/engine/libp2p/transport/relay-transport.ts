import { type CircuitRelayTransportComponents, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import type { Listener, Transport } from '@libp2p/interface'
import { overriding } from '../../../lib/overriding.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { relayOf } from '../../dial/circuit-address.ts'
import type { DialGate } from '../../dial/gate.ts'
import { boundingStops } from './relay-requests.ts'

/**
 * libp2p through relays, with dials charged like those of sockets, since others tell the addresses. Reservations are
 * not its business (`reach/relays.ts`).
 */
export function relayTransport({
  gate,
  listener,
}: {
  gate: DialGate
  listener(): Listener
}): (components: CircuitRelayTransportComponents) => Transport {
  return (components) => {
    const transport = circuitRelayTransport()(overriding(components, { registrar: boundingStops(components.registrar) }))
    const { dial } = transport
    transport.createListener = listener
    transport.dial = (address, options) => {
      const relay = relayOf(address)
      const ends = { relay: (relay === undefined ? undefined : peerIdOf(relay)) ?? '', peerId: peerIdOf(address) ?? '' }
      return gate.dialThrough(address, ends, () => dial.call(transport, address, options))
    }
    return transport
  }
}
