import type { CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2'
import { multiaddr } from '@multiformats/multiaddr'
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
