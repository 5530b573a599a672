import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createUdpObservation, listensOnQuic } from '../../../../src/engine/libp2p/punching/udp-observation.ts'
import { silentLog } from '../../../fixtures/log.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())
const settle = async () => await vi.advanceTimersByTimeAsync(0)

const peers = await Promise.all([1, 2, 3].map(async () => peerIdFromString((await createMemoryIdentity()).peerId)))
const [near, far, third] = peers

interface Parts {
  to: (typeof peers)[number] | undefined
  remote: string
  direction?: Connection['direction']
  direct?: boolean
}

function connection({ to, remote, direction = 'outbound', direct = true }: Parts) {
  const abort = vi.fn()
  const parts = { remotePeer: to, remoteAddr: multiaddr(remote), direction, direct, status: 'open', abort }
  return parts as unknown as Connection & typeof parts
}

/** A node with links to peers that each have told these addresses. */
function setUp(links: Connection[], init: { addresses?: string[]; isWanted?: boolean; answers?: boolean; isFromOwnPort?: boolean } = {}) {
  const { addresses = ['/ip4/11.0.0.1/tcp/7071', '/ip4/11.0.0.1/udp/7071/quic-v1'], isWanted = true } = init
  const state = { now: 0, answers: init.answers ?? true, isFromOwnPort: init.isFromOwnPort ?? true }
  const dialled: string[] = []
  const opened: ReturnType<typeof connection>[] = []
  const known = addresses.map((address) => ({ multiaddr: multiaddr(address), isCertified: false }))
  const made = createUdpObservation({
    node: () =>
      Object.assign(Object.create(null), {
        getConnections: () => links,
        peerStore: { get: async () => ({ addresses: known }) },
        async dial(address: Multiaddr, { force }: { force: boolean }) {
          dialled.push(`${address} ${force}`)
          const one = connection({ to: near, remote: address.toString() })
          opened.push(one)
          if (state.answers) made.identified(one)
          return one
        },
      }),
    observed: { isFromOwnPort: (one) => (opened.some((each) => each === one) ? state.isFromOwnPort : one.direction === 'outbound') },
    isWanted: () => isWanted,
    logger: silentLog,
    now: () => state.now,
  })
  return { made, state, dialled, opened }
}

const overTcp = (to: Parts['to']) => connection({ to, remote: '/ip4/11.0.0.1/tcp/7071' })
const quicOf = (to: Parts['to']) => `/ip4/11.0.0.1/udp/7071/quic-v1/p2p/${to} true`

test('a peer that is linked over TCP is dialled by QUIC beside that, and the connection ends when it has told', async () => {
  const { made, dialled, opened, state } = setUp([overTcp(near)], { answers: false })
  made.begin()
  made.begin()
  await settle()
  expect(dialled).toEqual([quicOf(near)])
  expect(opened[0]?.abort).not.toHaveBeenCalled()
  const [first] = opened
  if (first !== undefined) made.identified(first)
  await settle()
  expect(first?.abort).toHaveBeenCalledOnce()
  state.now = 14_999
  made.begin()
  await settle()
  expect(dialled).toHaveLength(1)
  state.now = 15_000
  made.begin()
  await settle()
  expect(dialled).toHaveLength(2)
})

test.each<[string, Partial<Parameters<typeof setUp>[1]>]>([
  ['does not tell', { answers: false }],
  ['is dialled from another port', { isFromOwnPort: false }],
])('another is asked when one %s, two in all, and nobody for a minute after it', async (_, init) => {
  const { made, dialled, opened, state } = setUp([near, far, third].map(overTcp), init)
  made.begin()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(dialled).toEqual([quicOf(near), quicOf(far)])
  for (const one of opened) expect(one.abort).toHaveBeenCalledOnce()
  state.now = 59_999
  made.begin()
  await settle()
  expect(dialled).toHaveLength(2)
  state.now = 60_000
  made.begin()
  await settle()
  expect(dialled[2]).toBe(quicOf(near))
})

test.each<[string, Connection[], Partial<Parameters<typeof setUp>[1]>]>([
  ['there is a link of QUIC from the port', [overTcp(near), connection({ to: far, remote: '/ip4/11.0.0.2/udp/7071/quic-v1' })], {}],
  ['this node punches none, or listens on no QUIC', [overTcp(near)], { isWanted: false }],
  ['peers have dialled this node', [connection({ to: near, remote: '/ip4/11.0.0.1/tcp/4001', direction: 'inbound' })], {}],
  ['the link leads through a relay', [connection({ to: near, remote: `/ip4/11.0.0.1/tcp/1/p2p/${far}/p2p-circuit`, direct: false })], {}],
  ['peers have told no address of QUIC', [overTcp(near)], { addresses: ['/ip4/11.0.0.1/tcp/7071'] }],
  ['peers have told private addresses', [overTcp(near)], { addresses: ['/ip4/192.168.1.2/udp/7071/quic-v1'] }],
])('nobody is dialled where %s', async (_, links, init) => {
  const { made, dialled } = setUp(links, init)
  made.begin()
  await settle()
  expect(dialled).toEqual([])
})

test('a hole by QUIC leads to a socket that is not one of loopback', () => {
  expect(listensOnQuic(['/ip4/0.0.0.0/tcp/7071', '/ip4/0.0.0.0/udp/7071/quic-v1'])).toBe(true)
  expect(listensOnQuic(['/p2p-circuit', '/ip6/::/udp/7071/quic-v1'])).toBe(true)
  expect(listensOnQuic(['/ip4/0.0.0.0/tcp/7071', '/ip4/127.0.0.1/udp/7071/quic-v1', '/ip4/0.0.0.0/tcp/7072/ws'])).toBe(false)
})
