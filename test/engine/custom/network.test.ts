import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { startedCustomEngine } from '../../fixtures/custom-engine.ts'

const signal = AbortSignal.timeout(600_000)
const onAllNetworks = { listen: ['/ip4/0.0.0.0/tcp/0/ws'], dialOwnHost: true }

interface Node {
  engine: P2PEngine
  received: string[]
}

async function startNode(options: Parameters<typeof startedCustomEngine>[0] = {}): Promise<Node> {
  const received: string[] = []
  const engine = await startedCustomEngine({
    ...onAllNetworks,
    ...options,
    inbound: {
      async onMessage({ data }) {
        received.push(Buffer.from(data).toString())
        return 'accept'
      },
    },
  })
  return { engine, received }
}

async function publish({ engine }: Node, topic: string, text: string): Promise<void> {
  await engine.send(await engine.sign([{ topic, data: Buffer.from(text) }]))
}

const peerIds = async ({ engine }: Node) => (await engine.peers()).map(({ peerId }) => peerId)

test('twelve nodes that know one address learn of each other, and every message reaches each of them once', async () => {
  const first = await startNode()
  const bootstrap = await first.engine.multiaddrs()
  const others = await Promise.all(Array.from({ length: 11 }, () => startNode({ bootstrap: bootstrap.slice(0, 1) })))
  const nodes = [first, ...others]
  for (const { engine } of nodes) await engine.subscribe('orders')
  // Not a star around the first.
  await expect.poll(async () => Math.min(...(await Promise.all(others.map(peerIds))).map((peers) => peers.length))).toBeGreaterThan(1)
  for (const [index, node] of nodes.entries()) await publish(node, 'orders', `from ${index}`)
  for (const [index, { received }] of nodes.entries()) {
    const expected = nodes.flatMap((_, author) => (author === index ? [] : `from ${author}`))
    await expect.poll(() => received.toSorted()).toEqual(expected.toSorted())
  }
})

test('nodes on one local network find each other without any address', async () => {
  const mdnsServiceName = `_${randomUUID().slice(0, 8)}._udp.local`
  const [a, b] = [await startNode({ mdnsServiceName }), await startNode({ mdnsServiceName })]
  await expect.poll(() => peerIds(a)).toEqual([b.engine.peerId])
})

test('a configured peer is dialled again when it comes back, by its address alone', async () => {
  const b = await startNode()
  const port = /\/tcp\/(\d+)\//.exec((await b.engine.multiaddrs())[0] ?? '')?.[1]
  const a = await startNode({ bootstrap: [`ws://127.0.0.1:${port}`] })
  await expect.poll(() => peerIds(a)).toEqual([b.engine.peerId])
  await b.engine.hangUp(a.engine.peerId)
  await expect.poll(() => peerIds(b)).toEqual([])
  await expect.poll(() => peerIds(a)).toEqual([b.engine.peerId])
})

test('two nodes that dial each other at the same moment have one link, and are told of it once', async () => {
  for (let round = 0; round < 10; round++) {
    const [a, b] = [await startNode(), await startNode()]
    const connects: string[] = []
    for (const { engine } of [a, b]) engine.listen((event) => event.type === 'peer:connect' && connects.push(event.peer.peerId))
    const signal = AbortSignal.timeout(20_000)
    const [atA = '', atB = ''] = [(await a.engine.multiaddrs())[0], (await b.engine.multiaddrs())[0]]
    await Promise.all([a.engine.dial(atB, { source: 'rest', signal }), b.engine.dial(atA, { source: 'rest', signal })])
    await a.engine.ping(b.engine.peerId, { signal })
    await b.engine.ping(a.engine.peerId, { signal })
    expect([await peerIds(a), await peerIds(b)]).toEqual([[b.engine.peerId], [a.engine.peerId]])
    expect(connects.toSorted()).toEqual([a.engine.peerId, b.engine.peerId].toSorted())
    const [viewA, viewB] = [(await a.engine.peers())[0], (await b.engine.peers())[0]]
    expect([viewA?.direction, viewB?.direction].toSorted()).toEqual(['inbound', 'outbound'])
  }
})

test('a peer that is dialled several times at once has one link, the same at both ends, and what is sent meanwhile arrives', async () => {
  for (let round = 0; round < 10; round++) {
    const [a, b] = [await startNode(), await startNode()]
    await Promise.all([a, b].map(({ engine }) => engine.subscribe('orders')))
    // Without a peer id, so that each is dialled although there is a link.
    const address = (await b.engine.multiaddrs())[0]?.replace(/\/p2p\/.*/, '') ?? ''
    const dials = Array.from({ length: 4 }, () => a.engine.dial(address, { source: 'rest', signal }))
    await Promise.race(dials)
    await expect
      .poll(() => Promise.all([a.engine.subscribers('orders'), b.engine.subscribers('orders')]))
      .toEqual([[b.engine.peerId], [a.engine.peerId]])
    const texts = Array.from({ length: 20 }, (_, index) => `${index}`)
    for (const text of texts) await Promise.all([publish(a, 'orders', text), publish(b, 'orders', text)])
    await Promise.all(dials)
    for (const { received } of [a, b]) await expect.poll(() => new Set(received)).toEqual(new Set(texts))
    expect([await peerIds(a), await peerIds(b)]).toEqual([[b.engine.peerId], [a.engine.peerId]])
  }
})

test('a dial of a peer that is linked leaves what is known of it as it is', async () => {
  const [a, b] = await Promise.all([startedCustomEngine(), startedCustomEngine()])
  await b.subscribe('orders')
  const [address = ''] = await b.multiaddrs()
  await a.dial(address, { source: 'rest', signal })
  await expect.poll(() => a.subscribers('orders')).toEqual([b.peerId])
  await a.dial(address, { source: 'rest', signal })
  expect(await a.subscribers('orders')).toEqual([b.peerId])
})

test('what is published while one link takes the place of another arrives, also in a topic that was just subscribed to', async () => {
  const nodes = await Promise.all([startNode(), startNode()])
  const [low, high] = nodes.toSorted((a, b) => (a.engine.peerId < b.engine.peerId ? -1 : 1))
  if (low === undefined || high === undefined) throw new Error('two nodes are two')
  const dial = async (from: Node, to: Node) => {
    // Without a peer id, so that it is dialled although there is a link.
    const address = (await to.engine.multiaddrs())[0]?.replace(/\/p2p\/.*/, '') ?? ''
    await from.engine.dial(address, { source: 'rest', signal })
  }
  await dial(high, low)
  for (const { engine } of nodes) await engine.subscribe('orders')
  await expect
    .poll(() => Promise.all([low, high].map(({ engine }) => engine.subscribers('orders'))))
    .toEqual([[high.engine.peerId], [low.engine.peerId]])
  const replacing = dial(low, high)
  const texts: string[] = []
  for (let replaced = false; !replaced; ) {
    const text = `message ${texts.length}`
    texts.push(text)
    await Promise.all(nodes.map((node) => publish(node, 'orders', text)))
    await nextTurn()
    replaced = (await low.engine.peers())[0]?.direction === 'outbound' && (await high.engine.peers())[0]?.direction === 'inbound'
  }
  await replacing
  for (const { received } of nodes) await expect.poll(() => received.toSorted()).toEqual(texts.toSorted())
})
