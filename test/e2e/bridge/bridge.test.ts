import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { MessageView } from '../../../src/model/message.ts'
import type { NodeView } from '../../../src/model/node.ts'
import type { Peer } from '../../../src/model/peer.ts'
import { sequenceBytes, verifyMessage } from '../../../src/model/signed-message.ts'
import { gatewayForTest } from '../../fixtures/gateway-for-test.ts'
import { type GatewayProcess, type NodeName, quietEnvironment } from '../../fixtures/gateway-process.ts'
import { createRest, type Rest } from '../../fixtures/rest.ts'
import { type StockNode, stockNode } from '../../fixtures/stock-node.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'

interface Gateway extends GatewayProcess {
  rest: Rest
  /** Starts it again with the same data, at the same addresses. */
  restart(): Promise<Gateway>
}

async function gatewayOn(engine: NodeName, env: Record<string, string> = {}): Promise<Gateway> {
  const given = { ...quietEnvironment(await temporaryDirectory(), engine), ...env }
  const gateway = await gatewayForTest(given)
  const listen = gateway.multiaddrs.map((address) => address.replace(/\/p2p\/[^/]+$/, '')).join(',')
  const again = async (): Promise<Gateway> => {
    const next = await gatewayForTest({ ...given, PEERGATE_LISTEN: listen })
    return { ...next, rest: createRest(next.url), restart: again }
  }
  return { ...gateway, rest: createRest(gateway.url), restart: again }
}

async function join({ rest }: Gateway, topic: string): Promise<void> {
  expect((await rest.call('PUT', `/v1/topics/${topic}`, {})).status).toBeLessThan(300)
}

function addressOf({ multiaddrs }: Gateway, network: 'custom' | 'libp2p'): string {
  return multiaddrs.find((each) => each.includes('/ws/') === (network === 'custom')) ?? ''
}

async function dial(from: Gateway, to: Gateway, network: 'custom' | 'libp2p'): Promise<void> {
  expect((await from.rest.call('POST', '/v1/peers', { multiaddr: addressOf(to, network) })).status).toBeLessThan(300)
}

/** Publishes several messages, in order, some at a time. */
async function publishAll({ rest }: Gateway, topic: string, texts: string[]): Promise<void> {
  for (let at = 0; at < texts.length; at += 20) await Promise.all(texts.slice(at, at + 20).map((text) => rest.publish(topic, text)))
}

/** A stock libp2p node's subscription to a topic: the texts that it has received. */
function subscribe({ services: { pubsub } }: StockNode, topic: string): string[] {
  const texts: string[] = []
  pubsub.addEventListener('message', ({ detail }) => {
    if (detail.topic === topic) texts.push(Buffer.from(detail.data).toString())
  })
  pubsub.subscribe(topic)
  return texts
}

/** Waits until a gateway knows that another one wants a topic. */
async function knows(gateway: Gateway, other: Gateway, topic: string): Promise<void> {
  const subscribed = async () => {
    const { items } = await gateway.rest.get<{ items: Peer[] }>(`/v1/peers?topic=${topic}&state=connected`)
    return items.map(({ peerId }) => peerId)
  }
  await expect.poll(subscribed, { timeout: 30_000 }).toContain(other.peerId)
}

const textsOf = (messages: MessageView[]) => messages.map(({ data }) => data)

test('messages cross a bridge unchanged, both ways, without a client at the bridge', async () => {
  const [here, bridge, there] = await Promise.all([gatewayOn('custom'), gatewayOn('both'), gatewayOn('libp2p')])
  await Promise.all([dial(here, bridge, 'custom'), dial(there, bridge, 'libp2p')])
  await Promise.all([join(here, 'orders'), join(there, 'orders')])
  await Promise.all([knows(here, bridge, 'orders'), knows(there, bridge, 'orders')])
  const sent = [await here.rest.publish('orders', 'from custom'), await there.rest.publish('orders', 'from libp2p')]
  expect(sent.map(({ recipients }) => recipients)).toEqual([1, 1])
  for (const { rest } of [here, bridge, there]) {
    await expect
      .poll(async () => textsOf(await rest.history('topic=orders')).toSorted(), { timeout: 30_000 })
      .toEqual(['from custom', 'from libp2p'])
  }
  const authored = async ({ rest }: Gateway) =>
    (await rest.history('topic=orders'))
      .map(({ id, from, data, sequence, signature }) => ({ id, from, data, sequence, signature }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  expect(await authored(there)).toEqual(await authored(here))
  const node = await bridge.rest.get<NodeView>('/v1/node')
  expect(node.engine).toBe('both')
  expect(node.networks.map(({ engine, peers }) => ({ engine, peers }))).toEqual([
    { engine: 'custom', peers: 1 },
    { engine: 'libp2p', peers: 1 },
  ])
})

test('messages of each author keep their order across a bridge', async () => {
  const [here, bridge, there] = await Promise.all([gatewayOn('custom'), gatewayOn('both'), gatewayOn('libp2p')])
  await Promise.all([dial(here, bridge, 'custom'), dial(there, bridge, 'libp2p')])
  await Promise.all([join(here, 'orders'), join(there, 'orders')])
  await Promise.all([knows(here, bridge, 'orders'), knows(there, bridge, 'orders')])
  const texts = Array.from({ length: 1_000 }, (_, number) => String(number))
  await Promise.all([publishAll(here, 'orders', texts), publishAll(there, 'orders', texts)])
  for (const { rest } of [here, bridge, there]) {
    await expect.poll(async () => (await rest.history('topic=orders')).length, { timeout: 60_000 }).toBe(2 * texts.length)
    const stored = await rest.history('topic=orders')
    for (const { peerId } of [here, there]) {
      const sequences = stored.filter(({ from }) => from === peerId).map(({ sequence }) => BigInt(sequence))
      expect(sequences.length).toBe(texts.length)
      expect(sequences).toEqual(sequences.toSorted((a, b) => (a < b ? -1 : 1)))
    }
  }
}, 120_000)

test('only topics of PEERGATE_BRIDGE_TOPICS cross, and what the bridge’s own clients publish goes to both networks', async () => {
  const bridge = await gatewayOn('both', { PEERGATE_BRIDGE_TOPICS: 'orders.>' })
  const [here, there] = await Promise.all([gatewayOn('custom'), gatewayOn('libp2p')])
  await Promise.all([dial(here, bridge, 'custom'), dial(there, bridge, 'libp2p')])
  for (const gateway of [here, bridge, there]) await join(gateway, 'news')
  for (const gateway of [here, there]) await join(gateway, 'orders.eu')
  for (const gateway of [here, there]) for (const topic of ['news', 'orders.eu']) await knows(gateway, bridge, topic)
  await here.rest.publish('news', 'stays with custom')
  await there.rest.publish('news', 'stays with libp2p')
  const atBridge = async () => textsOf(await bridge.rest.history('topic=news')).toSorted()
  await expect.poll(atBridge, { timeout: 30_000 }).toEqual(['stays with custom', 'stays with libp2p'])
  for (const gateway of [here, there]) await knows(bridge, gateway, 'news')
  expect((await bridge.rest.publish('news', 'of the bridge')).recipients).toBe(2)
  await here.rest.publish('orders.eu', 'from custom')
  await there.rest.publish('orders.eu', 'from libp2p')
  for (const [{ rest }, own] of [
    [here, 'stays with custom'],
    [there, 'stays with libp2p'],
  ] as const) {
    const orders = async () => textsOf(await rest.history('topic=orders.eu')).toSorted()
    await expect.poll(orders, { timeout: 30_000 }).toEqual(['from custom', 'from libp2p'])
    await expect.poll(async () => textsOf(await rest.history('topic=news')).toSorted(), { timeout: 30_000 }).toEqual(['of the bridge', own])
  }
})

test('a bridge that is killed delivers what the other network had no subscriber for, once there is one', async () => {
  const [here, bridge, stock] = await Promise.all([gatewayOn('custom'), gatewayOn('both'), stockNode()])
  await dial(here, bridge, 'custom')
  await join(bridge, 'orders')
  await knows(here, bridge, 'orders')
  const texts = ['one', 'two', 'three']
  for (const text of texts) await here.rest.publish('orders', text)
  await expect.poll(async () => textsOf(await bridge.rest.history('topic=orders')), { timeout: 30_000 }).toEqual(texts)
  await bridge.end('SIGKILL')
  const next = await bridge.restart()
  const heard = subscribe(stock, 'orders')
  await stock.dial(multiaddr(addressOf(next, 'libp2p')))
  await expect.poll(() => heard, { timeout: 30_000 }).toEqual(texts)
})

test('bridges in a ring store each message once, and count peers, not links', async () => {
  // On a busy machine a dial-back takes long: a gateway would have a relay meanwhile, through which others link to it.
  const env = { PEERGATE_RELAY: 'false' }
  const [here, there, one, other, third] = await Promise.all([
    gatewayOn('custom', env),
    gatewayOn('libp2p', env),
    gatewayOn('both', env),
    gatewayOn('both', env),
    gatewayOn('both', env),
  ])
  for (const bridge of [one, other]) {
    await dial(here, bridge, 'custom')
    await dial(there, bridge, 'libp2p')
    for (const network of ['custom', 'libp2p'] as const) await dial(third, bridge, network)
  }
  for (const network of ['custom', 'libp2p'] as const) await dial(one, other, network)
  for (const gateway of [here, there, third]) await join(gateway, 'orders')
  for (const gateway of [here, there, third]) for (const bridge of [one, other]) await knows(gateway, bridge, 'orders')
  for (const bridge of [one, other]) for (const gateway of [here, there, third]) await knows(bridge, gateway, 'orders')
  const all = [here, there, third]
  for (let round = 0; round < 20; round++) {
    // In the custom network a neighbour may be told of a message by its id, and is not counted.
    const published = await Promise.all(all.map(({ rest, peerId }) => rest.publish('orders', `${peerId} ${round}`)))
    const [ofCustom, ...ofOthers] = published.map(({ recipients }) => recipients)
    expect([1, 2]).toContain(ofCustom)
    // `third` is linked to each of the two twice.
    expect(ofOthers).toEqual([2, 2])
  }
  expect([3, 4]).toContain((await one.rest.publish('orders', 'of a bridge')).recipients)
  for (const { rest } of [...all, one, other]) {
    await expect.poll(async () => (await rest.history('topic=orders')).length, { timeout: 30_000 }).toBe(61)
    expect(new Set((await rest.history('topic=orders')).map(({ id }) => id)).size).toBe(61)
  }
}, 120_000)

test('a message of an author with an RSA key crosses to the custom network with its signature and key', async () => {
  const stock = await stockNode({ privateKey: await generateKeyPair('RSA', 2_048) })
  const [here, bridge] = await Promise.all([gatewayOn('custom'), gatewayOn('both')])
  await dial(here, bridge, 'custom')
  await join(here, 'orders')
  await stock.dial(multiaddr(addressOf(bridge, 'libp2p')))
  stock.services.pubsub.subscribe('orders')
  await expect.poll(() => stock.services.pubsub.getSubscribers('orders').map(String), { timeout: 30_000 }).toContain(bridge.peerId)
  await stock.services.pubsub.publish('orders', Buffer.from('signed with RSA'))
  await expect.poll(async () => textsOf(await here.rest.history('topic=orders')), { timeout: 30_000 }).toEqual(['signed with RSA'])
  const [message] = await here.rest.history('topic=orders')
  if (message === undefined) throw new Error('no message')
  expect(message.from).toBe(stock.peerId.toString())
  const { from, data, sequence, signature, publicKey = '' } = message
  const signed = {
    from,
    topic: 'orders',
    data: Buffer.from(String(data)),
    sequence: sequenceBytes(BigInt(sequence)),
    signature: Buffer.from(signature, 'base64'),
    publicKey: Buffer.from(publicKey, 'base64'),
  }
  expect(await verifyMessage(signed)).toBe(true)
})
