import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import type { P2PEngine } from '../../src/engine/engine.ts'
import type { SignedMessage } from '../../src/model/signed-message.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'
import { type StockNode, stockNode } from '../fixtures/stock-node.ts'

/** Peergate beside a js-libp2p node with stock settings, whose message ids differ from ours: both ways, over every transport. */

const signal = AbortSignal.timeout(600_000)
const count = 1_000
const perSecond = 200
const numbers = Array.from({ length: count }, (_, number) => String(number))
const forms = { tcp: /\/tcp\/\d+\/p2p/, websocket: /\/ws\//, quic: /\/quic-v1\// }

interface Pair {
  engine: P2PEngine
  received: SignedMessage[]
  stock: StockNode
  heard: string[]
}

async function pair(options: Parameters<typeof stockNode>[0] = {}): Promise<Pair> {
  const received: SignedMessage[] = []
  const engine = await startedLibp2pEngine({
    inbound: {
      async onMessage(message) {
        received.push(message)
        return 'accept'
      },
    },
  })
  const stock = await stockNode(options)
  const heard: string[] = []
  stock.services.pubsub.addEventListener('message', ({ detail }) => heard.push(Buffer.from(detail.data).toString()))
  return { engine, received, stock, heard }
}

/** Calls with each number in turn, so many a second. */
async function paced(send: (number: string) => Promise<unknown>): Promise<void> {
  const start = performance.now()
  const sending: Promise<unknown>[] = []
  for (const [index, number] of numbers.entries()) {
    const wait = start + (index / perSecond) * 1_000 - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    sending.push(send(number))
  }
  await Promise.all(sending)
}

async function subscribeBoth({ engine, stock }: { engine: P2PEngine; stock: StockNode }): Promise<void> {
  stock.services.pubsub.subscribe('orders')
  await engine.subscribe('orders')
  await expect.poll(() => engine.subscribers('orders')).toEqual([stock.peerId.toString()])
  await expect.poll(() => stock.services.pubsub.getSubscribers('orders').map(String)).toEqual([engine.peerId])
}

describe.for(['tcp', 'websocket', 'quic'] as const)('a stock node over %s', (transport) => {
  test('exchanges 1,000 of 1,000 messages at 200/s in both directions at once, each once, when it is dialled', async () => {
    const { engine, received, stock, heard } = await pair()
    const address =
      stock
        .getMultiaddrs()
        .map(String)
        .find((one) => forms[transport].test(one)) ?? ''
    await engine.dial(address, { source: 'rest', signal })
    await subscribeBoth({ engine, stock })
    await Promise.all([
      paced(async (number) => await engine.send(await engine.sign([{ topic: 'orders', data: Buffer.from(number) }]))),
      paced(async (number) => await stock.services.pubsub.publish('orders', Buffer.from(number))),
    ])
    await expect.poll(() => [heard.length, received.length]).toEqual([count, count])
    expect(new Set(heard)).toEqual(new Set(numbers))
    expect(new Set(received.map(({ data }) => Buffer.from(data).toString()))).toEqual(new Set(numbers))
    expect(new Set(received.map(({ from }) => from))).toEqual(new Set([stock.peerId.toString()]))
  })

  test('exchanges messages when it dials, answers a ping, and tells who it is', async () => {
    const { engine, received, stock, heard } = await pair()
    const address = (await engine.multiaddrs()).find((one) => forms[transport].test(one)) ?? ''
    await stock.dial(multiaddr(address))
    await subscribeBoth({ engine, stock })
    await engine.send(await engine.sign([{ topic: 'orders', data: Buffer.from('from the engine') }]))
    await stock.services.pubsub.publish('orders', Buffer.from('from the stock node'))
    await expect.poll(() => heard).toEqual(['from the engine'])
    await expect.poll(() => received.map(({ data }) => Buffer.from(data).toString())).toEqual(['from the stock node'])
    expect(await engine.ping(stock.peerId.toString(), { signal })).toBeGreaterThan(0)
    expect(await stock.services.ping.ping(stock.getPeers()[0] ?? multiaddr(address))).toBeGreaterThanOrEqual(0)
    const [peer] = await engine.peers()
    expect(peer?.agent).toContain('js-libp2p')
    expect(peer?.protocols).toContain('/ipfs/ping/1.0.0')
  })
})

test('exchanges messages with a node that has not said what it speaks, as when that got lost', async () => {
  const { engine, stock, received, heard } = await pair({ saysNothing: true })
  await engine.dial(stock.getMultiaddrs().map(String)[0] ?? '', { source: 'rest', signal })
  await subscribeBoth({ engine, stock })
  await engine.send(await engine.sign([{ topic: 'orders', data: Buffer.from('from the engine') }]))
  await stock.services.pubsub.publish('orders', Buffer.from('from the stock node'))
  await expect.poll(() => heard).toEqual(['from the engine'])
  await expect.poll(() => received.map(({ data }) => Buffer.from(data).toString())).toEqual(['from the stock node'])
})

test('a stock node between two engines carries messages of each to the other', async () => {
  const { engine, stock, received } = await pair()
  const other = await startedLibp2pEngine()
  stock.services.pubsub.subscribe('orders')
  await engine.subscribe('orders')
  const [address = ''] = stock.getMultiaddrs().map(String)
  await engine.dial(address, { source: 'rest', signal })
  await other.dial(address, { source: 'rest', signal })
  await expect.poll(() => other.subscribers('orders')).toEqual([stock.peerId.toString()])
  await expect.poll(() => stock.services.pubsub.getSubscribers('orders').map(String)).toEqual([engine.peerId])
  await other.send(await other.sign([{ topic: 'orders', data: Buffer.from('over the stock node') }]))
  // Forwarded to the mesh, or offered at a heartbeat and asked for.
  await expect.poll(() => received.map(({ data }) => Buffer.from(data).toString())).toEqual(['over the stock node'])
  expect(received[0]?.from).toBe(other.peerId)
})
