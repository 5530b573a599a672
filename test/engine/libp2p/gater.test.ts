import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { createGater, LinkLimitReached } from '../../../src/engine/libp2p/transport/gater.ts'
import { createLimitsReached, type LimitsReached } from '../../../src/engine/limits-reached.ts'
import { silentLog } from '../../fixtures/log.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const [peer, other] = await Promise.all([1, 2].map(async () => peerIdFromString((await createMemoryIdentity()).peerId)))
const connection = from('192.0.2.1') as never

function from(ip: string, direction: 'inbound' | 'outbound' = 'inbound') {
  return { remoteAddr: multiaddr(`/ip4/${ip}/tcp/1`), direction }
}

interface GaterInit {
  blocked?: string[]
  letGo?: string[]
  avoided?: string[]
  kept?: string[]
  connections?: ReturnType<typeof from>[]
  maxConnections?: number
  reached?: LimitsReached
}

function gater(init: GaterInit = {}) {
  const { blocked = [], letGo = [], avoided = [], kept = [], connections = [], maxConnections = 2, reached = createLimitsReached() } = init
  return createGater(
    { maxConnections, maxHandshakesPerSecond: 100 },
    {
      blocked: new Set(blocked),
      letGo: new Set(letGo),
      isAvoided: (peerId) => avoided.includes(peerId),
      logger: silentLog,
      isProtected: (peerId) => kept.includes(peerId),
      connections: () => connections,
      reached,
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
  expect(await upgraded(gater({ connections: [from('192.0.2.2')] }))).toEqual([false, false])
  const full = gater({ connections: [from('192.0.2.2'), from('192.0.2.3')], kept: [other.toString()] })
  expect(() => full.denyInboundUpgradedConnection?.(peer, connection)).toThrow(LinkLimitReached)
  expect(() => full.denyOutboundUpgradedConnection?.(peer, connection)).toThrow(LinkLimitReached)
  expect(await upgraded(full, other)).toEqual([false, false])
})

test('an address has at most a quarter of the links while others have any, but for configured peers, and dials of our own', async () => {
  if (peer === undefined || other === undefined) throw new Error('no peers')
  const reached = createLimitsReached()
  const crowd = Array.from({ length: 5 }, () => from('192.0.2.1'))
  const connections = [...crowd, from('192.0.2.2')]
  const gate = gater({ connections, maxConnections: 20, kept: [other.toString()], reached })
  expect(() => gate.denyInboundUpgradedConnection?.(peer, connection)).toThrow(LinkLimitReached)
  expect(reached.counts.link_share).toBe(1)
  expect(await gate.denyInboundUpgradedConnection?.(other, connection)).toBe(false)
  expect(await gate.denyOutboundUpgradedConnection?.(peer, connection)).toBe(false)
  expect(await gate.denyInboundUpgradedConnection?.(peer, from('192.0.2.2') as never)).toBe(false)
  // What this node has dialled there itself is nobody's share.
  const dialled = gater({ connections: [...connections.slice(1), from('192.0.2.1', 'outbound')], maxConnections: 20 })
  expect(await dialled.denyInboundUpgradedConnection?.(peer, connection)).toBe(false)
  expect(await gater({ connections: crowd.slice(1), maxConnections: 20 }).denyInboundUpgradedConnection?.(peer, connection)).toBe(false)
})
