import { bases } from 'multiformats/basics'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { createRecordFilter, routingKey, routingPeerId } from '../../src/dht/delegated-routing.ts'
import { InvalidRoutingKey } from '../../src/errors.ts'

const peerId = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const content = 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4'
const tcp = '/ip4/192.0.2.1/tcp/4001'
const quic = '/ip6/2001:db8::1/udp/4001/quic-v1'
const relayed = `${tcp}/p2p/12D3KooWLRPJAA5o6Fi5ybCWGeDqCU4ZA6GdEwMnKhpyQCnhpFzZ/p2p-circuit`
const peer = { peerId, multiaddrs: [tcp, quic, relayed].map((address) => `${address}/p2p/${peerId}`) }

function key(base: 'base32' | 'base36' | 'base58btc'): string {
  const hash = bases.base58btc.decoder.decode(`z${peerId}`)
  return bases[base].encoder.encode(Uint8Array.from([1, 0x72, ...hash]))
}

test('a peer id is read in base58 and as a CID, and is one key in all forms', () => {
  for (const form of [peerId, key('base32'), key('base36'), key('base58btc')]) {
    expect(routingPeerId(form)).toBe(peerId)
    expect(routingKey(form)).toEqual(bases.base58btc.decoder.decode(`z${peerId}`))
  }
  expect(routingKey(content)).toEqual(CID.parse(content).multihash.bytes)
})

test.each([content, '', 'nonsense', '12D3KooW', `${peerId}x`, '1', 'Qm', '\u0000', 'k51', peerId.slice(1)])('%j is no peer id', (text) => {
  expect(() => routingPeerId(text)).toThrow(InvalidRoutingKey)
})

test.each(['', 'nonsense', '1', 'Qm', '12D3KooW', '🚀', '\u0000'])('%j is no key', (text) => {
  expect(() => routingKey(text)).toThrow(InvalidRoutingKey)
})

test.each([
  [undefined, [tcp, quic, relayed]],
  ['', [tcp, quic, relayed]],
  ['tcp', [tcp, relayed]],
  ['TCP', [tcp, relayed]],
  ['tcp,quic-v1', [tcp, quic, relayed]],
  ['!ip6', [tcp, relayed]],
  ['!ip6,!p2p-circuit', [tcp]],
  ['tcp,!p2p-circuit', [tcp]],
  ['unknown,tcp', [tcp, relayed]],
  // A value is no protocol: the name of the protocol counts.
  ['4001', undefined],
  ['webrtc', undefined],
  ['unknown', undefined],
  ['!ip4,!ip6', undefined],
])('of the addresses, filter-addrs=%s leaves %j', (addrs, left) => {
  const record = createRecordFilter({ addrs })(peer)
  expect(record).toEqual(left === undefined ? undefined : { Schema: 'peer', ID: peerId, Addrs: left, Protocols: [] })
})

test.each([
  [undefined, true],
  ['unknown', true],
  ['tcp', false],
  ['!tcp', false],
  ['tcp,unknown', true],
])('a peer without addresses behind filter-addrs=%s: listed %s', (addrs, listed) => {
  expect(createRecordFilter({ addrs })({ peerId, multiaddrs: [] }) !== undefined).toBe(listed)
})

test.each([
  [undefined, true],
  ['unknown', true],
  ['Unknown,transport-bitswap', true],
  ['transport-bitswap', false],
])('a peer whose protocols are not known behind filter-protocols=%s: listed %s', (protocols, listed) => {
  expect(createRecordFilter({ protocols })(peer) !== undefined).toBe(listed)
})

test('a filter has 32 names of 63 characters at most', () => {
  const most = Array.from({ length: 32 }, () => `!${'x'.repeat(63)}`).join(',')
  expect(createRecordFilter({ addrs: most })(peer)?.Addrs).toHaveLength(3)
  expect(() => createRecordFilter({ addrs: `${most},tcp` })).toThrow(InvalidRoutingKey)
  expect(() => createRecordFilter({ protocols: 'x'.repeat(64) })).toThrow(InvalidRoutingKey)
})
