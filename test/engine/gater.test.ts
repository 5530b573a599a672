import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { createGater, LinkLimitReached } from '../../src/engine/libp2p/gater.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

const [peer, other] = await Promise.all([1, 2].map(async () => peerIdFromString((await createMemoryIdentity()).peerId)))
const connection = { remoteAddr: multiaddr('/ip4/192.0.2.1/tcp/1') } as never

/** An inbound link of `peer`; one whose address ends in /out is outbound. */
function link(text: string) {
  if (peer === undefined) throw new Error('no peers')
  const direction = text.endsWith('/out') ? ('outbound' as const) : ('inbound' as const)
  return { direction, remoteAddr: multiaddr(text.replace('/out', '')), remotePeer: peer }
}

function gater(
  init: {
    blocked?: string[]
    letGo?: string[]
    avoided?: string[]
    kept?: string[]
    connections?: number
    from?: string[]
    reserved?: string[]
  } = {},
) {
  const { blocked = [], letGo = [], avoided = [], kept = [], connections = 0, from = [], reserved = [] } = init
  return createGater(
    { maxConnections: from.length > 0 ? 8 : 2, maxRelayReservations: 8 },
    {
      blocked: new Set(blocked),
      letGo: new Set(letGo),
      isAvoided: (peerId) => avoided.includes(peerId),
      log: silentLog,
      isProtected: (peerId) => kept.includes(peerId),
      connections: () => [...Array.from({ length: connections }, () => link('/ip4/192.0.2.9/tcp/1')), ...from.map(link)],
      reservations: () => reserved.map((address, index) => ({ peerId: `reserved ${index}`, address: multiaddr(address) })),
    },
  )
}

test('a blocked peer gets no link, whoever dials, directly or through a relay', async () => {
  if (peer === undefined || other === undefined) throw new Error('no peers')
  const gate = gater({ blocked: [peer.toString()] })
  for (const [each, expected] of [
    [peer, true],
    [other, false],
  ] as const) {
    expect(await gate.denyDialPeer?.(each)).toBe(expected)
    expect(await gate.denyInboundEncryptedConnection?.(each, connection)).toBe(expected)
    expect(await gate.denyOutboundEncryptedConnection?.(each, connection)).toBe(expected)
    expect(await gate.denyInboundRelayedConnection?.(other, each)).toBe(expected)
  }
})

test.each(['letGo', 'avoided'] as const)('a peer that was let go or is left alone (%s) is not dialled, and may come', async (kind) => {
  if (peer === undefined) throw new Error('no peers')
  const gate = gater({ [kind]: [peer.toString()] })
  expect(await gate.denyDialPeer?.(peer)).toBe(true)
  expect(await gate.denyInboundEncryptedConnection?.(peer, connection)).toBe(false)
})

test('maxConnections holds for links in both directions, but for configured peers', async () => {
  if (peer === undefined || other === undefined) throw new Error('no peers')
  const upgraded = async (gate: ReturnType<typeof gater>, each = peer) => [
    await gate.denyInboundUpgradedConnection?.(each, connection),
    await gate.denyOutboundUpgradedConnection?.(each, connection),
  ]
  expect(await upgraded(gater({ connections: 1 }))).toEqual([false, false])
  const full = gater({ connections: 2, kept: [other.toString()] })
  expect(() => full.denyInboundUpgradedConnection?.(peer, connection)).toThrow(LinkLimitReached)
  expect(() => full.denyOutboundUpgradedConnection?.(peer, connection)).toThrow(LinkLimitReached)
  expect(await upgraded(full, other)).toEqual([false, false])
})

const crowds = [
  ['of IPv4', '/ip4/192.0.2.1/tcp/2', ['/ip4/192.0.2.1/tcp/3', '/ip4/192.0.2.1/tcp/4'], true],
  ['of one IPv6 /64', '/ip6/2001:db8::1/tcp/2', ['/ip6/2001:db8::2/tcp/3', '/ip6/2001:db8::3:4/tcp/4'], true],
  ['of another IPv6 /64', '/ip6/2001:db8:0:1::1/tcp/2', ['/ip6/2001:db8::2/tcp/3', '/ip6/2001:db8::3/tcp/4'], false],
  ['of this host', '/ip4/127.0.0.1/tcp/2', ['/ip4/127.0.0.1/tcp/3', '/ip4/127.0.0.1/tcp/4'], false],
] as const
const elsewhere = '/ip4/198.51.100.1/tcp/1'

test.each(crowds)('peers %s have a quarter of the links while others have any', async (_name, address, held, isRefused) => {
  if (peer === undefined || other === undefined) throw new Error('no peers')
  const come = async (from: string[], init = {}) => gater({ from, ...init }).denyInboundUpgradedConnection?.(other, link(address) as never)
  const crowd = [elsewhere, ...held]
  if (isRefused) await expect(come(crowd)).rejects.toThrow(LinkLimitReached)
  else expect(await come(crowd)).toBe(false)
  expect(await come(crowd, { kept: [other.toString()] })).toBe(false)
  expect(await come([...held])).toBe(false)
  expect(await come([elsewhere, ...held.map((each) => `${each}/out`)])).toBe(false)
})

test.each(crowds)('peers %s have a quarter of the reservations while others have any', async (_name, address, held, isRefused) => {
  if (peer === undefined || other === undefined) throw new Error('no peers')
  const reserve = (reserved: string[], kept: string[] = []) =>
    gater({ from: [address], reserved, kept }).denyInboundRelayReservation?.(link(address).remotePeer)
  expect(await reserve([elsewhere, ...held])).toBe(isRefused)
  expect(await reserve([elsewhere, ...held], [peer.toString()])).toBe(false)
  expect(await reserve([...held])).toBe(false)
})
