import { expect, test } from 'vitest'
import type { MessageView } from '../../../src/model/message.ts'
import type { NodeView } from '../../../src/model/node.ts'
import type { Peer } from '../../../src/model/peer.ts'
import { gatewayForTest } from '../../fixtures/gateway-for-test.ts'
import { type GatewayProcess, type NodeName, quietEnvironment } from '../../fixtures/gateway-process.ts'
import { createRest, type Rest } from '../../fixtures/rest.ts'
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

async function dial(from: Gateway, to: Gateway, network: 'custom' | 'libp2p'): Promise<void> {
  const address = to.multiaddrs.find((each) => each.includes('/ws/') === (network === 'custom'))
  expect((await from.rest.call('POST', '/v1/peers', { multiaddr: address })).status).toBeLessThan(300)
}

/** Waits until a gateway knows that another one wants a topic. */
async function knows(gateway: Gateway, other: Gateway, topic: string): Promise<void> {
  const subscribed = async () => {
    const { items } = await gateway.rest.get<{ items: Peer[] }>(`/v1/peers?topic=${topic}&state=connected`)
    return items.map(({ peerId }) => peerId)
  }
  await expect.poll(subscribed, { timeout: 10_000 }).toContain(other.peerId)
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
      .poll(async () => textsOf(await rest.history('topic=orders')).toSorted(), { timeout: 10_000 })
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
