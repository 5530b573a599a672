import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { addressOrder } from '../../../../src/engine/libp2p/transport/address-order.ts'

test('of the addresses of a peer those of IPv6 are dialled first, within what libp2p prefers', () => {
  const relay = '/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz/p2p-circuit'
  const addresses = [
    '/ip4/8.8.4.4/tcp/1',
    '/ip6/2600::1/tcp/1',
    '/ip6/fd00::1/tcp/1',
    '/ip4/8.8.4.4/tcp/2/ws',
    `/ip6/2600::2/tcp/1${relay}`,
    '/ip6/2600::1/tcp/2/ws',
    '/ip4/192.168.1.1/tcp/1',
    '/ip6/2600::1/udp/1/quic-v1',
    '/ip4/8.8.4.4/udp/1/quic-v1',
  ].map((address) => ({ multiaddr: multiaddr(address), isCertified: false }))
  const certified = { multiaddr: multiaddr('/ip4/8.8.8.8/tcp/1'), isCertified: true }
  expect([...addresses, certified].toSorted(addressOrder).map((address) => address.multiaddr.toString())).toEqual([
    '/ip4/8.8.8.8/tcp/1',
    '/ip6/2600::1/tcp/1',
    '/ip4/8.8.4.4/tcp/1',
    '/ip6/2600::1/tcp/2/ws',
    '/ip4/8.8.4.4/tcp/2/ws',
    '/ip6/2600::1/udp/1/quic-v1',
    '/ip4/8.8.4.4/udp/1/quic-v1',
    `/ip6/2600::2/tcp/1${relay}`,
    '/ip6/fd00::1/tcp/1',
    '/ip4/192.168.1.1/tcp/1',
  ])
})
