import type { Connection, ConnectionGater } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createPunch, maxPunchAddresses, type PunchDialOptions, tcpAheadMs } from '../../../../src/engine/libp2p/punching/punch.ts'
import { createAllowances, tcpDialBytes } from '../../../../src/engine/reach/allowance.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

const [peer, other] = await Promise.all([1, 2].map(async () => peerIdFromString((await createMemoryIdentity()).peerId)))
if (peer === undefined || other === undefined) throw new Error('there are two peers')
const relayAddress = `/ip4/11.0.0.1/tcp/7071/p2p/${other}/p2p-circuit`
const relayed = { remotePeer: peer, remoteAddr: multiaddr(relayAddress), direct: false, status: 'open' } as Connection
const direct = { ...relayed, direct: true, remoteAddr: multiaddr('/ip4/11.0.0.10/tcp/1') }
const overQuic = { ...direct, remoteAddr: multiaddr('/ip4/11.0.0.10/udp/1/quic-v1') }

function punching(
  init: {
    dial?: (address: Multiaddr, options: PunchDialOptions) => Promise<Connection>
    there?: Connection[]
    denies?: boolean
    receivedBytes?: number
  } = {},
) {
  const dial = vi.fn(init.dial ?? (async () => direct))
  const told = vi.fn()
  const events = new EventTarget()
  const ended: string[] = []
  const gater: ConnectionGater = { denyDialPeer: () => init.denies ?? false }
  const punch = createPunch({
    policy: { told },
    allowanceOf: createAllowances(() => init.receivedBytes ?? 10_000),
    gater,
    dial,
    connectionsTo: () => init.there ?? [relayed],
    events,
    onEnd: (transport, outcome) => void ended.push(`${transport} ${outcome}`),
  })
  return {
    dial,
    told,
    events,
    ended,
    punch: (addresses: string[], { signal = AbortSignal.timeout(20_000), initiator = false } = {}) =>
      punch(
        relayed,
        addresses.map((address) => multiaddr(address)),
        { signal, initiator },
      ),
    dialled: () => dial.mock.calls.map(([address]) => address.toString()),
  }
}

const never = async (_: Multiaddr, { signal }: PunchDialOptions) =>
  await new Promise<Connection>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

test('every address is dialled at once, as the end that answers, and only for the peer; the relay is their teller', async () => {
  const { punch, dial, dialled, told, ended } = punching()
  expect(await punch(['/ip4/11.0.0.10/tcp/1', `/ip4/11.0.0.10/tcp/2/p2p/${peer}`])).toBe(direct)
  const named = [`/ip4/11.0.0.10/tcp/1/p2p/${peer}`, `/ip4/11.0.0.10/tcp/2/p2p/${peer}`]
  expect(dialled()).toEqual(named)
  expect(dial.mock.calls[0]?.[1].initiator).toBe(false)
  expect(told).toHaveBeenCalledExactlyOnceWith(named, { ip: '11.0.0.1', isRelayed: true })
  expect(ended).toEqual(['tcp succeeded'])
})

test('addresses of another peer, private ones, relayed ones and names are not dialled', async () => {
  const { punch, dialled } = punching()
  const hostile = ['/ip4/10.0.0.1/tcp/22', '/ip4/127.0.0.1/tcp/80', '/ip4/169.254.169.254/tcp/80', '/dns4/example.org/tcp/1', relayAddress]
  await punch([...hostile, `/ip4/11.0.0.10/tcp/1/p2p/${other}`, '/ip4/11.0.0.10/tcp/2'])
  expect(dialled()).toEqual([`/ip4/11.0.0.10/tcp/2/p2p/${peer}`])
})

test('of many addresses the first are dialled, each once', async () => {
  const { punch, dialled } = punching()
  const many = Array.from({ length: 300 }, (_, index) => `/ip4/11.0.0.10/tcp/${index + 1}`)
  await punch(['/ip4/11.0.0.10/tcp/1', ...many])
  expect(dialled()).toEqual(many.slice(0, maxPunchAddresses).map((address) => `${address}/p2p/${peer}`))
})

test('the peer pays for each dial over TCP, with a third of its bytes, until the address answers', async () => {
  const many = Array.from({ length: 8 }, (_, index) => `/ip4/11.0.0.${index + 1}/tcp/1`)
  const nobody = async () => await Promise.reject(new Error('nobody'))
  const silent = punching({ dial: nobody, receivedBytes: tcpDialBytes })
  for (let attempt = 0; attempt < 2; attempt++)
    await expect(silent.punch(many, { signal: AbortSignal.abort(new Error('given up')) })).rejects.toThrow()
  expect(silent.dialled()).toHaveLength(3)
  const answering = punching({ receivedBytes: tcpDialBytes })
  for (let attempt = 0; attempt < 4; attempt++) expect(await answering.punch(many.slice(0, 1))).toBe(direct)
  expect(answering.dialled()).toHaveLength(4)
})

test('each transport has half of the places when there are many addresses, and the rest when the other has few', async () => {
  const { punch, dialled } = punching({ dial: async () => await Promise.reject(new Error('nobody')) })
  const tcp = Array.from({ length: 20 }, (_, index) => `/ip4/11.0.0.10/tcp/${index + 1}`)
  const quic = Array.from({ length: 20 }, (_, index) => `/ip4/11.0.0.10/udp/${index + 1}/quic-v1`)
  await expect(punch([...tcp, ...quic], { signal: AbortSignal.abort(new Error('given up')) })).rejects.toThrow()
  const half = maxPunchAddresses / 2
  expect(dialled()).toEqual([...tcp.slice(0, half), ...quic.slice(0, half)].map((address) => `${address}/p2p/${peer}`))
  const few = punching()
  await few.punch([...quic, ...tcp.slice(0, 1)])
  expect(few.dialled()).toHaveLength(maxPunchAddresses)
})

const both = ['/ip4/11.0.0.10/udp/1/quic-v1', '/ip4/11.0.0.10/tcp/1']

test('the end that begins dials over QUIC when TCP has not reached the peer in time, and the other one at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const quicOnly = async (address: Multiaddr, options: PunchDialOptions) =>
    `${address}`.includes('/udp/') ? overQuic : await never(address, options)
  const { punch, dialled, ended } = punching({ dial: quicOnly })
  const punched = punch(both, { initiator: true })
  await vi.advanceTimersByTimeAsync(tcpAheadMs - 1)
  expect(dialled()).toEqual([`/ip4/11.0.0.10/tcp/1/p2p/${peer}`])
  await vi.advanceTimersByTimeAsync(1)
  expect(await punched).toBe(overQuic)
  expect(ended).toEqual(['udp succeeded'])
  const answering = punching({ dial: quicOnly })
  expect(await answering.punch(both)).toBe(overQuic)
})

test('over QUIC nothing is dialled when TCP has reached the peer, and at once when it cannot', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const reached = punching({ dial: async (address) => (`${address}`.includes('/tcp/') ? direct : overQuic) })
  expect(await reached.punch(both, { initiator: true })).toBe(direct)
  await vi.advanceTimersByTimeAsync(tcpAheadMs)
  expect(reached.dialled()).toEqual([`/ip4/11.0.0.10/tcp/1/p2p/${peer}`])
  const refused = punching({
    dial: async (address) => (`${address}`.includes('/tcp/') ? await Promise.reject(new Error('refused')) : overQuic),
  })
  expect(await refused.punch(both, { initiator: true })).toBe(overQuic)
  await vi.advanceTimersByTimeAsync(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('a dial that is connected goes on when another one has reached the peer', async () => {
  const { punch, dial } = punching()
  await punch(['/ip4/11.0.0.10/tcp/1'])
  const options = dial.mock.calls[0]?.[1]
  expect([options?.signal.aborted, options?.connectedSignal.aborted]).toEqual([true, false])
})

test('the dials of an attempt end when the next one with the peer begins, which has the port between them', async () => {
  const { punch, dial } = punching({ dial: never })
  const given = new AbortController()
  const first = punch(['/ip4/11.0.0.10/tcp/1'], { signal: given.signal })
  await expect.poll(() => dial.mock.calls.length).toBe(1)
  dial.mockImplementation(async () => direct)
  const [before] = dial.mock.calls
  expect(before?.[1].signal.aborted).toBe(false)
  expect(await punch(['/ip4/11.0.0.10/tcp/1'])).toBe(direct)
  expect(before?.[1].signal.reason).toEqual(new Error('another attempt takes its place'))
  given.abort(new Error('given up'))
  await expect(first).rejects.toThrow()
})

test('the end of an attempt that another one has replaced does not hide that one from a third', async () => {
  const { punch, dial, events } = punching({ dial: never })
  const given = new AbortController()
  const first = punch(['/ip4/11.0.0.10/tcp/1'], { signal: given.signal })
  await expect.poll(() => dial.mock.calls.length).toBe(1)
  const second = punch(['/ip4/11.0.0.10/tcp/1'])
  await expect.poll(() => dial.mock.calls.length).toBe(2)
  given.abort(new Error('given up'))
  await expect(first).rejects.toThrow()
  dial.mockImplementation(async () => direct)
  expect(await punch(['/ip4/11.0.0.10/tcp/1'])).toBe(direct)
  expect(dial.mock.calls[1]?.[1].signal.reason).toEqual(new Error('another attempt takes its place'))
  events.dispatchEvent(new CustomEvent('connection:open', { detail: direct }))
  expect(await second).toBe(direct)
})

test('dials end after ten seconds, though libp2p gives them longer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { punch, dial } = punching({ dial: never })
  const given = new AbortController()
  const punched = punch(['/ip4/11.0.0.10/tcp/1'], { signal: given.signal })
  await vi.advanceTimersByTimeAsync(9_999)
  expect(dial.mock.calls[0]?.[1].signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(dial.mock.calls[0]?.[1].signal.aborted).toBe(true)
  given.abort(new Error('given up'))
  await expect(punched).rejects.toThrow()
})

test('when nobody is reached, the attempt counts for each transport that was tried', async () => {
  const { punch, ended } = punching({ dial: async () => await Promise.reject(new Error('nobody')) })
  await expect(punch(both, { signal: AbortSignal.abort(new Error('given up')) })).rejects.toThrow()
  expect(ended).toEqual(['tcp failed', 'udp failed'])
})

test('a peer that this node does not dial is not punched to', async () => {
  const { punch, dial } = punching({ denies: true })
  await expect(punch(['/ip4/11.0.0.10/tcp/1'])).rejects.toThrow(/does not dial/)
  expect(dial).not.toHaveBeenCalled()
})

test('a direct connection that is there already is taken', async () => {
  const closing = { ...direct, status: 'closing' } as Connection
  const other = punching({ there: [closing] })
  expect(await other.punch(['/ip4/11.0.0.10/tcp/1'])).not.toBe(closing)
  const { punch, dial, ended } = punching({ there: [closing, relayed, direct] })
  expect(await punch(['/ip4/11.0.0.10/tcp/1'])).toBe(direct)
  expect(ended).toEqual([])
  expect(dial).not.toHaveBeenCalled()
})

test('when the peer comes through first, its connection is taken, and the dials end', async () => {
  const { punch, dial, events } = punching({ dial: never })
  const punched = punch(['/ip4/11.0.0.10/tcp/1'])
  await expect.poll(() => dial.mock.calls.length).toBe(1)
  events.dispatchEvent(new CustomEvent('connection:open', { detail: { ...direct, remotePeer: other } }))
  events.dispatchEvent(new CustomEvent('connection:open', { detail: relayed }))
  expect(dial.mock.calls[0]?.[1].signal.aborted).toBe(false)
  events.dispatchEvent(new CustomEvent('connection:open', { detail: direct }))
  expect(await punched).toBe(direct)
  expect(dial.mock.calls[0]?.[1].signal.aborted).toBe(true)
})

test('a punch ends with its signal', async () => {
  const { punch, dial, ended } = punching({ dial: never })
  const gone = new AbortController()
  const punched = punch(['/ip4/11.0.0.10/tcp/1'], { signal: gone.signal })
  await expect.poll(() => dial.mock.calls.length).toBe(1)
  gone.abort(new Error('given up'))
  await expect(punched).rejects.toThrow()
  expect(ended).toEqual(['tcp failed'])
})
