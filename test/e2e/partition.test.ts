import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { MessageView } from '../../src/model/message.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside, inside } from '../fixtures/inside.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const topic = 'orders'
const count = 120

test.for(['both', 'to', 'from'] as const)(
  'two gateways lose every packet between them for some seconds (%s): they notice, take what their clients publish, and are whole after it (needs network namespaces)',
  { timeout: 120_000 },
  async (direction, { skip }) => {
    skip(!(await canRoute()), 'network namespaces and nft are needed')
    const { outside, hosts, cut, mend } = await createRoutedNetwork(['port-restricted'])
    const start = async (under: string[], more: Record<string, string>) => {
      const env = { ...quietEnvironment(await temporaryDirectory()), PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071/ws', ...more }
      const { url, peerId } = await gatewayForTest({ ...env, PEERGATE_SILENT_LINK_MS: '2000', PEERGATE_DIAL_TIMEOUT_MS: '1000' }, under)
      return { url, peerId, under, get: <Body>(path: string) => getInside<Body>(under, url + path) }
    }
    const there = await start(outside, {})
    const here = await start(hosts[0] ?? [], { PEERGATE_BOOTSTRAP: `/ip4/${publicAddress}/tcp/7071/ws/p2p/${there.peerId}` })
    const gateways = [there, here]
    const states = () =>
      Promise.all([
        here.get<{ state: string }>(`/v1/peers/${there.peerId}`),
        there.get<{ state: string }>(`/v1/peers/${here.peerId}`),
      ]).then((peers) => peers.map(({ state }) => state))
    const readers = gateways.map(({ under, url }) => inside(under, 'receive', url, topic, `${count}`))
    for (const { lines } of readers) await expect.poll(() => lines[0]).toBe('subscribed')
    await expect.poll(states).toEqual(['connected', 'connected'])

    const writers = gateways.map(({ under, url }) => inside(under, 'trickle', url, topic, `${count}`))
    await delay(1_000)
    await cut(0, direction)
    await expect.poll(states).toEqual(['known', 'known'])
    await mend(0)
    for (const { ended } of writers) expect(await ended).toEqual({ code: 0, output: 'done' })
    const numbers = Array.from({ length: count }, (_, number) => `${number}`)
    for (const { ended } of readers) {
      const [, ...received] = (await ended).output.split('\n')
      expect(received.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers)
    }
    for (const { get } of gateways) {
      const { items } = await get<{ items: MessageView[] }>(`/v1/topics/${topic}/messages?limit=250`)
      expect(items).toHaveLength(2 * count)
    }
  },
)
