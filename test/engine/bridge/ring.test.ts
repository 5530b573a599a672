import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import type { Peer } from '../../../src/model/peer.ts'
import { bridgedNetworks, linkTo, type NetworkName } from '../../fixtures/bridged-networks.ts'
import { createParty, type Party } from '../../fixtures/party.ts'

/** Counts the messages that an engine brings to its gateway, by their text. */
function countHeard(engine: P2PEngine): Map<string, number> {
  const heard = new Map<string, number>()
  const { receive } = engine
  engine.receive = ({ onMessage, ...inbound }) =>
    receive({
      ...inbound,
      onMessage(message, network) {
        const text = Buffer.from(message.data).toString()
        heard.set(text, (heard.get(text) ?? 0) + 1)
        return onMessage(message, network)
      },
    })
  return heard
}

type Gateway = Party & { heard: Map<string, number> }

/** Gateways of networks in memory, whose engines count what they hear. */
function gatewaysOf({ networks = bridgedNetworks(), catchUp = true } = {}) {
  async function gatewayOf(engine: P2PEngine): Promise<Gateway> {
    const heard = countHeard(engine)
    return { ...(await createParty({ engine, gateway: { catchUp } })), heard }
  }
  return {
    leaf: async (name: NetworkName) => await gatewayOf(await networks.nodeOf(name)),
    bridge: async (...between: [NetworkName, NetworkName]) => await gatewayOf(await networks.bridgeNode({ between })),
  }
}

const stored = async ({ rest }: Party) => (await rest.history('topic=orders')).map(({ data }) => String(data)).toSorted()

async function join({ rest }: Party): Promise<void> {
  expect((await rest.call('PUT', '/v1/topics/orders')).status).toBeLessThan(300)
}

/** Each publishes some messages. Resolves with all of them, once each gateway has them. */
async function exchange(publishing: Gateway[], all: Gateway[], word: string): Promise<string[]> {
  const published = await Promise.all(
    publishing.map(async ({ peerId, rest }) => {
      const texts = Array.from({ length: 10 }, (_, number) => `${word} ${number} of ${peerId}`)
      for (const text of texts) await rest.publish('orders', text)
      return texts
    }),
  )
  const texts = published.flat()
  const missingAt = async (gateway: Gateway) => {
    const here = new Set(await stored(gateway))
    return texts.filter((text) => !here.has(text))
  }
  for (const gateway of all) await expect.poll(() => missingAt(gateway), { timeout: 30_000 }).toEqual([])
  return texts
}

/** How many times a gateway has heard the message that it has heard most. */
const most = ({ heard }: Gateway) => Math.max(...heard.values())

test('four networks of two kinds in a ring: each message reaches each gateway and bridge, in each of its networks once', async () => {
  const gateways = gatewaysOf()
  const names = ['custom1', 'libp2p1', 'custom2', 'libp2p2'] as const
  const leaves = await Promise.all(names.map((name) => gateways.leaf(name)))
  const bridges = await Promise.all([
    gateways.bridge('custom1', 'libp2p1'),
    gateways.bridge('custom2', 'libp2p1'),
    gateways.bridge('custom2', 'libp2p2'),
    gateways.bridge('custom1', 'libp2p2'),
  ])
  for (const [index, { engine }] of leaves.entries())
    for (const bridge of [bridges[index], bridges.at(index - 1)]) if (bridge !== undefined) await linkTo(engine, bridge.engine)
  for (const leaf of leaves) await join(leaf)
  for (const { engine } of leaves) await expect.poll(async () => (await engine.subscribers('orders')).length).toBe(2)
  const texts = await exchange(leaves, [...leaves, ...bridges], 'round')
  for (const gateway of [...leaves, ...bridges]) expect(await stored(gateway)).toEqual(texts.toSorted())
  expect(leaves.map(most)).toEqual([1, 1, 1, 1])
  for (const bridge of bridges) expect(most(bridge)).toBeLessThanOrEqual(2)
})

test('two networks of one kind with two bridges each to a third, which has no others: one bridge of each may end', async () => {
  const gateways = gatewaysOf()
  const [here, there] = [await gateways.leaf('custom1'), await gateways.leaf('custom2')]
  const left = [await gateways.bridge('custom1', 'libp2p'), await gateways.bridge('custom1', 'libp2p')]
  const right = [await gateways.bridge('custom2', 'libp2p'), await gateways.bridge('custom2', 'libp2p')]
  for (const { engine } of left) await linkTo(here.engine, engine)
  for (const { engine } of right) await linkTo(there.engine, engine)
  for (const one of left) for (const other of right) await linkTo(one.engine, other.engine)
  for (const leaf of [here, there]) await join(leaf)
  for (const { engine } of [here, there])
    await expect.poll(async () => (await engine.subscribers('orders')).length, { timeout: 30_000 }).toBe(2)
  const texts = await exchange([here, there], [here, there, ...left, ...right], 'both')
  for (const gateway of [here, there, ...left, ...right]) expect(await stored(gateway)).toEqual(texts.toSorted())
  // A message comes over each link once at most, and a bridge has three.
  for (const gateway of [here, there]) expect(most(gateway)).toBeLessThanOrEqual(2)
  for (const gateway of [...left, ...right]) expect(most(gateway)).toBeLessThanOrEqual(3)
  await left[0]?.gateway.stop()
  await right[1]?.gateway.stop()
  await exchange([here, there], [here, there], 'one')
})

/** By linked peer, how many messages a gateway has received over each link to it on average, of the networks that they share. */
async function receivedOverLinks({ rest }: Gateway): Promise<number[]> {
  const { items } = await rest.get<{ items: Peer[] }>('/v1/peers?state=connected')
  return items.map(({ traffic, networks }) => (traffic?.messagesIn ?? 0) / networks.length)
}

test('ten bridges between the same networks, beside a peer that is on both: each message crosses each link once at most', async () => {
  // A bridge hands on what it fetches, too, whether or not it is also on its way.
  const gateways = gatewaysOf({ catchUp: false })
  const leaves = [await gateways.leaf('custom'), await gateways.leaf('libp2p')]
  const bridges: Gateway[] = []
  // A bridge dials on its first network, so that two of unlike order that dial each other are linked on both.
  for (let count = 0; count < 10; count++)
    bridges.push(await (count % 2 === 0 ? gateways.bridge('custom', 'libp2p') : gateways.bridge('libp2p', 'custom')))
  const onBoth = await gateways.bridge('custom', 'libp2p')
  const all = [...leaves, ...bridges, onBoth]
  for (const { engine } of leaves) for (const { engine: bridge } of bridges) await linkTo(engine, bridge)
  const linked = [...bridges, onBoth]
  for (const { engine } of linked) for (const { engine: other } of linked) if (engine !== other) await linkTo(engine, other)
  for (const gateway of [...leaves, onBoth]) await join(gateway)
  for (const { engine } of leaves) await expect.poll(async () => (await engine.subscribers('orders')).length).toBe(bridges.length)
  const texts = await exchange([...leaves, onBoth, ...bridges.slice(0, 1)], all, 'round')
  for (const gateway of all) expect(await stored(gateway)).toEqual(texts.toSorted())
  const received = await Promise.all(all.map(receivedOverLinks))
  expect(received.flat().length).toBe(2 * leaves.length * bridges.length + linked.length * (linked.length - 1))
  for (const each of received.flat()) expect(each).toBeLessThanOrEqual(texts.length)
})
