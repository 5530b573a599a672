import { expect, test } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside, inside } from '../fixtures/inside.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const topic = 'from behind the routers'
const numbers = (count: number) => Array.from({ length: count }, (_, number) => `${number}`)

async function start(under: string[], env: Record<string, string>): Promise<GatewayProcess> {
  return await gatewayForTest({ ...quietEnvironment(await temporaryDirectory()), ...env }, under)
}

test('two gateways that no packet from outside can reach exchange 1,000 of 1,000 messages each way through a third (needs network namespaces)', {
  timeout: 180_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const { outside, hosts } = await createRoutedNetwork(2)
  const relay = await start(outside, { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071/ws' })
  const bootstrap = `/ip4/${publicAddress}/tcp/7071/ws/p2p/${relay.peerId}`
  const hidden = await Promise.all(
    hosts.map((host) => start(host, { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071/ws', PEERGATE_BOOTSTRAP: bootstrap })),
  )
  const places = hidden.map(({ url, peerId }, index) => ({ url, peerId, under: hosts[index] ?? [] }))
  for (const { under, url } of places) {
    // As long as nobody has dialled back in vain.
    await expect
      .poll(async () => (await getInside<NodeView>(under, `${url}/v1/node`)).reachability, { timeout: 60_000, interval: 1_000 })
      .toMatchObject({
        state: 'hidden',
        relays: [relay.peerId],
      })
  }
  const readers = places.map(({ under, url }) => inside(under, 'receive', url, topic, '1000'))
  for (const { lines } of readers) await expect.poll(() => lines[0]).toBe('subscribed')
  const writers = places.map(({ under, url }) => inside(under, 'publish', url, topic, '1000'))
  for (const { ended } of writers) expect(await ended).toEqual({ code: 0, output: 'done' })
  for (const { ended } of readers) {
    const { output } = await ended
    const received = output.split('\n').slice(1)
    // Each once. The first may come last: what is announced while the tree of the topic forms is fetched seconds later.
    expect(received.toSorted((one, other) => Number(one) - Number(other))).toEqual(numbers(1000))
  }
  const [first, second] = places
  const peer = await getInside(first?.under ?? [], `${first?.url}/v1/peers/${second?.peerId}`)
  expect(peer).toMatchObject({ state: 'connected', relayed: true })
})
