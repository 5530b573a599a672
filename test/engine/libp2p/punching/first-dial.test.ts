import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFirstDial, type FirstDialOptions } from '../../../../src/engine/libp2p/punching/first-dial.ts'
import { maxPunchAddresses } from '../../../../src/engine/libp2p/punching/punch.ts'
import { createAllowances, quicDialBytes, tcpDialBytes } from '../../../../src/engine/reach/allowance.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

const tcp = multiaddr('/ip4/11.0.0.1/tcp/1')
const webSocket = multiaddr('/ip4/11.0.0.1/tcp/2/ws')
const connection: Connection = Object.create(null)
const relayed = { ...connection, remotePeer: peerIdFromString((await createMemoryIdentity()).peerId) }

async function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

interface Given {
  signal?: AbortSignal
  /** Addresses that answer; no other one does. */
  answering?: string[]
  isDenied?: boolean
  /** Bytes that the peer has sent. */
  receivedBytes?: number
}

function dialOf(
  addresses: ReturnType<typeof multiaddr>[],
  { signal, answering = [], isDenied = false, receivedBytes = 10_000 }: Given = {},
) {
  const [ended, connected] = [vi.fn(), vi.fn()]
  const dialled: (FirstDialOptions & { address: string })[] = []
  const dialFirst = createFirstDial({
    open: async (_, options) => await untilAborted(options?.signal),
    async dial(address, options) {
      dialled.push({ ...options, address: address.toString() })
      return answering.includes(address.toString()) ? connection : await untilAborted(options.signal)
    },
    allowanceOf: createAllowances(() => receivedBytes),
    gater: { denyDialPeer: () => isDenied },
  })
  dialFirst(relayed, addresses, signal === undefined ? {} : { signal }).then(connected, ended)
  return { ended, connected, dialled }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

test('a second after the dial of an address that can be punched to, the hole is punched', async () => {
  const { ended } = dialOf([webSocket, tcp])
  await vi.advanceTimersByTimeAsync(999)
  expect(ended).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(ended).toHaveBeenCalledOnce()
})

test('no dial leaves from the listening port: a router would take what follows of a dropped one for a part of it', async () => {
  const { dialled } = dialOf([webSocket, tcp])
  await vi.advanceTimersByTimeAsync(0)
  expect(dialled.map(({ address, fromAnyPort }) => [address, fromAnyPort])).toEqual([
    [webSocket.toString(), true],
    [tcp.toString(), true],
  ])
})

test('an address that answers is used, and the dials of the others end', async () => {
  const { connected, dialled } = dialOf([webSocket, tcp], { answering: [tcp.toString()] })
  await vi.advanceTimersByTimeAsync(0)
  expect(connected).toHaveBeenCalledExactlyOnceWith(connection)
  expect(dialled.map(({ signal }) => signal.aborted)).toEqual([true, true])
})

test('a peer is dialled at a bounded number of addresses', async () => {
  const many = Array.from({ length: maxPunchAddresses + 1 }, (_, index) => multiaddr(`/ip4/11.0.0.1/tcp/${index + 1}`))
  const { dialled } = dialOf(many)
  await vi.advanceTimersByTimeAsync(0)
  expect(dialled).toHaveLength(maxPunchAddresses)
})

test.each([
  ['addresses of TCP', [1, 2, 3].map((port) => `/ip4/11.0.0.${port}/tcp/1`), tcpDialBytes],
  ['addresses of QUIC', [1, 2, 3].map((port) => `/ip4/11.0.0.${port}/udp/1/quic-v1`), quicDialBytes],
])('a peer pays for dials of its %s, with a third of its bytes', async (_, own, bytes) => {
  const { dialled } = dialOf(
    own.map((address) => multiaddr(address)),
    { receivedBytes: (2 * bytes) / 3 },
  )
  await vi.advanceTimersByTimeAsync(0)
  expect(dialled.map(({ address }) => address)).toEqual(own.slice(0, 2))
})

test('an address of QUIC is left to the hole where there is one of TCP: its dial goes on when it is given up', async () => {
  const { dialled } = dialOf([multiaddr('/ip4/11.0.0.1/udp/1/quic-v1'), tcp])
  await vi.advanceTimersByTimeAsync(0)
  expect(dialled.map(({ address }) => address)).toEqual([tcp.toString()])
})

test('addresses to which nothing is punched, too, are dialled only if the peer has sent enough', async () => {
  const { ended } = dialOf([webSocket], { receivedBytes: 10 })
  await vi.advanceTimersByTimeAsync(0)
  expect(ended).toHaveBeenCalledOnce()
})

test('a peer that this node does not dial is not dialled for this either', async () => {
  const { ended, dialled } = dialOf([tcp], { isDenied: true })
  await vi.advanceTimersByTimeAsync(0)
  expect(ended).toHaveBeenCalledOnce()
  expect(dialled).toEqual([])
})

test('an address to which nothing is punched has as long as libp2p gives it', async () => {
  const whole = new AbortController()
  const { ended } = dialOf([webSocket], { signal: whole.signal })
  await vi.advanceTimersByTimeAsync(4_999)
  expect(ended).not.toHaveBeenCalled()
  whole.abort(new Error('the time of libp2p'))
  await vi.advanceTimersByTimeAsync(0)
  expect(ended).toHaveBeenCalledOnce()
})

test('the dial of an address that can be punched to ends with that of libp2p', async () => {
  const whole = new AbortController()
  const { ended } = dialOf([tcp], { signal: whole.signal })
  await vi.advanceTimersByTimeAsync(0)
  whole.abort(new Error('given up'))
  await vi.advanceTimersByTimeAsync(0)
  expect(ended).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ errors: [new Error('given up')] }))
})
