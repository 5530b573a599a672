import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { createObservedAddresses } from '../../../../src/engine/libp2p/punching/observed-addresses.ts'
import { createPunching } from '../../../../src/engine/libp2p/punching/punching.ts'
import { defaultLimits } from '../../../../src/limits.ts'
import { silentLog } from '../../../fixtures/log.ts'

const to = (ip: string, port = 4001) => ({ remoteAddr: multiaddr(`/ip4/${ip}/tcp/${port}`) }) as Connection
const seen = '/ip4/11.0.0.10/tcp/7071'

test('what a peer has observed is kept when the connection was dialled from the listening port', () => {
  const observed = createObservedAddresses()
  const [own, other] = [to('11.0.0.1'), to('11.0.0.2')]
  observed.dialled(own)
  observed.told({ connection: own, observedAddr: multiaddr(seen) })
  observed.told({ connection: other, observedAddr: multiaddr('/ip4/11.0.0.10/tcp/40001') })
  expect(observed.all()).toEqual([seen])
})

test('an address of IPv6 is kept too, which a firewall keeps from being dialled', () => {
  const observed = createObservedAddresses()
  const connection: Connection = Object.assign(Object.create(null), { remoteAddr: multiaddr('/ip6/2600::1/tcp/4001') })
  observed.dialled(connection)
  observed.told({ connection, observedAddr: multiaddr('/ip6/2600:0:0:1::2/tcp/7071') })
  expect(observed.all()).toEqual(['/ip6/2600:0:0:1::2/tcp/7071'])
})

test.each([
  ['a private address', '/ip4/192.168.1.2/tcp/7071'],
  ['a private address of IPv6', '/ip6/fd00::2/tcp/7071'],
  ['a cloud metadata service', '/ip4/169.254.169.254/tcp/80'],
  ['a WebSocket', `${seen}/ws`],
  ['QUIC on a private address', '/ip4/192.168.1.2/udp/7071/quic-v1'],
  ['WebRTC', '/ip4/11.0.0.10/udp/7071/webrtc-direct'],
  ['a relayed address', `${seen}/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN/p2p-circuit`],
  ['a name', '/dns4/example.org/tcp/7071'],
])('%s is not kept', (_, address) => {
  const observed = createObservedAddresses()
  const connection = to('11.0.0.1')
  observed.dialled(connection)
  observed.told({ connection, observedAddr: multiaddr(address) })
  expect(observed.all()).toEqual([])
})

test('one host that tells many addresses has one of them kept, and the last four hosts count', () => {
  const observed = createObservedAddresses()
  function tell(ip: string, port: number): void {
    const connection = to(ip)
    observed.dialled(connection)
    observed.told({ connection, observedAddr: multiaddr(`/ip4/11.0.0.10/tcp/${port}`) })
  }
  for (let port = 1; port <= 20; port++) tell('11.0.0.1', port)
  expect(observed.all()).toEqual(['/ip4/11.0.0.10/tcp/20'])
  for (let host = 2; host <= 6; host++) tell(`11.0.0.${host}`, 100 + host)
  expect(observed.all()).toEqual([103, 104, 105, 106].map((port) => `/ip4/11.0.0.10/tcp/${port}`))
})

test('addresses of QUIC are counted apart', () => {
  const observed = createObservedAddresses()
  const connection: Connection = Object.assign(Object.create(null), { remoteAddr: multiaddr('/ip4/11.0.0.1/udp/4001/quic-v1') })
  observed.dialled(connection)
  observed.told({ connection, observedAddr: multiaddr(seen) })
  for (let port = 1; port <= 20; port++) observed.told({ connection, observedAddr: multiaddr(`/ip4/11.0.0.10/udp/${port}/quic-v1`) })
  expect(observed.all()).toEqual([seen, '/ip4/11.0.0.10/udp/20/quic-v1'])
})

test('the ports of one host count as one, and what all hosts have seen is told once', () => {
  const observed = createObservedAddresses()
  function tell(from: Connection, port: number): void {
    observed.dialled(from)
    observed.told({ connection: from, observedAddr: multiaddr(`/ip4/11.0.0.10/tcp/${port}`) })
  }
  for (let port = 1; port <= 5; port++) tell(to('11.0.0.1', port), port)
  expect(observed.all()).toEqual(['/ip4/11.0.0.10/tcp/5'])
  tell(to('11.0.0.2'), 5)
  expect(observed.all()).toEqual(['/ip4/11.0.0.10/tcp/5'])
})

test('what a peer identifies itself with is kept from start to start', () => {
  const punching = createPunching(
    { limits: defaultLimits, listen: [], privateNetworkKey: undefined },
    { node: () => undefined, needsHoles: () => true, gossipLinks: () => undefined, logger: silentLog },
  )
  const connection = Object.assign(to('11.0.0.1'), { direct: true })
  punching.dialled(connection)
  punching.identified(Object.assign(Object.create(null), { connection, observedAddr: multiaddr(seen), protocols: [] }))
  expect(punching.all()).toEqual([seen])
})
