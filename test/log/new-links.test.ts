import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { libp2pEngine } from '../fixtures/libp2p-engine.ts'
import { stockNode } from '../fixtures/stock-node.ts'
import { createRoad } from './road-for-test.ts'

const topic = 'orders'
const limits = { kuboMessageMs: 50 }

async function gateway() {
  const engine = await libp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'], dht: false, limits })
  const road = await createRoad({ wrapEngine: () => engine, limits })
  await engine.subscribe(topic)
  return road
}

test('a gateway that a Kubo peer is newly linked to does not overtake what another has still to send it', async () => {
  const [slow, other] = [await gateway(), await gateway()]
  await slow.connect(other)
  await expect.poll(() => slow.engine.subscribers(topic)).toEqual([other.engine.peerId])
  const kubo = await stockNode({ agent: 'kubo/0.43.1', listen: [] })
  const heard: string[] = []
  kubo.services.pubsub.addEventListener('message', ({ detail }) => void heard.push(Buffer.from(detail.data).toString()))
  kubo.services.pubsub.subscribe(topic)
  const link = async ({ engine }: typeof slow) => {
    await kubo.dial(multiaddr((await engine.multiaddrs())[0] ?? ''))
    await expect.poll(() => engine.subscribers(topic)).toContain(kubo.peerId.toString())
  }

  await link(slow)
  const texts = Array.from({ length: 40 }, (_, number) => `${number}`)
  for (const text of texts) await slow.publish(topic, text)
  await expect.poll(other.stored).toEqual(texts)
  await link(other)
  await slow.publish(topic, 'the last')
  await expect.poll(() => heard).toContain('the last')
  expect(heard).toEqual([...texts, 'the last'])
})
