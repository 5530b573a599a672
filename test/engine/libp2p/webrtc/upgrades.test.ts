import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createUpgrades } from '../../../../src/engine/libp2p/webrtc/upgrades.ts'
import { silentLog } from '../../../fixtures/log.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

const [relay, peer] = await Promise.all([1, 2].map(async () => (await createMemoryIdentity()).peerId))
const through = `/ip4/11.0.0.1/tcp/7071/p2p/${relay}/p2p-circuit`
const signalling = '/webrtc-signaling/0.0.1'

function connection(changes: Partial<Connection> = {}): Connection {
  const base = { direction: 'outbound', direct: false, status: 'open', remotePeer: peerIdFromString(peer ?? '') }
  const remoteAddr = multiaddr(`${through}/p2p/${peer}`)
  return Object.assign(Object.create(new EventTarget()), base, { remoteAddr, addEventListener: () => undefined }, changes)
}

/** The addresses that are dialled. */
function setUp() {
  const dialled: string[] = []
  const links: Connection[] = []
  const upgrades = createUpgrades(
    { limits: { dialTimeoutMs: 10_000 } },
    {
      connectionsTo: () => links,
      async dial(address) {
        dialled.push(address.toString())
        throw new Error('no path')
      },
      logger: silentLog,
      random: () => 1,
    },
  )
  return { upgrades, dialled, links }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('a relayed connection is tried by WebRTC, again and again until it closes', async () => {
  const { upgrades, dialled } = setUp()
  const relayed = connection()
  upgrades.identified({ connection: relayed, protocols: [signalling] })
  upgrades.identified({ connection: relayed, protocols: [signalling] })
  await vi.advanceTimersByTimeAsync(1)
  expect(dialled).toEqual([`${through}/webrtc/p2p/${peer}`])
  await vi.advanceTimersByTimeAsync(60_000)
  const tried = dialled.length
  expect(tried).toBeGreaterThan(2)
  expect(tried).toBeLessThan(6)
  relayed.status = 'closed'
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(dialled).toHaveLength(tried)
})

test('a peer that punches holes for TCP gets time for it, and a peer with a direct connection no WebRTC', async () => {
  const { upgrades, dialled, links } = setUp()
  upgrades.identified({ connection: connection(), protocols: [signalling, '/libp2p/dcutr'] })
  await vi.advanceTimersByTimeAsync(14_999)
  expect(dialled).toEqual([])
  links.push(connection({ direct: true }))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(dialled).toEqual([])
  links.pop()
  await vi.advanceTimersByTimeAsync(600_000)
  expect(dialled.length).toBeGreaterThan(0)
})

test.for<[string, Partial<Connection>, string[]]>([
  ['that the peer has opened', { direction: 'inbound' }, [signalling]],
  ['that is direct', { direct: true }, [signalling]],
  ['of a peer without WebRTC', {}, []],
])('nothing is begun over a connection %s', async ([, changes, protocols]) => {
  const { upgrades, dialled } = setUp()
  upgrades.identified({ connection: connection(changes), protocols })
  await vi.advanceTimersByTimeAsync(600_000)
  expect(dialled).toEqual([])
})

test('a stop ends the attempts', async () => {
  const { upgrades, dialled } = setUp()
  upgrades.identified({ connection: connection(), protocols: [signalling, '/libp2p/dcutr'] })
  upgrades.stop()
  await vi.advanceTimersByTimeAsync(600_000)
  expect(dialled).toEqual([])
})
