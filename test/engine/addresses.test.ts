import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endpointOf, withoutPeerId } from '../../src/engine/dial/endpoint.ts'
import { addressProblem, libp2pAddressProblem } from '../../src/engine/libp2p/addresses.ts'

const peerId = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const other = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu'
const roles = ['listen', 'announce', 'bootstrap'] as const

/** The roles that an address can have. */
function rolesOf(address: string) {
  return roles.filter((role) => libp2pAddressProblem(address, role) === undefined)
}

test.each([
  ['/ip4/0.0.0.0/tcp/7071', ['listen', 'announce']],
  ['/ip4/127.0.0.1/udp/0/quic-v1', ['listen', 'announce']],
  ['/ip4/127.0.0.1/tcp/0/ws', ['listen', 'announce']],
  ['/ip6/::/tcp/7071', ['listen', 'announce']],
  ['/ip4/192.0.2.1/tcp/443/wss', ['announce']],
  ['/ip4/192.0.2.1/tcp/443/tls/ws', ['announce']],
  ['/ip4/192.0.2.1/tcp/443/tls/sni/peer.example/ws', ['announce']],
  ['/dns4/peer.example/tcp/7071', ['announce']],
  ['/dns6/peer.example/tcp/443/wss', ['announce']],
  [`/dns/peer.example/tcp/443/tls/ws/p2p/${peerId}`, ['announce', 'bootstrap']],
  ['/p2p-circuit', ['listen']],
  [`/ip4/192.0.2.1/tcp/1/p2p/${other}/p2p-circuit/p2p/${peerId}`, ['announce', 'bootstrap']],
  [`/ip4/192.0.2.1/tcp/7071/p2p/${peerId}`, ['listen', 'announce', 'bootstrap']],
  [`/dnsaddr/peer.example/p2p/${peerId}`, ['bootstrap']],
  ['/dnsaddr/peer.example', []],
])('%s can be for %j', (address, expected) => {
  expect(rolesOf(address)).toEqual(expected)
})

test.each([
  ['nonsense', /which is not a multiaddr/],
  ['localhost:7071', /which is not a multiaddr/],
  ['/ip4/127.1/tcp/1', /which is not a multiaddr/],
  ['/ip4/1.2.3.4/tcp/65536', /which is not a multiaddr/],
  ['', /which is not a multiaddr/],
  ['/ip4/192.0.2.1', /supports TCP, WebSocket and QUIC .*ip4 is not supported$/],
  ['/ip4/192.0.2.1/udp/4001/quic', /ip4\/udp\/quic is not supported$/],
  ['/ip4/192.0.2.1/udp/4001/webrtc-direct', /is not supported$/],
  ['/ip4/192.0.2.1/tcp/1/tls', /is not supported$/],
  ['/ip4/192.0.2.1/tcp/1/http', /is not supported$/],
  ['/unix/tmp', /is not supported$/],
  ['/ip6zone/eth0/ip6/fe80::1/tcp/1', /is not supported$/],
  [`/p2p/${peerId}`, /is not supported$/],
  [`/ip4/192.0.2.1/tcp/1/p2p-circuit/p2p/${peerId}`, /a relayed address is written/],
  [`/ip4/192.0.2.1/udp/1/p2p/${other}/p2p-circuit/p2p/${peerId}`, /a relayed address is written/],
  [`/p2p-circuit/p2p/${peerId}`, /a relayed address is written/],
])('%j is for nothing, and the reason names it', (address, reason) => {
  for (const role of roles) {
    expect(libp2pAddressProblem(address, role)).toMatch(reason)
    expect(libp2pAddressProblem(address, role)?.startsWith(`has "${address}"`)).toBe(true)
  }
})

test.each([
  ['/dns4/peer.example/tcp/7071', 'listen', /listen on an IP address/],
  ['/ip4/0.0.0.0/tcp/7071/wss', 'listen', /listening with TLS is not supported/],
  ['/dnsaddr/peer.example', 'listen', /dnsaddr can't be listened on/],
  ['/dnsaddr/peer.example', 'announce', /dnsaddr can't be listened on or announced/],
  ['/ip4/192.0.2.1/tcp/7071', 'bootstrap', /names no peer; add \/p2p\//],
  ['/dnsaddr/peer.example', 'bootstrap', /names no peer/],
  ['x', 'bootstrap', /an example is .*\/p2p\/12D3KooW/],
] as const)('%s is not for %s, and the reason says what is', (address, role, reason) => {
  expect(libp2pAddressProblem(address, role)).toMatch(reason)
})

test.each(['me', '12D3KooW', `${peerId}x`])('a peer to connect to must be named by a peer id, which %s is not', (name) => {
  expect(libp2pAddressProblem(`/ip4/192.0.2.1/tcp/7071/p2p/${name}`, 'bootstrap')).toBeDefined()
})

test.each([
  ['/ip4/192.0.2.1/tcp/7071', { form: 'tcp', port: 7071, name: '192.0.2.1' }],
  ['/ip6/2001:DB8::1/tcp/1', { form: 'tcp', port: 1, name: '2001:db8::1' }],
  ['/dns/peer.example/tcp/1', { form: 'tcp', port: 1, name: 'peer.example' }],
  ['/dns4/peer.example/tcp/80/ws', { form: 'ws', port: 80, name: 'peer.example' }],
  ['/dns6/peer.example/tcp/443/wss', { form: 'wss', port: 443, name: 'peer.example' }],
  ['/dns4/peer.example/tcp/443/tls/ws', { form: 'wss', port: 443, name: 'peer.example' }],
  ['/ip4/192.0.2.1/tcp/443/tls/sni/peer.example/ws', { form: 'wss', port: 443, name: 'peer.example' }],
  ['/ip4/192.0.2.1/tcp/0', { form: 'tcp', port: 0, name: '192.0.2.1' }],
])('%s leads to %j, whoever is expected there', (address, endpoint) => {
  expect(endpointOf(multiaddr(address))).toEqual(endpoint)
  expect(endpointOf(multiaddr(`${address}/p2p/${peerId}`))).toEqual(endpoint)
  expect(addressProblem(multiaddr(address))).toBeUndefined()
})

test.each([
  '/',
  '/tcp/1',
  '/ip4/192.0.2.1',
  '/ip4/192.0.2.1/udp/1',
  '/ip4/192.0.2.1/tcp/1/ws/ws',
  '/ip4/192.0.2.1/tcp/1/tls/sni/peer.example',
  '/ip4/192.0.2.1/tcp/1/sni/peer.example/ws',
  '/ip4/192.0.2.1/tcp/1/ws/p2p-circuit',
  '/ip4/192.0.2.1/tcp/1/tcp/2',
  '/ip4/192.0.2.1/ipcidr/8/tcp/1',
  `/ip4/192.0.2.1/tcp/1/p2p/${peerId}/ws`,
  `/ip4/192.0.2.1/tcp/1/p2p/${peerId}/p2p/${other}`,
  `/p2p/${peerId}/ip4/192.0.2.1/tcp/1`,
  '/dnsaddr/peer.example/tcp/1',
  '/unix/tmp',
])('%s is no endpoint', (address) => {
  expect(endpointOf(multiaddr(address))).toBeUndefined()
})

test('any address is an endpoint exactly when it is written in one of the forms', () => {
  const parts = [
    'ip4/192.0.2.1',
    'dns4/peer.example',
    'tcp/1',
    'udp/1',
    'quic-v1',
    'ws',
    'wss',
    'tls',
    'sni/peer.example',
    `p2p/${peerId}`,
    'p2p-circuit',
  ]
  const form =
    /^\/(ip4\/192\.0\.2\.1|dns4\/peer\.example)\/(udp\/1\/quic-v1|tcp\/1(\/ws|\/wss|\/tls\/ws|\/tls\/sni\/peer\.example\/ws)?)(\/p2p\/\w+)?$/
  const address = fc.oneof(
    fc.array(fc.constantFrom(...parts), { maxLength: 7 }),
    fc.array(fc.constantFrom(...parts.slice(4)), { maxLength: 4 }).map((rest) => ['ip4/192.0.2.1', 'tcp/1', ...rest]),
  )
  fc.assert(
    fc.property(address, (path) => {
      const text = `/${path.join('/')}`
      expect(endpointOf(multiaddr(text)) !== undefined).toBe(form.test(text))
    }),
    { numRuns: 500 },
  )
})

test('where an address leads is the same with and without a peer', () => {
  expect(withoutPeerId(multiaddr(`/ip4/192.0.2.1/tcp/1/ws/p2p/${peerId}`))).toBe('/ip4/192.0.2.1/tcp/1/ws')
  expect(withoutPeerId(multiaddr('/ip4/192.0.2.1/tcp/1/ws'))).toBe('/ip4/192.0.2.1/tcp/1/ws')
  expect(withoutPeerId(multiaddr(`/dnsaddr/peer.example/p2p/${peerId}`))).toBe('/dnsaddr/peer.example')
  expect(withoutPeerId(multiaddr('/ip6/2001:DB8:0::1/tcp/1'))).toBe('/ip6/2001:db8::1/tcp/1')
})
