import type { CircuitRelayServerComponents, CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test, vi } from 'vitest'
import { createOwnAddresses } from '../../../../src/engine/libp2p/reach/own-addresses.ts'

/* test/engine/libp2p/punching/own-port.test.ts shows from where such a dial leaves. */
test('a dial-back does not leave from the port that the peer may have sent to', async () => {
  const addresses = createOwnAddresses()
  const address = multiaddr('/ip4/11.0.0.10/tcp/7071')
  const { signal } = new AbortController()
  await expect(addresses.dialBack(address, signal)).rejects.toThrow('not running')
  const dial = vi.fn()
  const transportManager: CircuitRelayTransportComponents['transportManager'] = Object.assign(Object.create(null), { dial })
  addresses.service({ transportManager, addressManager: Object.create(null) })
  await addresses.dialBack(address, signal)
  expect(dial).toHaveBeenCalledExactlyOnceWith(address, { signal, fromAnyPort: true })
})

test('addresses through relays are announced by the listener of the node, and no longer those of an earlier call', () => {
  const addresses = createOwnAddresses()
  const all = new Set<string>()
  const addressManager: CircuitRelayServerComponents['addressManager'] = Object.assign(Object.create(null), {
    confirmObservedAddr: (address: Multiaddr) => void all.add(`${address}`),
    removeObservedAddr: (address: Multiaddr) => void all.delete(`${address}`),
  })
  addresses.service({ transportManager: Object.create(null), addressManager })
  const listener = addresses.relayedListener()
  const through = (port: number) => `/ip4/192.0.2.1/tcp/${port}/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz/p2p-circuit`
  for (const ports of [[1, 2], [2, 3], []]) {
    addresses.announceRelayed(ports.map(through))
    expect([...all]).toEqual(ports.map(through))
    expect(listener.getAddrs().map(String)).toEqual(ports.map(through))
  }
})
