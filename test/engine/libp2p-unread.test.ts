import { setImmediate as nextTurn } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'

/** Dials an address, and answers the encrypted connection below the muxer. */
async function connectionTo(address: string): Promise<MessageStream> {
  let below: MessageStream | undefined
  const keeping = (): StreamMuxerFactory => {
    const factory = yamux()()
    const { createStreamMuxer } = factory
    factory.createStreamMuxer = (connection) => {
      below = connection
      return createStreamMuxer.call(factory, connection)
    }
    return factory
  }
  const node = await createLibp2p({
    addresses: { listen: [] },
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [keeping],
  })
  onTestFinished(async () => void (await node.stop()))
  await node.dial(multiaddr(address))
  if (below === undefined) throw new Error('no muxer was made')
  return below
}

/** https://github.com/hashicorp/yamux/blob/master/spec.md: version 0, type 2, SYN, stream 0. */
const pings = Buffer.concat(Array.from({ length: 1_000 }, () => Buffer.from('000200010000000000000001', 'hex')))

test('a peer that sends pings and does not read what they are answered is cut', async () => {
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'], limits: { maxPubsubBufferBytes: 65_536 } })
  const [address = ''] = await engine.multiaddrs()
  const connection = await connectionTo(address)
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  connection.pause()
  // More than the buffers of both ends' systems hold.
  for (let sent = 0; sent < 1_000 && connection.status === 'open'; await nextTurn()) {
    if (connection.writeBufferLength > 1_000_000) continue
    connection.send(pings)
    sent++
  }
  await expect.poll(() => engine.peers()).toEqual([])
  expect(engine.limitsReached.unread_link).toBe(1)
})

/** Type 1 (window), SYN, each of a stream of its own. */
function opening(count: number): Buffer {
  const frames = Buffer.alloc(12 * count)
  for (let index = 0; index < count; index++) {
    frames.writeUInt32BE(0x00010001, 12 * index)
    frames.writeUInt32BE(100_001 + 2 * index, 12 * index + 4)
  }
  return frames
}

test('a peer that opens streams without end, most of which are refused, is cut, and one that opens some is not', async () => {
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const [address = ''] = await engine.multiaddrs()
  const honest = await connectionTo(address)
  const hostile = await connectionTo(address)
  await expect.poll(async () => (await engine.peers()).length).toBe(2)
  honest.send(opening(1_000))
  hostile.send(opening(20_000))
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  expect(honest.status).toBe('open')
})
