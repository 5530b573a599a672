import { expect, onTestFinished, test } from 'vitest'
import type { DeliveryView } from '../../../src/model/delivery.ts'
import type { NodeView } from '../../../src/model/node.ts'
import type { Peer } from '../../../src/model/peer.ts'
import { bridgedNetworks, linkTo } from '../../fixtures/bridged-networks.ts'
import { bridgeOf, dial, leafOf } from '../../fixtures/memory-bridges.ts'
import { createMemoryNetwork } from '../../fixtures/memory-engine.ts'
import { createParty, type Party } from '../../fixtures/party.ts'
import { openStream } from '../../fixtures/stream-client.ts'

/** A gateway of each network, each linked to a bridge only. */
async function acrossBridge() {
  const networks = bridgedNetworks()
  const bridge = await networks.bridge()
  const here = await createParty({ engine: await networks.nodeOf('custom') })
  const there = await createParty({ engine: await networks.nodeOf('libp2p') })
  for (const { engine } of [here, there]) await linkTo(engine, bridge)
  return { bridge, here, there }
}

/** A client that serves, and answers when `work` does. */
async function serve({ gateway }: Party, work: (from: string) => Promise<string>) {
  const stream = await openStream(gateway.url)
  onTestFinished(() => stream.socket.terminate())
  stream.socket.on('message', async (raw) => {
    const frame = JSON.parse(raw.toString())
    if (frame.type === 'request') stream.send({ type: 'reply', requestId: frame.requestId, data: await work(frame.from) })
  })
  stream.send({ type: 'serve', service: 'who', concurrency: 1 })
  await stream.expect('serving')
}

const ask = ({ rest }: Party, { peerId }: Party) =>
  rest.call<Record<string, unknown>>('POST', `/v1/peers/${peerId}/requests/who`, { data: 'x' })
const peerAt = ({ rest }: Party, peerId: string) => rest.get<Peer>(`/v1/peers/${peerId}`)

test('a service answers peers of the other network, who have no address of it', async () => {
  const { bridge, here, there } = await acrossBridge()
  await serve(there, async (from) => from)
  expect((await here.rest.call('GET', `/v1/peers/${there.peerId}`)).status).toBe(404)
  expect(await ask(here, there)).toMatchObject({ status: 200, body: { data: here.peerId } })
  const shown = { state: 'known', direction: null, path: 'bridge', via: bridge.peerId, since: expect.any(String) }
  expect(await peerAt(here, there.peerId)).toMatchObject(shown)
  const { items } = await here.rest.get<{ items: Peer[] }>('/v1/peers')
  expect(items.find(({ peerId }) => peerId === there.peerId)).toMatchObject(shown)
  expect(await peerAt(here, bridge.peerId)).toMatchObject({ path: 'tcp', via: null, since: expect.any(String) })
  expect(await peerAt(there, bridge.peerId)).toMatchObject({ path: 'tcp', via: null, since: expect.any(String) })
})

test('nobody answers in the name of a peer that is blocked, or without a bridge: the errors are those of a dial', async () => {
  const { bridge, here, there } = await acrossBridge()
  await serve(there, async (from) => from)
  expect((await ask(here, there)).status).toBe(200)
  await here.rest.call('PATCH', `/v1/peers/${there.peerId}`, { blocked: true })
  expect(await peerAt(here, there.peerId)).toMatchObject({ state: 'blocked', path: null, via: null, since: null })
  expect((await ask(here, there)).body).not.toHaveProperty('data')
  await here.rest.call('PATCH', `/v1/peers/${there.peerId}`, { blocked: false })
  await bridge.stop()
  expect(await ask(here, there)).toMatchObject({ status: 404, body: { code: 'peer_not_found' } })
})

test('a direct message is delivered through a bridge without a dial, and is its author’s', async () => {
  const { here, there } = await acrossBridge()
  let dials = 0
  const { dial } = here.engine
  here.engine.dial = async (...given) => {
    dials++
    return await dial(...given)
  }
  const { body } = await here.rest.call<DeliveryView>('POST', `/v1/peers/${there.peerId}/messages`, { data: 'hello' })
  await expect.poll(async () => (await here.rest.get<DeliveryView>(`/v1/deliveries/${body.id}`)).state).toBe('delivered')
  expect(await there.rest.history('kind=direct')).toMatchObject([{ from: here.peerId, to: there.peerId, data: 'hello' }])
  expect(dials).toBe(0)
})

test('maxDirectBytesPerHour: authors behind a bridge have four times one’s bytes together', async () => {
  const networks = bridgedNetworks()
  const bridge = await networks.bridge()
  const there = await createParty({ engine: await networks.nodeOf('libp2p'), limits: { maxDirectBytesPerHour: 1_000 } })
  await linkTo(there.engine, bridge)
  const states: string[] = []
  for (let number = 0; number < 5; number++) {
    const author = await createParty({ engine: await networks.nodeOf('custom') })
    await linkTo(author.engine, bridge)
    const { body } = await author.rest.call<DeliveryView>('POST', `/v1/peers/${there.peerId}/messages`, { data: 'x'.repeat(900) })
    const attempted = async () => {
      const { state, attempts } = await author.rest.get<DeliveryView>(`/v1/deliveries/${body.id}`)
      return state === 'delivered' || attempts > 0
    }
    await expect.poll(attempted).toBe(true)
    states.push((await author.rest.get<DeliveryView>(`/v1/deliveries/${body.id}`)).state)
  }
  expect(states).toEqual(['delivered', 'delivered', 'delivered', 'delivered', 'queued'])
})

test('a bridge shows a topic in each network', async () => {
  const networks = bridgedNetworks()
  const bridge = await createParty({ engine: await networks.bridgeNode() })
  const [here, there] = [await networks.node('custom'), await networks.node('libp2p')]
  for (const node of [here, there]) await linkTo(node, bridge.engine)
  await there.subscribe('orders')
  await expect.poll(() => here.subscribers('orders')).toEqual([bridge.peerId])
  await here.send(await here.sign([{ topic: 'orders', data: Buffer.from('one') }]))
  await expect.poll(async () => (await bridge.rest.call('GET', '/v1/topics/orders')).status).toBe(200)
  expect(await bridge.rest.get('/v1/topics/orders')).toMatchObject({
    joined: false,
    messages: 1,
    subscribers: 1,
    networks: [
      { engine: 'custom', subscribers: 0, bridged: true },
      { engine: 'libp2p', subscribers: 1, bridged: false },
    ],
  })
})

test('a bridge shows how it can be reached in each network, who is linked there, and in which networks a peer is', async () => {
  const networks = [createMemoryNetwork('custom'), createMemoryNetwork('libp2p')] as const
  const hidden = { state: 'hidden' as const, confirmed: [], observed: ['192.0.2.1'], relays: [] }
  const { engine, one, other } = await bridgeOf([...networks], (side) => ({ ...side, reachability: async () => hidden }))
  const bridge = await createParty({ engine })
  const [here, there] = [await leafOf(networks[0]), await leafOf(networks[1])]
  const onBoth = await bridgeOf([...networks])
  await onBoth.engine.start()
  for (const node of [here, onBoth.one]) await dial(node, one)
  for (const node of [there, onBoth.other]) await dial(node, other)
  const direct = { state: 'direct', confirmed: [], observed: [], relays: [] }
  expect(await bridge.rest.get<NodeView>('/v1/node')).toMatchObject({
    engine: 'both',
    reachability: { ...direct, observed: hidden.observed },
    networks: [
      { engine: 'custom', peers: 2, reachability: direct },
      { engine: 'libp2p', peers: 2, reachability: hidden },
    ],
  })
  const { items } = await bridge.rest.get<{ items: Peer[] }>('/v1/peers?state=connected')
  expect(new Map(items.map((peer) => [peer.peerId, peer.networks]))).toEqual(
    new Map([
      [here.peerId, ['custom']],
      [there.peerId, ['libp2p']],
      [onBoth.engine.peerId, ['custom', 'libp2p']],
    ]),
  )
})
