import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { type MovingGateway, movingGateway } from '../../fixtures/moving-gateway.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

const topic = 'orders'

async function subscribersAt({ rest }: MovingGateway): Promise<string[]> {
  const { items } = await rest.get<{ items: Array<{ peerId: string }> }>(`/v1/peers?topic=${topic}&state=connected`)
  return items.map(({ peerId }) => peerId)
}

test('what happened in one network while a bridge was away reaches the other, also peers without a log', async () => {
  const [bridge, first, second, there] = [await movingGateway(), await movingGateway(), await movingGateway(), await movingGateway()]
  await bridge.start('both')
  await first.start('custom', [bridge])
  await second.start('custom', [bridge, first])
  await there.start('libp2p', [bridge])
  for (const gateway of [first, second, there]) await gateway.rest.call('PUT', `/v1/topics/${topic}`, {})
  const stock = await stockNode()
  const heard = new Set<string>()
  stock.services.pubsub.addEventListener('message', ({ detail }) => heard.add(Buffer.from(detail.data).toString()))
  stock.services.pubsub.subscribe(topic)
  const dial = () => stock.dial(multiaddr(bridge.address('libp2p'))).catch(() => undefined)
  await dial()
  const dialling = setInterval(dial, 250)
  onTestFinished(() => clearInterval(dialling))
  await expect.poll(() => subscribersAt(bridge)).toHaveLength(4)

  await bridge.end('SIGKILL')
  await expect.poll(() => subscribersAt(first)).toEqual([second.peerId])
  // The second gateway takes them, so that they do not wait at the first for a subscriber.
  const texts = Array.from({ length: 20 }, (_, number) => `while away ${number}`)
  for (const text of texts) expect((await first.rest.publish(topic, text)).recipients).toBe(1)
  await bridge.start('both', [first, second, there])

  await expect.poll(() => [...heard].filter((text) => texts.includes(text)).toSorted(), { timeout: 60_000 }).toEqual(texts.toSorted())
  for (const { rest } of [bridge, there]) {
    const stored = async () => (await rest.history(`topic=${topic}`)).map(({ data }) => String(data)).toSorted()
    await expect.poll(stored, { timeout: 60_000 }).toEqual(texts.toSorted())
  }
})

test('a gateway that fetches what it missed from a bridge has it once, though the bridge is killed meanwhile', async () => {
  // Several seconds of fetching.
  const slow = { PEERGATE_HISTORY_PEER_BYTES_PER_SECOND: '65536' }
  const texts = Array.from({ length: 40 }, (_, number) => `${number} ${'x'.repeat(16_000)}`)
  const [bridge, here, there] = [await movingGateway(), await movingGateway(), await movingGateway(slow)]
  await bridge.start('both')
  await here.start('custom', [bridge])
  await there.start('libp2p', [bridge])
  for (const gateway of [here, there]) await gateway.rest.call('PUT', `/v1/topics/${topic}`, {})
  await expect.poll(() => subscribersAt(bridge)).toHaveLength(2)
  await expect.poll(() => subscribersAt(here)).toEqual([bridge.peerId])
  await there.end('SIGTERM')
  for (const text of texts) expect((await here.rest.publish(topic, text)).recipients).toBe(1)
  const stored = async ({ rest }: MovingGateway) => (await rest.history(`topic=${topic}`)).map(({ data }) => String(data))
  await expect.poll(async () => (await stored(bridge)).length, { timeout: 60_000 }).toBe(texts.length)
  await there.start('libp2p', [bridge])
  await expect.poll(async () => (await stored(there)).length, { timeout: 60_000, interval: 50 }).toBeGreaterThan(0)
  await bridge.end('SIGKILL')
  await bridge.start('both', [here, there])
  await expect.poll(async () => (await stored(there)).length, { timeout: 120_000 }).toBeGreaterThanOrEqual(texts.length)
  expect(await stored(there)).toEqual(texts)
})
