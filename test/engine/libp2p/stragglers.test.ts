import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { EngineEvent, P2PEngine } from '../../../src/engine/engine.ts'
import { messageId } from '../../../src/model/signed-message.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { type StockNode, stockNode } from '../../fixtures/stock-node.ts'

/** What becomes of neighbours whose streams and links come and go while something is sent. */

async function addressOf(engine: P2PEngine): Promise<string> {
  const [address = ''] = await engine.multiaddrs()
  return address
}

const sign = (engine: P2PEngine, data: (string | Uint8Array)[]) =>
  engine.sign(data.map((each) => ({ topic: 'orders', data: Buffer.from(each) })))

/** A stock node that has joined the topic, with what it hears. */
async function reader(engine: P2PEngine, options: Parameters<typeof stockNode>[0] = {}) {
  const node = await stockNode(options)
  const heard: string[] = []
  node.services.pubsub.addEventListener('message', ({ detail }) => void heard.push(Buffer.from(detail.data).toString()))
  node.services.pubsub.subscribe('orders')
  await node.dial(multiaddr(await addressOf(engine)))
  const peerId = node.peerId.toString()
  await expect.poll(() => engine.subscribers('orders')).toContain(peerId)
  return { node, peerId, heard }
}

function eventsOf(engine: P2PEngine, ...types: EngineEvent['type'][]): EngineEvent[] {
  const events: EngineEvent[] = []
  engine.listen((event) => {
    if (types.includes(event.type)) events.push(event)
  })
  return events
}

const gossipStreams = (node: StockNode, direction: 'inbound' | 'outbound') =>
  node
    .getConnections()
    .flatMap(({ streams }) => streams.filter((each) => each.direction === direction && each.protocol.startsWith('/meshsub/')))

test('who has left without having said who it is counts for no recipient', async () => {
  const engine = await startedLibp2pEngine()
  const { node, peerId } = await reader(engine, { saysNothing: true })
  const events = eventsOf(engine, 'peer:behind', 'peer:disconnect')
  expect(await engine.send(await sign(engine, ['there']))).toEqual([1])
  await node.stop()
  await expect.poll(() => events).toContainEqual({ type: 'peer:disconnect', peerId })
  events.length = 0
  expect(await engine.send(await sign(engine, ['gone']))).toEqual([0])
  expect(engine.stragglers?.hasRoom(peerId)).toBe(false)
  expect(events).toEqual([])
})

test('a peer that gossip has forgotten, and that will tell its topics again, is handed nothing of what it has missed before that', async () => {
  const engine = await startedLibp2pEngine()
  const { node, peerId, heard } = await reader(engine)
  const signed = await sign(engine, ['one', 'two'])
  await engine.send(signed)
  const events = eventsOf(engine, 'peer:behind', 'peer:room')
  // Its stream breaks, and so does ours to it.
  for (const stream of gossipStreams(node, 'inbound')) stream.abort(new Error('broken'))
  for (const stream of gossipStreams(node, 'outbound')) stream.abort(new Error('broken'))
  await expect.poll(() => events.map(({ type }) => type)).toContain('peer:behind')
  if ((await engine.subscribers('orders')).length === 0) expect(await engine.stragglers?.send(peerId, signed)).toBe(0)
  await expect.poll(() => engine.stragglers?.hasRoom(peerId), { timeout: 20_000 }).toBe(true)
  expect(await engine.subscribers('orders')).toEqual([peerId])
  expect(await engine.stragglers?.send(peerId, await sign(engine, ['three']))).toBe(1)
  await expect.poll(() => heard).toContain('three')
})

test('a peer of whose two links one ends takes messages of the same sizes as before', async () => {
  const engine = await startedLibp2pEngine()
  const { node, peerId, heard } = await reader(engine)
  const addresses = await engine.multiaddrs()
  await node.dial(multiaddr(addresses.find((address) => address.includes('/ws')) ?? ''), { force: true })
  await expect.poll(() => node.getConnections().length).toBe(2)
  const events = eventsOf(engine, 'peer:room')
  const large = Buffer.alloc(100_000)
  await engine.send(await sign(engine, [large]))
  await expect.poll(() => heard.length).toBe(1)
  const used = node
    .getConnections()
    .find(({ streams }) => streams.some((each) => each.direction === 'inbound' && each.protocol.startsWith('/meshsub/')))
  await used?.close()
  await expect.poll(() => events.length).toBeGreaterThan(0)
  engine.stragglers?.settle(peerId)
  expect(engine.stragglers?.settle(peerId)).toBe(true)
  expect(await engine.send(await sign(engine, [large]))).toEqual([1])
  expect(engine.limitsReached.peer_message_size ?? 0).toBe(0)
})

test('a node that stops tells what its neighbours may not have got, and keeps nothing of them', async () => {
  const engine = await startedLibp2pEngine()
  const { peerId } = await reader(engine)
  const events = eventsOf(engine, 'peer:left')
  const texts = Array.from({ length: 1_000 }, (_, index) => String(index))
  const signed = await sign(engine, texts)
  await engine.send(signed)
  await engine.stop()
  const [first] = signed
  const since = first === undefined ? '' : messageId(first.from, first.sequence)
  expect(events).toEqual([{ type: 'peer:left', peerId, since, topics: ['orders'] }])
  await engine.start()
  expect(engine.stragglers?.settle(peerId)).toBe(true)
})

test('a neighbour whose stream is full of messages hears of topics that are joined meanwhile', async () => {
  const engine = await startedLibp2pEngine()
  const { node, heard } = await reader(engine, { agent: 'rust-libp2p/0.47.0' })
  await expect.poll(async () => (await engine.peers())[0]?.agent).toBe('rust-libp2p/0.47.0')
  for (const stream of gossipStreams(node, 'inbound')) stream.pause()
  const events = eventsOf(engine, 'peer:behind')
  for (const message of await sign(
    engine,
    Array.from({ length: 10_000 }, () => Buffer.alloc(200)),
  )) {
    await engine.send([message])
    if (events.length > 0) break
  }
  expect(events.length).toBe(1)
  const later = Array.from({ length: 50 }, (_, index) => `later ${index}`)
  for (const topic of later) await engine.subscribe(topic)
  for (const stream of gossipStreams(node, 'inbound')) stream.resume()
  const joined = () => later.filter((topic) => node.services.pubsub.getSubscribers(topic).map(String).includes(engine.peerId))
  await expect.poll(joined).toEqual(later)
  expect(heard.length).toBeGreaterThan(500)
})
