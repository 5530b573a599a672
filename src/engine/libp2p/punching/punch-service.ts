import { AsyncLocalStorage } from 'node:async_hooks'
import type { CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2'
import { type DCUtRServiceComponents, dcutr } from '@libp2p/dcutr'
import type { Connection, ConnectionGater, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { PunchOutcome, PunchTransport } from '../../../telemetry/network-metrics.ts'
import type { DialPolicy } from '../../dial/policy.ts'
import type { Allowance } from '../../reach/allowance.ts'
import { createAttempts } from './attempts.ts'
import { createFirstDial, type FirstDialOptions } from './first-dial.ts'
import { type ObservedAddresses, punchTransportOf } from './observed-addresses.ts'
import { createOwnUpgrades } from './own-upgrades.ts'
import { createPunch, type PunchDialOptions } from './punch.ts'

export const punchProtocol = '/libp2p/dcutr'

/**
 * Direct connection upgrade through relay (https://github.com/libp2p/specs/blob/master/relay/DCUtR.md): two peers that
 * have a connection through a relay open a direct one through their routers. The protocol is libp2p's own. By itself it
 * never succeeds in JavaScript (https://github.com/libp2p/test-plans/pull/864): it names only addresses that others
 * have dialled, of which a node behind a router has none, and dials through libp2p's queue. So it is given what it lacks:
 * observed addresses, and dials of its own (`punch.ts`) from the ports where these are (`../transport/own-port.ts`,
 * `../transport/quic-own-port.ts`).
 */
export function punchService(components: {
  policy: Pick<DialPolicy, 'told'>
  observed: Pick<ObservedAddresses, 'all'>
  /** What may be sent to addresses that the peer of a relayed connection names. */
  allowanceOf(relayed: Connection): Allowance
  onEnd(transport: PunchTransport, outcome: PunchOutcome): void
}): (node: PunchServiceNode) => unknown {
  const { policy, observed, allowanceOf, onEnd } = components
  return (node) => {
    const { registrar, addressManager, connectionManager, connectionGater: gater, events } = node
    /** Gives a dial access to the relayed connection that it is made for. */
    const upgrades = new AsyncLocalStorage<Connection>()
    const transportManager: PunchDialer = node.transportManager
    const punch = createPunch({
      policy,
      allowanceOf,
      gater,
      dial: (address, options) => transportManager.dial(address, options),
      connectionsTo: (peer) => connectionManager.getConnections(peer),
      events,
      onEnd,
    })

    const own = createOwnUpgrades(node.peerId.toString())
    const attempts = createAttempts({ isDirect: (peer) => connectionManager.getConnections(peer).some(({ direct }) => direct) })

    const handle: Registrar['handle'] = async (protocol, handler, options) => {
      const onUpgrade: typeof handler = (stream, connection) => {
        if (connection.direct) stream.abort(new Error('the connection is direct'))
        else if (own.goesBefore(connection.remotePeer.toString())) stream.abort(new Error('an upgrade is in progress'))
        else return upgrades.run(connection, () => handler(stream, keptOpen(connection)))
      }
      await registrar.handle(protocol, onUpgrade, options)
    }
    const register: Registrar['register'] = (protocol, topology) =>
      registrar.register(protocol, {
        ...topology,
        onConnect(peerId, connection) {
          const upgrade = () => upgrades.run(connection, () => topology.onConnect?.(peerId, keptOpen(own.of(connection))))
          // The end that was dialled begins.
          if (!connection.direct && connection.direction === 'inbound') attempts.begin(connection, upgrade)
        },
      })
    const getAddresses: AddressManager['getAddresses'] = () => {
      const listened = addressManager.getAddresses().filter((address) => punchTransportOf(address) !== undefined)
      return [...listened, ...observed.all().map((address) => multiaddr(address))]
    }
    const dialFirst = createFirstDial({
      open: (target, options) => connectionManager.openConnection(target, options),
      dial: (address, options) => transportManager.dial(address, options),
      allowanceOf,
      gater,
    })
    const openConnection: ConnectionManager['openConnection'] = async (target, options = {}) => {
      const relayed = upgrades.getStore()
      if (relayed === undefined || !Array.isArray(target)) return await connectionManager.openConnection(target, options)
      // Only dials that punch have a priority. The other one is of a peer that may need no punching.
      if (options.priority === undefined || options.signal === undefined) return await dialFirst(relayed, target, options)
      return await punch(relayed, target, { signal: options.signal, initiator: options.initiator ?? true })
    }

    return dcutr()({
      logger: node.logger,
      peerStore: node.peerStore,
      transportManager: node.transportManager,
      registrar: Object.assign(Object.create(registrar), { handle, register }),
      addressManager: Object.assign(Object.create(addressManager), { getAddresses }),
      connectionManager: Object.assign(Object.create(connectionManager), { openConnection }),
    })
  }
}

type Registrar = DCUtRServiceComponents['registrar']
type AddressManager = DCUtRServiceComponents['addressManager']
type ConnectionManager = DCUtRServiceComponents['connectionManager']

export interface PunchServiceNode extends DCUtRServiceComponents {
  peerId: PeerId
  connectionGater: ConnectionGater
  events: CircuitRelayTransportComponents['events']
}

/** The transport manager passes all options to the transport, which its type does not say. */
interface PunchDialer {
  dial(address: ReturnType<typeof multiaddr>, options: PunchDialOptions | FirstDialOptions): Promise<Connection>
}

/** The connection without its `close`: what is on its way over it must arrive first (`handover.ts`). */
function keptOpen(connection: Connection): Connection {
  return Object.assign(Object.create(connection), { close: async () => undefined })
}
