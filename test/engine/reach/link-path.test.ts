import { expect, test } from 'vitest'
import { bestPath, linkPathOf } from '../../../src/engine/reach/link-path.ts'

const relay = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const peer = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu'

test.each([
  ['/ip4/192.0.2.1/tcp/1', 'tcp', null],
  [`/ip4/192.0.2.1/tcp/1/p2p/${peer}`, 'tcp', null],
  ['/ip4/192.0.2.1/tcp/1/ws', 'websocket', null],
  ['/dns4/a.example/tcp/443/wss', 'websocket', null],
  ['/dns4/a.example/tcp/443/tls/ws', 'websocket', null],
  ['/ip6/2001:db8::1/udp/1/quic-v1', 'quic', null],
  [`/ip4/192.0.2.1/udp/1/quic-v1/p2p/${relay}/p2p-circuit/p2p/${peer}`, 'relay', relay],
  [`/ip4/192.0.2.1/tcp/1/ws/p2p/${relay}/p2p-circuit`, 'relay', relay],
  [`/ip4/192.0.2.1/tcp/1/p2p-circuit/p2p/${peer}`, 'relay', null],
])('the path to %s', (remote, by, via) => {
  expect(linkPathOf(remote, 7)).toEqual({ by, via, since: 7 })
})

test('a direct path is the best one, of several the oldest', () => {
  const [relayed, later, earlier] = [
    { path: { by: 'relay', via: relay, since: 1 } },
    { path: { by: 'quic', via: null, since: 3 } },
    { path: { by: 'tcp', via: null, since: 2 } },
  ] as const
  expect(bestPath([relayed, later, earlier])).toBe(earlier)
  expect(bestPath([relayed])).toBe(relayed)
  expect(bestPath([])).toBeUndefined()
})
