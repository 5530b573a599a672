import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

const topic = 'orders'

test('a peer with two connections, as after dials that cross, is one peer with one stream of gossip each way, and nothing comes twice', async () => {
  const received: string[] = []
  const engine = await startedLibp2pEngine({
    listen: ['/ip4/127.0.0.1/tcp/0'],
    inbound: {
      async onMessage({ data }) {
        received.push(Buffer.from(data).toString())
        return 'accept'
      },
    },
  })
  const stock = await stockNode()
  const { pubsub } = stock.services
  const heard: string[] = []
  pubsub.addEventListener('message', ({ detail }) => heard.push(Buffer.from(detail.data).toString()))
  await engine.subscribe(topic)
  pubsub.subscribe(topic)
  const [address = ''] = await engine.multiaddrs()
  await stock.dial(multiaddr(address))
  await stock.dial(multiaddr(address), { force: true })
  const connections = stock.getConnections(peerIdFromString(engine.peerId))
  expect(connections).toHaveLength(2)

  const peerId = stock.peerId.toString()
  await expect.poll(() => engine.subscribers(topic)).toEqual([peerId])
  await expect.poll(() => pubsub.getSubscribers(topic).map(String)).toEqual([engine.peerId])
  const all = Array.from({ length: 50 }, (_, number) => `${number}`)
  for (const data of all) {
    expect(await engine.send(await engine.sign([{ topic, data: Buffer.from(data) }]))).toEqual([1])
    await pubsub.publish(topic, Buffer.from(data))
  }
  const inOrder = (texts: string[]) => texts.toSorted((one, other) => Number(one) - Number(other))
  await expect.poll(() => [inOrder(received), inOrder(heard)]).toEqual([all, all])
  expect((await engine.peers()).map((peer) => peer.peerId)).toEqual([peerId])
  const streams = connections.flatMap((each) => each.streams).filter(({ protocol }) => pubsub.protocols.includes(protocol))
  expect(streams.map(({ direction }) => direction).toSorted()).toEqual(['inbound', 'outbound'])
})
