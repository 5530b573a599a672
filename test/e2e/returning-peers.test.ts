import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { Peer } from '../../src/model/peer.ts'
import { type MovingGateway, movingGateway } from '../fixtures/moving-gateway.ts'
import { type StockNode, stockNode } from '../fixtures/stock-node.ts'

/** A peer of another implementation keeps no log: what it misses with its link comes from the gateway, or never. */

const topic = 'orders'
const numbered = (name: string) => Array.from({ length: 60 }, (_, number) => `${name} ${number}`)

async function subscribersAt({ rest }: MovingGateway): Promise<string[]> {
  const { items } = await rest.get<{ items: Peer[] }>(`/v1/peers?topic=${topic}&state=connected`)
  return items.map(({ peerId }) => peerId)
}

async function subscriber(gateway: MovingGateway): Promise<{ node: StockNode; heard: string[] }> {
  const node = await stockNode()
  const heard: string[] = []
  node.services.pubsub.addEventListener('message', ({ detail }) => heard.push(Buffer.from(detail.data).toString()))
  node.services.pubsub.subscribe(topic)
  await node.dial(multiaddr(gateway.address('libp2p')))
  await expect.poll(() => subscribersAt(gateway)).toContain(node.peerId.toString())
  return { node, heard }
}

/** What the gateway writes to a node from now on does not get further than the node's buffers. */
function holdGossip(node: StockNode): void {
  for (const { streams } of node.getConnections())
    for (const stream of streams) if (stream.direction === 'inbound' && stream.protocol.startsWith('/meshsub/')) stream.pause()
}

for (const engine of ['libp2p', 'both'] as const) {
  test(`a stock peer whose link breaks is given what it missed when it returns, also where another one stayed (${engine})`, async () => {
    const gateway = await movingGateway()
    await gateway.start(engine)
    const [leaving, staying] = [await subscriber(gateway), await subscriber(gateway)]
    let publisher = gateway
    if (engine === 'both') {
      publisher = await movingGateway()
      await publisher.start('custom', [gateway])
      await expect.poll(() => subscribersAt(publisher)).toContain(gateway.peerId)
    }
    const publish = async (texts: string[]) => {
      for (const text of texts) expect((await publisher.rest.publish(topic, text)).recipients).toBeGreaterThan(0)
      await expect.poll(() => staying.heard.slice(-texts.length)).toEqual(texts)
    }

    const [before, inFlight, away, after] = ['before', 'in flight', 'away', 'after'].map(numbered) as [
      string[],
      string[],
      string[],
      string[],
    ]
    await publish(before)
    await expect.poll(() => leaving.heard).toEqual(before)
    holdGossip(leaving.node)
    await publish(inFlight)
    expect(leaving.heard).toEqual(before)
    for (const connection of leaving.node.getConnections()) connection.abort(new Error('the link breaks'))
    await expect.poll(() => subscribersAt(gateway)).not.toContain(leaving.node.peerId.toString())
    await publish(away)
    await staying.node.services.pubsub.publish(topic, Buffer.from('of a peer'))
    await expect.poll(async () => (await publisher.rest.history(`topic=${topic}`)).map(({ data }) => data)).toContain('of a peer')
    await leaving.node.dial(multiaddr(gateway.address('libp2p')))
    await expect.poll(() => subscribersAt(gateway)).toContain(leaving.node.peerId.toString())
    await publish(after)
    await expect.poll(() => leaving.heard.length).toBeGreaterThan(4 * before.length)
    expect(leaving.heard.filter((text) => text === 'of a peer').length).toBe(1)
    expect(leaving.heard.filter((text) => text !== 'of a peer')).toEqual([...before, ...inFlight, ...away, ...after])
  })
}
