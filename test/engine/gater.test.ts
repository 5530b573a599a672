import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { createGater, LinkLimitReached } from '../../src/engine/libp2p/gater.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

const [peer, other] = await Promise.all([1, 2].map(async () => peerIdFromString((await createMemoryIdentity()).peerId)))
const connection = { remoteAddr: multiaddr('/ip4/192.0.2.1/tcp/1') } as never

function gater(init: { blocked?: string[]; letGo?: string[]; avoided?: string[]; kept?: string[]; connections?: number } = {}) {
  const { blocked = [], letGo = [], avoided = [], kept = [], connections = 0 } = init
  return createGater(
    { maxConnections: 2 },
    {
      blocked: new Set(blocked),
      letGo: new Set(letGo),
      isAvoided: (peerId) => avoided.includes(peerId),
      log: silentLog,
      isProtected: (peerId) => kept.includes(peerId),
      connections: () => connections,
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
