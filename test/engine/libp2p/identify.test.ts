import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import { identifyServices } from '../../../src/engine/libp2p/identify.ts'
import { firstAddresses } from '../../../src/engine/libp2p/stored-addresses.ts'
import { type HostileLibp2pPeer, hostileLibp2pPeer } from '../../fixtures/hostile-libp2p-peer.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { field, sized } from '../../fixtures/protobuf.ts'

/** What a peer says of itself: addresses and protocols, from a first one on. */
function said({ addresses, protocols = 0, first = 0 }: { addresses: number; protocols?: number; first?: number }): Buffer {
  return sized(
    Buffer.concat([
      ...Array.from({ length: addresses }, (_, index) => field(2, multiaddr(`/ip4/127.0.0.77/tcp/${1_000 + first + index}`).bytes)),
      ...Array.from({ length: protocols }, (_, index) => field(3, Buffer.from(`/p/${first + index}`))),
    ]),
  )
}

async function push({ connection }: HostileLibp2pPeer, ...messages: Buffer[]) {
  const stream = await connection.newStream(['/ipfs/id/push/1.0.0'])
  stream.send(Buffer.concat(messages))
  await stream.close().catch(() => undefined)
  return stream
}

/** A node with these services and no other, and a peer of it. */
async function nodeAndPeer() {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    peerStore: { addressFilter: firstAddresses() },
    services: identifyServices({ reached: { note: () => undefined } }),
  })
  onTestFinished(async () => void (await node.stop()))
  const peer = await hostileLibp2pPeer(node.getMultiaddrs()[0]?.toString() ?? '')
  await expect.poll(() => node.getPeers().length).toBe(1)
  const [id] = node.getPeers()
  if (id === undefined) throw new Error('no peer')
  const stored = () => node.peerStore.get(id)
  return { id, node, peer, stored }
}

test('of what a peer says of itself, 64 addresses and 200 protocols are stored', async () => {
  const { peer, stored } = await nodeAndPeer()
  await push(peer, said({ addresses: 500, protocols: 400 }))
  await expect.poll(async () => (await stored()).addresses.length).toBe(64)
  expect((await stored()).protocols.length).toBeLessThanOrEqual(201)
})

test('16 KiB are read of what a peer says of itself, in several messages', async () => {
  const { peer, stored } = await nodeAndPeer()
  const [some, last] = [said({ addresses: 500 }), said({ addresses: 0, protocols: 1, first: 77 })]
  await push(peer, some, last)
  await expect.poll(async () => (await stored()).protocols).toContain('/p/77')
  const stays = (await stored()).addresses.map(({ multiaddr: address }) => address.toString())
  const others = said({ addresses: 500, first: 5_000 })
  await push(peer, others, others, others, others)
  const next = async () => {
    await push(peer, said({ addresses: 0, protocols: 1, first: 79 }))
    return (await stored()).protocols
  }
  await expect.poll(next, { interval: 1_000 }).toContain('/p/79')
  expect((await stored()).addresses.map(({ multiaddr: address }) => address.toString())).toEqual(stays)
})

test('a peer that pushes what it says of itself without end is cut, and one that does it now and then is not', async () => {
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const [address = ''] = await engine.multiaddrs()
  const [honest, hostile] = [await hostileLibp2pPeer(address), await hostileLibp2pPeer(address)]
  for (let count = 0; count < 10; count++) await push(honest, said({ addresses: 1, first: count }))
  for (let count = 0; count < 100 && hostile.connection.status === 'open'; count++) {
    await push(hostile, said({ addresses: 1, first: count })).catch(() => undefined)
  }
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  expect(engine.limitsReached.frame_flood).toBe(1)
  expect(honest.connection.status).toBe('open')
})

test('of what anyone has told of a peer, 64 addresses are stored', async () => {
  const { id, node } = await nodeAndPeer()
  for (let told = 0; told < 10; told++) {
    const multiaddrs = Array.from({ length: 16 }, (_, index) => multiaddr(`/ip4/127.0.0.77/tcp/${1_000 + 100 * told + index}`))
    await node.peerStore.merge(id, { multiaddrs })
  }
  expect((await node.peerStore.get(id)).addresses).toHaveLength(64)
})
