import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type LengthPrefixedStream, lpStream, streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test, vi } from 'vitest'
import { AddressNotReached } from '../../../../src/engine/dial/gate.ts'
import { createDialPolicy } from '../../../../src/engine/dial/policy.ts'
import {
  decodeMessage,
  dialStatus,
  encodeMessage,
  type Message,
  responseStatus,
} from '../../../../src/engine/libp2p/reach/autonat-messages.ts'
import { type AutonatServerComponents, createAutonatServer } from '../../../../src/engine/libp2p/reach/autonat-server.ts'
import { silentLog } from '../../../fixtures/log.ts'

const signal = AbortSignal.timeout(60_000)
const seenAt = '/ip4/8.8.4.7/tcp/40001'
const own = '/ip4/8.8.4.7/tcp/7071'
const elsewhere = '/ip4/9.9.9.9/tcp/22'

async function peerNamed(remoteAddr = seenAt): Promise<Connection> {
  const remotePeer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  return { remotePeer, remoteAddr: multiaddr(remoteAddr) } as unknown as Connection
}

/** A server whose dials are noted, and fail. */
function server(components: Partial<AutonatServerComponents> = {}, timeoutMs = 30_000) {
  const dialled: string[] = []
  const answer = createAutonatServer(
    { timeoutMs },
    {
      policy: createDialPolicy({ dialPrivate: true }, { ownAddresses: () => ['10.1.0.2/16'] }),
      async dial(address) {
        dialled.push(address.toString())
        throw new AddressNotReached([], { wasTried: true })
      },
      hasRoom: () => true,
      now: () => 0,
      logger: silentLog,
      ...components,
    },
  )
  async function open(connection: Connection): Promise<LengthPrefixedStream> {
    const [mine, theirs] = await streamPair()
    void answer(theirs, connection)
    return lpStream(mine)
  }
  async function ask(addresses: string[], connection: Connection): Promise<Message> {
    const messages = await open(connection)
    await messages.write(encodeMessage({ type: 'dialRequest', addresses: addresses.map((each) => multiaddr(each).bytes), nonce: 7n }), {
      signal,
    })
    return decodeMessage((await messages.read({ signal })).subarray())
  }
  return { ask, open, dialled }
}

const failed = (index: number) => ({ type: 'dialResponse', status: responseStatus.ok, index, dialStatus: dialStatus.dialError })
const refused = { type: 'dialResponse', status: responseStatus.dialRefused, index: 0, dialStatus: dialStatus.unused }
const rejected = { type: 'dialResponse', status: responseStatus.rejected, index: 0, dialStatus: dialStatus.unused }

test('the first address of the peer is dialled, as that peer only, and no other', async () => {
  const { ask, dialled } = server()
  const peer = await peerNamed()
  expect(await ask(['/dns4/8.8.4.7.example/tcp/1', own, '/ip4/8.8.4.7/udp/7071/quic-v1'], peer)).toEqual(failed(1))
  expect(dialled).toEqual([`${own}/p2p/${peer.remotePeer}`])
})

test.each([
  ['/ip4/127.0.0.1/tcp/22'],
  ['/ip4/10.1.0.3/tcp/22'],
  ['/ip4/192.168.1.1/tcp/80'],
  ['/ip4/169.254.169.254/tcp/80'],
  ['/ip6/fd00::1/tcp/80'],
  ['/dns4/elsewhere.example/tcp/7071'],
  ['/ip4/8.8.4.7/udp/53'],
  ['/ip4/8.8.4.7/tcp/7071/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'],
  ['/ip4/8.8.4.7/tcp/7071/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz/p2p-circuit'],
])('nobody has this node dial %s', async (address) => {
  const { ask, dialled } = server()
  expect(await ask([address], await peerNamed())).toEqual(refused)
  expect(dialled).toEqual([])
})

test('an address that the policy of dials refuses is not dialled', async () => {
  const policy = { ...createDialPolicy({ dialPrivate: true }, { ownAddresses: () => [] }), refusal: () => 'it is refused' }
  const { ask, dialled } = server({ policy })
  expect(await ask([own], await peerNamed())).toEqual(refused)
  expect(dialled).toEqual([])
})

test('a peer in a network of this host is dialled back at its own private address, not at that of a neighbour', async () => {
  const { ask, dialled } = server()
  const peer = await peerNamed('/ip4/10.1.0.3/tcp/40001')
  expect(await ask(['/ip4/10.1.0.4/tcp/7071', '/ip4/10.1.0.3/tcp/7071'], peer)).toEqual(failed(1))
  expect(dialled).toEqual([`/ip4/10.1.0.3/tcp/7071/p2p/${peer.remotePeer}`])
})

test('a peer that is seen elsewhere has to send much more than a dial costs before it is dialled', async () => {
  const { open, dialled } = server()
  const messages = await open(await peerNamed())
  const write = (message: Message) => messages.write(encodeMessage(message), { signal })
  await write({ type: 'dialRequest', addresses: [multiaddr(elsewhere).bytes], nonce: 7n })
  const request = decodeMessage((await messages.read({ signal })).subarray())
  const bytes = request.type === 'dialDataRequest' ? request.bytes : 0
  expect(bytes).toBeGreaterThanOrEqual(30_000)
  expect(bytes).toBeLessThanOrEqual(100_000)
  for (let missing = bytes; missing > 0; missing -= 4_096) {
    expect(dialled).toEqual([])
    await write({ type: 'dialData', data: new Uint8Array(Math.min(missing, 4_096)) })
  }
  expect(decodeMessage((await messages.read({ signal })).subarray())).toEqual(failed(0))
  expect(dialled).toHaveLength(1)
})

test('a peer that sends the data in tiny pieces gets no dial', async () => {
  const { open, dialled } = server()
  const messages = await open(await peerNamed())
  await messages.write(encodeMessage({ type: 'dialRequest', addresses: [multiaddr(elsewhere).bytes], nonce: 7n }), { signal })
  await messages.read({ signal })
  await messages.write(encodeMessage({ type: 'dialData', data: new Uint8Array(99) }), { signal })
  await expect(messages.read({ signal })).rejects.toThrow()
  expect(dialled).toEqual([])
})

test('a peer behind a relay is not dialled back', async () => {
  const { ask, dialled } = server()
  const through = '/ip4/8.8.4.7/tcp/7071/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz/p2p-circuit'
  expect(await ask([own], await peerNamed(through))).toEqual(rejected)
  expect(dialled).toEqual([])
})

test('a dial that the gate does not allow, or that finds no room, does not say that the peer is unreachable', async () => {
  const dial = async () => {
    throw new AddressNotReached([])
  }
  expect(await server({ dial }).ask([own], await peerNamed())).toEqual(refused)
  expect(await server({ hasRoom: () => false }).ask([own], await peerNamed())).toEqual(refused)
})

test('ofPeer: a peer has 12 dial-backs at once, then one every ten seconds', async () => {
  let now = 0
  const { ask, dialled } = server({ now: () => now })
  const peer = await peerNamed()
  for (let count = 0; count < 12; count++) expect(await ask([own], peer)).toEqual(failed(0))
  expect(await ask([own], peer)).toEqual(rejected)
  now += 10_000
  expect(await ask([own], peer)).toEqual(failed(0))
  expect(dialled).toHaveLength(13)
})

test('ofHost: a host is dialled 24 times at once, whoever asks', async () => {
  const { ask, dialled } = server()
  for (let count = 0; count < 24; count++) expect(await ask([own], await peerNamed())).toEqual(failed(0))
  expect(await ask([own], await peerNamed())).toEqual(refused)
  expect(dialled).toHaveLength(24)
})

test('ofAll: there are 48 dial-backs at once, whoever asks', async () => {
  const { ask } = server()
  for (let count = 0; count < 48; count++) {
    const ip = `8.8.4.${count + 1}`
    expect(await ask([`/ip4/${ip}/tcp/7071`], await peerNamed(`/ip4/${ip}/tcp/40001`))).toEqual(failed(0))
  }
  expect(await ask([own], await peerNamed())).toEqual(rejected)
})

test('maxRequests: a host has three quarters of the places for requests, while no other has any', async () => {
  const { open, ask } = server()
  for (let count = 0; count < 12; count++) await open(await peerNamed())
  await expect(ask([own], await peerNamed())).rejects.toThrow()
  expect(await ask(['/ip4/8.8.4.8/tcp/7071'], await peerNamed('/ip4/8.8.4.8/tcp/40001'))).toEqual(failed(0))
})

test('maxAddresses: the first sixteen addresses of a request are considered', async () => {
  const names = Array.from({ length: 16 }, (_, index) => `/dns4/${index}.example/tcp/1`)
  const { ask, dialled } = server()
  expect(await ask([...names, own], await peerNamed())).toEqual(refused)
  expect(dialled).toEqual([])
  expect(await ask([...names.slice(1), own], await peerNamed())).toEqual(failed(15))
})

test('a request has an end, however long a dial takes', async () => {
  const dial = (_address: unknown, ended: AbortSignal) =>
    new Promise<never>((_resolve, reject) => ended.addEventListener('abort', () => reject(ended.reason), { once: true }))
  await expect(server({ dial }, 50).ask([own], await peerNamed())).rejects.toThrow()
})

test('a connection on which the dial-back has failed is given up', async () => {
  const abort = vi.fn()
  const opened = { newStream: () => Promise.reject(new Error('the protocol is not spoken')), abort }
  const answer = await server({ dial: async () => opened as unknown as Connection }).ask([own], await peerNamed())
  expect(answer).toEqual({ ...failed(0), dialStatus: dialStatus.dialBackError })
  expect(abort).toHaveBeenCalledOnce()
})
